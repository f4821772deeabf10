"""Every bomb on every route that takes a body, over a socket: refused with a problem, at once, never a 5xx.

At once: the server's thread spends less than 50 ms on it, as Linux counts its time; others have the machine as well.

    python -m tests.campaigns.bombs

Prints one JSON object: how many were sent, what they were answered, which was the slowest.
"""

import http.client
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from api.openapi import document
from tests.support.bombs import BOMBS
from tests.support.passing_folder import passing_folder
from tests.support.served import Served, served, shown

AGENCY = "ccas-montpellier"
MOST_MS = 50.0
SOME_ID = "01a1f3d2-0000-7000-8000-000000000000"
NAMES = {"agency": AGENCY, "slug": "a-rule", "version": "1"}


class Done(msgspec.Struct):
    bombs: int
    routes: int
    requests: int
    statuses: dict[str, int]
    slowest_ms: float
    """Of the server's thread."""
    slowest: str
    longest_wait_ms: float
    faults: list[str]
    """Bodies that were not refused, not as a problem, or not at once even when tried again."""


class Answer(msgspec.Struct):
    status: int
    media_type: str
    spent_ms: float
    waited_ms: float


def routes_with_a_body() -> Iterator[tuple[str, str, str]]:
    """(method, address, media type)."""
    for path, item in document()["paths"].items():
        for method, operation in item.items():
            for media_type in operation.get("requestBody", {}).get("content", {}):
                yield method.upper(), _address(path), media_type


def _address(path: str) -> str:
    for name, value in NAMES.items():
        path = path.replace(f"{{{name}}}", value)
    while "{" in path:
        before, _, rest = path.partition("{")
        path = before + SOME_ID + rest.partition("}")[2]
    return path


def campaign(folder: Path, names: Sequence[str] = tuple(BOMBS)) -> Done:
    routes = list(routes_with_a_body())
    done = Done(len(names), len(routes), 0, {}, 0.0, "", 0.0, [])
    statuses: Counter[str] = Counter()
    with served(folder, AGENCY) as service:
        for method, address, media_type in routes:
            for name in names:
                for _ in range(3):
                    answer = send(service, method, address, media_type, name)
                    done.requests += 1
                    if answer.spent_ms < MOST_MS:
                        break
                statuses[str(answer.status)] += 1
                done.longest_wait_ms = max(done.longest_wait_ms, round(answer.waited_ms, 1))
                if answer.spent_ms > done.slowest_ms:
                    done.slowest_ms, done.slowest = round(answer.spent_ms, 1), f"{name}: {method} {address}"
                if is_fault(answer, media_type):
                    done.faults.append(f"{name}: {method} {address}: {answer}")
    done.statuses = dict(statuses)
    return done


def is_fault(answer: Answer, media_type: str) -> bool:
    """A batch answers 200 to a body of bad lines: each line has its own refusal."""
    of_lines = "ndjson" in media_type and answer.status == 200
    refused = 400 <= answer.status < 500 and answer.media_type == "application/problem+json"
    return not (refused or of_lines) or answer.spent_ms >= MOST_MS


def send(service: Served, method: str, address: str, media_type: str, name: str) -> Answer:
    headers = shown(service, AGENCY) | {"Idempotency-Key": name, "If-Match": "*", "Content-Type": media_type}
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=30)
    body = BOMBS[name].body
    try:
        connection.putrequest(method, address)
        for header, value in (headers | {"Content-Length": str(len(body))}).items():
            connection.putheader(header, value)
        began, spent_ms = time.perf_counter(), thread_ms(service.process.pid)
        connection.endheaders()
        with suppress(BrokenPipeError, ConnectionResetError):  # Refused by its announced size: the answer is there.
            connection.send(body)
        response = connection.getresponse()
        response.read()
        return Answer(
            response.status,
            response.headers.get_content_type(),
            thread_ms(service.process.pid) - spent_ms,
            (time.perf_counter() - began) * 1000,
        )
    finally:
        connection.close()


def thread_ms(process: int) -> float:
    """What the process's first thread, where the loop runs, has spent so far."""
    return int(Path(f"/proc/{process}/task/{process}/schedstat").read_text().split()[0]) / 1e6


def main() -> int:
    with passing_folder("unisson-bombs-") as folder:
        done = campaign(folder)
    sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
    return 1 if done.faults else 0


if __name__ == "__main__":
    sys.exit(main())
