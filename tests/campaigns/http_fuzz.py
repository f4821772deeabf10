"""Requests made up from the description of the API, good and bad, under several identities, on a real server.

    python -m tests.campaigns.http_fuzz [--cases 20000] [--seed 1]        (make fuzz)

Never a 5xx, never an answer that the description does not tell, never a success for whoever may not look. Prints one
JSON object, and fails when fewer cases ran than were asked for.
"""

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.openapi import document
from tests.support.passing_folder import passing_folder
from tests.support.served import PERSON, Served, served, shown

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
OWNER = "ccas-montpellier"
FOREIGN = "service-etranger-3f9c"
"""An agency that no made-up request can come to name, so that nobody ever lets it in."""
STRANGER = "stranger"
IDENTITIES = (OWNER, OWNER + PERSON, FOREIGN, STRANGER)
CANARY = "Canari-7c1f0e52"
"""In the name of a person whose pathway the foreign agency and the stranger ask for."""
PATHWAYS = 4
FAULTS_KEPT = 50

schemathesis.serializer.alias("application/x-ndjson", "text/plain")


class Fault(msgspec.Struct):
    identity: str
    operation: str
    status: int
    what: str
    body: str
    """What was sent, cut short: made up, so nobody's."""


class Done(msgspec.Struct):
    cases: int = 0
    operations: int = 0
    by_identity: dict[str, int] = {}
    by_status: dict[str, int] = {}
    """By identity and status."""
    server_errors: int = 0
    breaches: int = 0
    """Answers that the description does not tell."""
    foreign_successes: int = 0
    """Answers 2xx about a pathway of others, to the foreign agency; any 2xx at all, to the stranger."""
    leaks: int = 0
    """Answers to either that hold the person's name."""
    slowest_ms: float = 0.0
    slowest: str = ""
    faults: list[Fault] = []

    @property
    def is_clean(self) -> bool:
        return not (self.server_errors or self.breaches or self.foreign_successes or self.leaks)


class Fuzz:
    """One campaign on one server."""

    def __init__(self, service: Served) -> None:
        self.done = Done()
        self._service = service
        self._session = requests.Session()
        self._operations = dict(_operations())
        self._pathways: list[tuple[str, str]] = []
        """Each with an entry of its own. The latest that were opened: some requests end what can be done with one."""
        self._opened: set[str] = set()
        self.done.operations = len(self._operations)

    def _open(self) -> None:
        pathway = self._record("/v1/pathways", {"family_name": CANARY})
        contact = self._record(f"/v1/pathways/{pathway}/contacts", {"channel": "phone", "reached": True})
        self._pathways = [*self._pathways[1 - PATHWAYS :], (pathway, contact)]
        self._opened.add(pathway)

    def _record(self, path: str, body: dict[str, Any]) -> str:
        headers = shown(self._service, OWNER) | {"Idempotency-Key": str(uuid4())}
        answer = self._session.post(self._service.url + path, json=body, headers=headers)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def run(self, cases: int, first_seed: int) -> Done:
        """Rounds over every operation, mode and identity until as many cases ran; a short campaign skips some turns."""
        turns = list(self._turns())
        each = max(1, cases // len(turns))
        stride = max(1, len(turns) // cases) | 1  # Odd, so that all the identities have their turn.
        for number in range(10):
            for place in range(number % stride, len(turns), stride):
                if self.done.cases >= cases:
                    return self.done
                self._turn(*turns[place], each, first_seed + number * len(turns) + place)
        return self.done

    def _turns(self) -> Iterator[tuple[str, GenerationMode, str]]:
        for name in self._operations:
            for mode in GenerationMode:
                for identity in IDENTITIES:
                    yield name, mode, identity

    def _turn(self, name: str, mode: GenerationMode, identity: str, examples: int, number: int) -> None:
        cases = self._operations[name].as_strategy(generation_mode=mode)
        self._open()

        @seed(number)
        @settings(
            max_examples=examples,
            phases=[Phase.generate],
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=cases, pathway=st.sampled_from([None, *self._pathways]))
        def ask(case: Any, pathway: tuple[str, str] | None) -> None:
            self._ask(name, identity, case, pathway)

        ask()

    def _ask(self, name: str, identity: str, case: Any, pathway: tuple[str, str] | None) -> None:
        for parameter, real in zip(("pathway_id", "entry_id"), pathway or (), strict=False):
            if parameter in (case.path_parameters or {}):
                case.path_parameters[parameter] = real
        headers = {} if identity == STRANGER else shown(self._service, identity)
        began = time.perf_counter()
        response = case.call(base_url=self._service.url, headers=headers, session=self._session)
        self._count(name, identity, response.status_code, (time.perf_counter() - began) * 1000)
        try:
            case.validate_response(response, checks=CHECKS)
        except (Failure, FailureGroup) as found:
            self._fault(case, name, identity, response, "; ".join(_sentences(found)))
            if response.status_code < 500:
                self.done.breaches += 1
        if self._is_foreign_success(identity, case, response.status_code):
            self.done.foreign_successes += 1
            self._fault(case, name, identity, response, "a success for whoever may not look")
        if identity in {FOREIGN, STRANGER} and CANARY in response.text:
            self.done.leaks += 1
            self._fault(case, name, identity, response, "the answer holds the person's name")

    def _is_foreign_success(self, identity: str, case: Any, status: int) -> bool:
        on_pathway = (case.path_parameters or {}).get("pathway_id") in self._opened
        return status < 300 and (identity == STRANGER or (identity == FOREIGN and on_pathway))

    def _count(self, name: str, identity: str, status: int, milliseconds: float) -> None:
        done = self.done
        done.cases += 1
        done.by_identity[identity] = done.by_identity.get(identity, 0) + 1
        known_as = f"{identity} {status}"
        done.by_status[known_as] = done.by_status.get(known_as, 0) + 1
        done.server_errors += status >= 500
        if milliseconds > done.slowest_ms:
            done.slowest_ms, done.slowest = round(milliseconds, 1), f"{name} ({identity}): {status}"

    def _fault(self, case: Any, name: str, identity: str, response: Any, what: str) -> None:
        alike = Counter((fault.operation, fault.what) for fault in self.done.faults)
        if len(self.done.faults) < FAULTS_KEPT and alike[name, what[:300]] < 2:
            sent = f"{case.path_parameters} {case.query} {case.headers} {case.body!r}"
            self.done.faults.append(Fault(identity, name, response.status_code, what[:300], sent[:1_000]))


def _operations() -> Iterator[tuple[str, Any]]:
    """Without what the description says of credentials: each identity shows its own."""
    described = document()
    del described["security"], described["components"]["securitySchemes"]
    for item in described["paths"].values():
        for operation in item.values():
            operation.pop("security", None)
    for found in schemathesis.openapi.from_dict(described).get_all_operations():
        if isinstance(found, Ok):
            operation = found.ok()
            yield f"{operation.method.upper()} {operation.path}", operation


def _sentences(found: Failure | FailureGroup) -> Sequence[str]:
    return [str(each).replace("\n", " ") for each in (found.exceptions if isinstance(found, FailureGroup) else [found])]


def campaign(folder: Path, cases: int, first_seed: int = 1) -> Done:
    with served(folder, *(name for name in IDENTITIES if name != STRANGER)) as service:
        return Fuzz(service).run(cases, first_seed)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.campaigns.http_fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given_ = parser.parse_args(arguments)
    with passing_folder("unisson-fuzz-") as folder:
        done = campaign(folder, given_.cases, given_.seed)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(done), indent=1).decode() + "\n")
    return 0 if done.is_clean and done.cases >= given_.cases else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
