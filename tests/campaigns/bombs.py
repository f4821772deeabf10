"""Every bomb on every route that takes a body, over a socket: refused with a problem, at once, never a 5xx.

    python -m tests.campaigns.bombs

Prints one JSON object: how many were sent, what they were answered, which was the slowest.
"""

import http.client
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from api.openapi import document
from tests.support.bombs import BOMBS
from tests.support.served import served

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
    slowest: str
    faults: list[str]
    """Bodies that were not refused, not as a problem, or not at once even when tried again."""


class Answer(msgspec.Struct):
    status: int
    media_type: str
    milliseconds: float


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


def campaign(folder: Path, names: Sequence[str] = tuple(BOMBS), most_ms: float = MOST_MS) -> Done:
    """`most_ms` of real time, at the third try: another process may have had the machine."""
    routes = list(routes_with_a_body())
    done = Done(len(names), len(routes), 0, {}, 0.0, "", [])
    statuses: Counter[str] = Counter()
    with served(folder, AGENCY) as service:
        for method, address, media_type in routes:
            for name in names:
                for tried in range(3):
                    answer = send(service.url, service.tokens[AGENCY], method, address, media_type, name)
                    done.requests += 1
                    if answer.milliseconds < most_ms or tried == 2:
                        break
                statuses[str(answer.status)] += 1
                if answer.milliseconds > done.slowest_ms:
                    done.slowest_ms, done.slowest = round(answer.milliseconds, 2), f"{name}: {method} {address}"
                if is_fault(answer, media_type) or answer.milliseconds >= most_ms:
                    done.faults.append(f"{name}: {method} {address}: {answer}")
    done.statuses = dict(statuses)
    return done


def is_fault(answer: Answer, media_type: str) -> bool:
    """A batch answers 200 to a body of bad lines: each line has its own refusal."""
    of_lines = "ndjson" in media_type and answer.status == 200
    refused = 400 <= answer.status < 500 and answer.media_type == "application/problem+json"
    return not (refused or of_lines)


def send(url: str, token: str, method: str, address: str, media_type: str, name: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": name, "If-Match": "*", "Content-Type": media_type}
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    body = BOMBS[name].body
    try:
        connection.putrequest(method, address)
        for header, value in (headers | {"Content-Length": str(len(body))}).items():
            connection.putheader(header, value)
        began = time.perf_counter()
        connection.endheaders()
        with suppress(BrokenPipeError, ConnectionResetError):  # Refused by its announced size: the answer is there.
            connection.send(body)
        response = connection.getresponse()
        response.read()
        return Answer(response.status, response.headers.get_content_type(), (time.perf_counter() - began) * 1000)
    finally:
        connection.close()


def main() -> int:
    folder = Path(tempfile.mkdtemp(prefix="unisson-bombs-"))
    folder.chmod(0o711)
    try:
        done = campaign(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(msgspec.json.encode(done).decode() + "\n")
    return 1 if done.faults else 0


if __name__ == "__main__":
    sys.exit(main())
