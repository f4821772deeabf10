"""A process that appends as fast as it can and notes what was acknowledged; the crash campaign kills it.

Each of its writers has a stream of its own, on which command n is version n under a key of its own. Started again, it
goes on after what its file says was acknowledged: the command that was under way is sent again with the same key.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import UUID, uuid5

from application.event_log import AppendInDoubt, Commit, Idempotency, LogBusy
from domain.ids import uuid7
from infrastructure.database import create_pool
from infrastructure.event_log import PostgresEventLog
from infrastructure.memory_key_vault import MemoryKeyVault
from tests.support.histories import painted

TERRITORY = "FR-34"
NAMES = UUID("0196f7b2-0000-7000-8000-000000000000")
RETRY_SECONDS = 0.02


def stream_of(process: str, writer: int) -> UUID:
    return uuid5(NAMES, f"{process} {writer}")


def command_key(process: str, writer: int, number: int) -> str:
    return f"{process}-{writer}-{number}"


def acknowledged(file: Path) -> list[tuple[int, int, int]]:
    """(writer, command, position) in the order in which they were acknowledged; a line cut by a kill is none."""
    if not file.exists():
        return []
    lines = file.read_text("ascii").splitlines(keepends=True)
    return [tuple(map(int, line.split())) for line in lines if line.endswith("\n")]  # type: ignore[misc]


async def main(url: str, file: Path, process: str, writers: int) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    done = dict.fromkeys(range(writers), 0)
    for writer, number, _ in acknowledged(file):
        done[writer] = number
    note = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    async with (
        create_pool(url, application_name="crash writer") as pool,
        PostgresEventLog(url, pool, MemoryKeyVault()) as log,
    ):
        await asyncio.gather(*(_write(log, note, process, writer, done[writer], stopping) for writer in range(writers)))


async def _write(
    log: PostgresEventLog, note: int, process: str, writer: int, number: int, stopping: asyncio.Event
) -> None:
    stream_id = stream_of(process, writer)
    while not stopping.is_set():
        key = command_key(process, writer, number + 1)
        commit = Commit(
            stream_id=stream_id,
            expected_version=number,
            events=[painted(stream_id, number + 1, key)],
            correlation_id=uuid7(),
            idempotency=Idempotency(client=process, key=key, fingerprint=key.encode(), outcome=b"ok"),
        )
        try:
            appended = await log.append(TERRITORY, commit)
        except (AppendInDoubt, LogBusy):
            await asyncio.sleep(RETRY_SECONDS)
            continue
        number += 1
        os.write(note, f"{writer} {number} {appended.first_position}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])))
