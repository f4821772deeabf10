"""Every byte of a bundle, altered one at a time: the verifier notices each, also when the list of files is made again.

    python -m tests.campaigns.altered_bundle [--people 2]

Every bit of the small files: keys, notes, lists. Prints how many were tried and how many went unnoticed.
"""

import argparse
import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from api.verify.command import verify
from infrastructure.database import connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate
from infrastructure.pruning import PostgresPruning
from tests.support.altered import files_of, listed_again
from tests.support.sealed_events import T, append_erasure
from tests.support.sealed_log import sealed_log

SMALL = 2000
"""A file of at most so many bytes has each of its bits tried, a larger one each of its bytes, in one way."""
LIST = "SHA256SUMS"


async def made(folder: Path, people: int) -> Path:
    """A bundle with an erased and pruned person, and two levels of tiles from 64 people on."""
    async with EmbeddedPostgres(folder, durable=False) as server:
        connection = await connect(server.url)
        await migrate(connection)
        await connection.close()
        async with create_pool(server.url) as pool, sealed_log(server.url, pool, folder) as log:
            await append_erasure(log.writer, log.people[0], after=4)
            await PostgresPruning(pool).prune(T, log.people[0])
            await log.grow(people)
            return await log.bundle()


def unnoticed(bundle: Path) -> Iterator[tuple[int, str | None]]:
    """For each alteration tried, how many verdicts it took, and its place if one of them was good."""
    sums = (bundle / LIST).read_bytes()
    for file in files_of(bundle):
        original = file.read_bytes()
        for place in range(len(original)):
            for bit in range(8) if len(original) <= SMALL else (place % 8,):
                changed = bytearray(original)
                changed[place] ^= 1 << bit
                file.write_bytes(changed)
                verdicts = [verify(bundle)]
                if file.name != LIST:
                    listed_again(bundle)
                    verdicts.append(verify(bundle))
                    (bundle / LIST).write_bytes(sums)
                name = f"{file.relative_to(bundle)} byte {place} bit {bit}"
                yield len(verdicts), None if all(verdict.faults for verdict in verdicts) else name
        file.write_bytes(original)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=2)
    folder = Path(tempfile.mkdtemp(prefix="unisson-altered-"))
    folder.chmod(0o711)
    try:
        bundle = asyncio.run(made(folder, parser.parse_args().people))
        assert verify(bundle).faults == []
        tried, verdicts, missed = 0, 0, []
        for count, place in unnoticed(bundle):
            tried, verdicts = tried + 1, verdicts + count
            missed += [] if place is None else [place]
        assert verify(bundle).faults == []
    finally:
        shutil.rmtree(folder)
    sys.stdout.write(f"altered={tried} verdicts={verdicts} unnoticed={len(missed)} {' '.join(missed[:5])}\n")
    return 1 if missed or not tried else 0


if __name__ == "__main__":
    sys.exit(main())
