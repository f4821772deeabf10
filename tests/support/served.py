"""The server in a process of its own, on an embedded database in an empty folder: for clients that are not async."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import NamedTuple

from api.browser import OURS, SESSION_COOKIE

ROOT = Path(__file__).parent.parent.parent
PERSON = "/person"
"""After an agency's name: somebody of it with every role, signed in, instead of its software."""
SCRIPT = """
import asyncio, sys
from types import SimpleNamespace
from api.composition import compose
from api.launch import serve
from api.limits import Limits
from application.access import KEY_SCOPES
from application.api_keys import issue
from domain.clock import SystemClock
from domain.roles import Role
from infrastructure.settings import read_settings
from tests.support.service import Service

settings = read_settings()

async def prepare():
    async with compose(settings, roles=frozenset()) as runtime:
        for name in sys.argv[1:]:
            agency, _, person = name.partition("/")
            if person:
                member_id = await Service(SimpleNamespace(state=SimpleNamespace(runtime=runtime)), None).member(
                    *Role, agency=agency
                )
                print(await runtime.sessions.open("FR-34", agency, member_id), flush=True)
                continue
            key, token = issue(territory="FR-34", agency=agency, now=SystemClock().now(), scopes=KEY_SCOPES)
            await runtime.keys.add(key)
            print(token, flush=True)

asyncio.run(prepare())
limits = Limits(requests_per_second=1e6, burst=1_000_000, wait_seconds=0.05, stream_seconds=0.2)
serve(settings, limits=limits, on_ready=lambda url: print(url, flush=True))
"""


class Served(NamedTuple):
    url: str
    tokens: dict[str, str]
    """What each agency's software, or person, shows."""
    process: "subprocess.Popen[str]"


@contextmanager
def served(folder: Path, *agencies: str, log: Path | None = None, **settings: str) -> Iterator[Served]:
    """The folder and its parents must be passable to the account that runs PostgreSQL.

    `agencies` get a key each, with all that a key may hold; `agency/person` gets a session. What it says goes to `log`.
    """
    environment = {
        **os.environ,
        "UNISSON_DATA_DIR": str(folder),
        "UNISSON_PORT": "0",
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    script = [sys.executable, "-c", SCRIPT, *agencies]
    with (
        log.open("wb") if log else nullcontext() as said,
        subprocess.Popen(script, env=environment, stdout=subprocess.PIPE, stderr=said, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            tokens = {agency: process.stdout.readline().strip() for agency in agencies}
            yield Served(process.stdout.readline().strip(), tokens, process)
        finally:
            process.terminate()
            process.wait(60)


def shown(service: Served, name: str) -> dict[str, str]:
    """The headers by which an agency's software, or person, is known."""
    if name.endswith(PERSON):
        return {"Cookie": f"{SESSION_COOKIE}={service.tokens[name]}", OURS: "1"}
    return {"Authorization": f"Bearer {service.tokens[name]}"}
