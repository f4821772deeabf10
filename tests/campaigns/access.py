"""Access decided three times: by the decision table, by row-level security, by a model that shares nothing with them.

    python -m tests.campaigns.access [--cases 20000] [--seed 1]

Random pathways of two territories, with referrals, consents, shares and broken glass given and taken back; random
callers, at instants around every end. Then the table against the model alone, for every action and purpose.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path

from infrastructure.database import connect, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.migrate import migrate
from tests.support.access_compared import Compared, compare
from tests.test_authorisation import agree

PATHWAYS, CALLERS = 50, 100
CASES_OF_A_WORLD = 20


async def compared(cases: int, seed: int) -> Compared:
    """In a fresh database for each round of 5,000 cases."""
    total = Compared(disagreements=[])
    with tempfile.TemporaryDirectory(prefix="unisson-access-") as folder:
        Path(folder).chmod(0o711)
        async with EmbeddedPostgres(Path(folder), durable=False) as server:
            for number in range(-(-cases // (PATHWAYS * CALLERS))):
                maintenance = await connect(server.url)
                await maintenance.execute(f"CREATE DATABASE round_{number}")
                await maintenance.close()
                await _round(server.url.replace("/unisson?", f"/round_{number}?"), seed + number, total)
    return total


async def _round(url: str, seed: int, total: Compared) -> None:
    connection = await connect(url)
    await migrate(connection)
    await connection.close()
    async with create_pool(url) as pool:
        found = await compare(pool, seed, PATHWAYS, CALLERS)
    total.cases += found.cases
    total.visible += found.visible
    total.disagreements += found.disagreements


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    began_s = time.monotonic()
    found = asyncio.run(compared(given.cases, given.seed))
    allowed = sum(agree(given.seed + number, CASES_OF_A_WORLD) for number in range(given.cases // CASES_OF_A_WORLD))
    report = {
        "seed": given.seed,
        "table_walls_model": {"cases": found.cases, "visible": found.visible},
        "table_model_all_actions": {"cases": given.cases, "allowed": allowed},
        "disagreements": len(found.disagreements),
        "seconds": round(time.monotonic() - began_s, 1),
    }
    print(json.dumps(report))  # noqa: T201
    for each in found.disagreements[:10]:
        print(each, file=sys.stderr)  # noqa: T201
    enough = found.cases >= given.cases and 0 < found.visible < found.cases and 0 < allowed < given.cases
    return 0 if enough and not found.disagreements else 1


if __name__ == "__main__":
    sys.exit(main())
