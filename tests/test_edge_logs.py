"""Nothing that was sent stands in a log, ours or PostgreSQL's: no name, no note, no credential, no address.

Every route is sent canaries where it takes text, rightly and wrongly; then the database is killed under the requests.
"""

import json
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2

from api.openapi import document
from tests.support.served import PERSON, served, shown

CCAS = "ccas-montpellier"
CANARY = "Canari5d2e"
JSON = {"Content-Type": "application/json"}
SCHEMAS = document()["components"]["schemas"]


def made_of_canaries(schema: dict[str, Any], depth: int = 0) -> Any:
    """A body with a canary wherever text may stand, of about the form that the schema asks for."""
    if "$ref" in schema:
        return made_of_canaries(SCHEMAS[schema["$ref"].rpartition("/")[2]], depth)
    for choice in ("anyOf", "oneOf"):
        if choice in schema:
            return made_of_canaries(schema[choice][0], depth)
    if schema.get("type") == "object":
        names = schema.get("properties", {}) if depth < 4 else {}
        return {name: made_of_canaries(each, depth + 1) for name, each in names.items()}
    if schema.get("type") == "array":
        return [made_of_canaries(schema.get("items", {}), depth + 1)]
    return {"integer": 1, "number": 1.5, "boolean": True}.get(str(schema.get("type")), CANARY)


def requests() -> Iterator[tuple[str, str, Any]]:
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            content = operation.get("requestBody", {}).get("content", {})
            schema = content.get("application/json", {}).get("schema")
            yield method.upper(), path, None if schema is None else made_of_canaries(schema)


def send_everything(client: httpx2.Client, pathway: str) -> set[int]:
    statuses = set()
    for method, path, body in requests():
        for pathway_id, condition in ((pathway, "*"), (CANARY, CANARY)):
            answer = client.request(
                method,
                path.replace("{pathway_id}", pathway_id).replace("{entry_id}", str(uuid4())),
                params={"q": CANARY} if condition == CANARY else None,
                content=None if body is None else json.dumps(body),
                headers={"Idempotency-Key": f"{CANARY}{uuid4()}", "If-Match": condition, **JSON},
            )
            statuses.add(answer.status_code)
    return statuses


def test_nothing_sent_stands_in_a_log(data_dir: Path) -> None:
    log = data_dir / "printed"
    with served(data_dir, CCAS, CCAS + PERSON, log=log, UNISSON_LOG_LEVEL="debug") as service:
        with httpx2.Client(base_url=service.url, headers=shown(service, CCAS)) as client:
            named = {"given_name": CANARY, "family_name": CANARY, "phone": "+33612345678", "note": CANARY}
            named = {name: value for name, value in named.items() if name in SCHEMAS["OpenPathway"]["properties"]}
            opened = client.post("/v1/pathways", json=named, headers={"Idempotency-Key": "k"})
            assert opened.status_code == 201, opened.text
            pathway = opened.json()["id"]
            client.get("/v1/me", params={"key": service.tokens[CCAS]})
            client.get("/v1/me", headers={"Authorization": "Bearer " + service.tokens[CCAS][:-1] + "x"})
        for identity in (CCAS, CCAS + PERSON):
            with httpx2.Client(base_url=service.url, headers=shown(service, identity)) as client:
                assert {200, 400, 404, 422} <= send_everything(client, pathway)
        kill_the_database(data_dir)
        with httpx2.Client(base_url=service.url, headers=shown(service, CCAS), timeout=20) as client:
            for _ in range(20):
                client.post("/v1/pathways", json={"family_name": CANARY}, headers={"Idempotency-Key": str(uuid4())})
        tokens = list(service.tokens.values())
    searched = [log, *data_dir.rglob("*.log")]
    assert len(searched) > 1
    for path in searched:
        said = path.read_text()
        for word in (CANARY, "+33612345678", pathway, *tokens):
            assert word not in said, f"{path.name}: {[line for line in said.splitlines() if word in line][:3]}"
    printed = [json.loads(line) for line in log.read_text().splitlines()]
    assert any("exception" in line or line["level"] in {"error", "warning"} for line in printed), "nothing went wrong"


def kill_the_database(data_dir: Path) -> None:
    [pid_file] = data_dir.rglob("postmaster.pid")
    os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)
    time.sleep(0.1)
