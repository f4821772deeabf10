"""The OpenAPI document: current, free of the usual traps, and true of what the application answers."""

import json
import re
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.openapi import document
from api.problems import catalogue
from api.schemas import all_names, schema_of
from domain.aggregate import EVENT_TYPES

ROOT = Path(__file__).parent.parent
COMMITTED = ROOT / "docs" / "reference" / "openapi.json"
DOCUMENT = document()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in DOCUMENT["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def everything(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
        for value in node.values():
            yield from everything(value)
    elif isinstance(node, list):
        for value in node:
            yield from everything(value)


def test_the_committed_document_is_current() -> None:
    current = msgspec.json.format(msgspec.json.encode(DOCUMENT), indent=2) + b"\n"
    assert COMMITTED.read_bytes() == current, "run `make docs`"


def test_operation_ids_are_unique_camel_case_and_stable() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z][A-Za-z]+", name) for name in names)
    assert {"openPathway", "moveReferral", "readTimeline", "listAlerts", "readEvents"} <= set(names)


def schema_of_body(operation: dict[str, Any]) -> dict[str, Any]:
    """Of one line, where the body is of lines."""
    [content] = operation["requestBody"]["content"].values()
    schema: dict[str, Any] = content["schema"]
    line: dict[str, Any] = schema.get("x-line", schema)
    return line


def test_every_reference_leads_somewhere() -> None:
    for node in everything(DOCUMENT):
        if "$ref" in node:
            target: Any = DOCUMENT
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            assert target


def test_no_component_is_named_after_a_module() -> None:
    assert all(re.fullmatch("[A-Z][A-Za-z]+", name) for name in DOCUMENT["components"]["schemas"])


def test_no_enumeration_carries_the_default_of_one_of_its_users() -> None:
    enumerations = [schema for schema in DOCUMENT["components"]["schemas"].values() if "enum" in schema]
    assert enumerations
    assert not any("default" in schema for schema in enumerations)


def test_bodies_say_that_they_refuse_unknown_fields() -> None:
    for method, path, operation in operations():
        if "requestBody" in operation:
            reference = schema_of_body(operation)["$ref"]
            schema = DOCUMENT["components"]["schemas"][reference.rpartition("/")[2]]
            assert schema["additionalProperties"] is False, f"{method} {path}"


def test_every_post_takes_an_idempotency_key() -> None:
    """A batch takes one a line; searching for a person records nothing that could be recorded twice."""
    wanted = {"$ref": "#/components/parameters/IdempotencyKey"}
    assert [
        path for method, path, operation in operations() if method == "post" and wanted not in operation["parameters"]
    ] == ["/v1/batches", "/v1/persons/matches"]
    assert "idempotency_key" in DOCUMENT["components"]["schemas"]["BatchLine"]["required"]


def test_every_refusal_is_a_problem() -> None:
    for method, path, operation in operations():
        refusals = {status: answer for status, answer in operation["responses"].items() if status[0] in "45"}
        assert {"401", "429", "500", "503"} <= set(refusals), f"{method} {path}"
        for answer in refusals.values():
            assert list(answer["content"]) == ["application/problem+json"]


def test_every_operation_is_tagged_summarised_and_closed_to_strangers() -> None:
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert DOCUMENT["security"] == [{"accessToken": []}, {"session": []}, {"apiKey": []}]
    for _, path, operation in operations():
        assert set(operation["tags"]) <= tags
        assert operation["summary"], path
        assert "security" not in operation


def test_it_is_plain_json_with_a_licence() -> None:
    assert json.loads(json.dumps(DOCUMENT)) == msgspec.json.decode(COMMITTED.read_bytes())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert DOCUMENT["info"]["license"]["identifier"] == project["license"]


def test_every_problem_has_a_title_in_both_languages_and_a_status_of_its_own() -> None:
    for code, kind in catalogue().items():
        assert re.fullmatch("[a-z][a-z0-9_]+", code)
        assert 400 <= kind.status < 600
        assert kind.title() not in {"", "The request was refused."}, code
        assert kind.title_fr != "La demande a été refusée.", code


def test_no_two_refusals_share_a_code() -> None:
    from domain.errors import DomainError

    seen: dict[str, type[DomainError]] = {}
    pending = [DomainError]
    while pending:
        for subclass in pending.pop().__subclasses__():
            pending.append(subclass)
            if "code" in vars(subclass):
                assert seen.setdefault(subclass.code, subclass) is subclass, subclass.code


@pytest.mark.parametrize("name", [name for name in all_names() if not name.startswith("test-")])
def test_every_event_has_a_schema_whose_fields_of_a_person_name_their_compartment(name: str) -> None:
    topic, _, version = name.rpartition("/")
    schema = schema_of(topic, int(version))
    assert schema is not None
    assert schema["$id"] == f"/schemas/events/{name}"
    body = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    of_person = EVENT_TYPES[topic if version == "1" else f"{topic}@{version}"].OF_PERSON
    assert all(of_person <= ("x-compartment" in field) for field in body["properties"].values())
    assert '"Erased"' not in json.dumps(schema)


def test_the_documentation_files_are_those_that_were_reviewed() -> None:
    folder = ROOT / "api" / "static"
    listed = {line[66:]: line[:64] for line in (folder / "CHECKSUMS").read_text().splitlines()}
    found = {
        str(file.relative_to(folder)): sha256(file.read_bytes()).hexdigest()
        for file in folder.rglob("*")
        if file.is_file() and file.name not in {"CHECKSUMS", "README.md"}
    }
    assert found == listed
