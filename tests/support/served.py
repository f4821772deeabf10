"""The server in a process of its own, on an embedded database in an empty folder: for clients that are not async."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
SCRIPT = """
import asyncio, sys
from api.app import compose
from api.launch import serve
from api.limits import Limits
from application.access import KEY_SCOPES
from application.api_keys import issue
from domain.clock import SystemClock
from infrastructure.settings import read_settings

settings = read_settings()

async def prepare():
    async with compose(settings, roles=frozenset()) as runtime:
        for agency in sys.argv[1:]:
            key, token = issue(territory="FR-34", agency=agency, now=SystemClock().now(), scopes=KEY_SCOPES)
            await runtime.keys.add(key)
            print(token, flush=True)

asyncio.run(prepare())
limits = Limits(requests_per_second=1e6, burst=1_000_000, wait_seconds=0.05)
serve(settings, limits=limits, on_ready=lambda url: print(url, flush=True))
"""


class Served(NamedTuple):
    url: str
    tokens: dict[str, str]
    process: "subprocess.Popen[str]"


@contextmanager
def served(folder: Path, *agencies: str, **settings: str) -> Iterator[Served]:
    """The folder and its parents must be passable to the account that runs PostgreSQL."""
    environment = {
        **os.environ,
        "UNISSON_DATA_DIR": str(folder),
        "UNISSON_PORT": "0",
        "PYTHONPATH": str(ROOT),
        **settings,
    }
    script = [sys.executable, "-c", SCRIPT, *agencies]
    with subprocess.Popen(script, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            tokens = {agency: process.stdout.readline().strip() for agency in agencies}
            yield Served(process.stdout.readline().strip(), tokens, process)
        finally:
            process.terminate()
            process.wait(10)
