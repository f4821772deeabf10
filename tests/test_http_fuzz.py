"""Requests made up from the OpenAPI document, good and bad: never a 5xx, never an answer that it does not tell.

UNISSON_HYPOTHESIS=thorough makes many more (`make fuzz`).
"""

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi import document
from tests.support.served import Served, served

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
THOROUGH = os.environ.get("UNISSON_HYPOTHESIS") == "thorough"
schemathesis.serializer.alias("application/x-ndjson", "text/plain")
SCHEMA = schemathesis.openapi.from_dict(document())
OPERATIONS = {
    f"{found.ok().method.upper()} {found.ok().path}": found.ok()
    for found in SCHEMA.get_all_operations()
    if isinstance(found, Ok)
}


@pytest.fixture(scope="module")
def service(session_data_dir: Path) -> Iterator[Served]:
    folder = session_data_dir / "fuzzed"
    folder.mkdir()
    folder.chmod(0o711)
    with served(folder, "ccas-montpellier") as service:
        yield service


@pytest.fixture(scope="module")
def pathway(service: Served) -> str:
    """One that exists, so that commands get as far as the domain."""
    headers = {
        "Authorization": f"Bearer {service.tokens['ccas-montpellier']}",
        "Idempotency-Key": "first",
        "Content-Type": "application/json",
    }
    request = urllib.request.Request(f"{service.url}/v1/pathways", b"{}", headers)  # noqa: S310
    with urllib.request.urlopen(request) as answer:  # noqa: S310
        return str(json.load(answer)["id"])


@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
@pytest.mark.parametrize("name", OPERATIONS)
def test_no_request_breaks_it(service: Served, pathway: str, name: str, mode: GenerationMode) -> None:
    cases = OPERATIONS[name].as_strategy(generation_mode=mode)
    token = service.tokens["ccas-montpellier"]

    @settings(
        max_examples=50 if THOROUGH else 2,
        deadline=None,
        database=None,
        derandomize=not THOROUGH,
        suppress_health_check=list(HealthCheck),
    )
    @given(case=cases, exists=st.booleans())
    def ask(case: Any, exists: bool) -> None:
        if exists and "pathway_id" in (case.path_parameters or {}):
            case.path_parameters["pathway_id"] = pathway
        response = case.call(base_url=service.url, headers={"Authorization": f"Bearer {token}"})
        case.validate_response(response, checks=CHECKS)

    ask()
