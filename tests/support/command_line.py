"""Runs `unisson` as a shell would."""

import asyncio
import os
import sys
from typing import NamedTuple


class Ran(NamedTuple):
    status: int
    out: str
    err: str


def environment(**variables: str) -> dict[str, str]:
    """The tests' own, without any setting of the machine they run on."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("UNISSON_")}
    return kept | {"NO_COLOR": "1", "COLUMNS": "100"} | variables


async def start(*arguments: str, **variables: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "api",
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(**variables),
    )


async def unisson(*arguments: str, **variables: str) -> Ran:
    process = await start(*arguments, **variables)
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())
