"""A sealer in a process of its own, to be killed: `python -m tests.support.seal_forever DATABASE_URL FOLDER`."""

import asyncio
import sys
from pathlib import Path

from infrastructure.database import create_pool
from infrastructure.note_folder import NoteFolder
from infrastructure.sealer import Sealer
from infrastructure.signing_key import LogKey
from tests.support.sealed_events import T


async def seal(url: str, folder: Path) -> None:
    async with create_pool(url, application_name="to be killed") as pool:
        sealer = Sealer(pool, LogKey.load_or_create(folder / "log"), NoteFolder(folder / "last-signed"))
        sys.stdout.write("sealing\n")
        sys.stdout.flush()
        while True:
            await sealer.seal(T)


if __name__ == "__main__":
    asyncio.run(seal(sys.argv[1], Path(sys.argv[2])))
