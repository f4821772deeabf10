"""A follower in a process of its own, to be killed: `python -m tests.support.follow_forever DATABASE_URL LEASE_S`."""

import asyncio
import sys

import domain.catalogue  # noqa: F401 - registers every event type
from application.rules_in_force import RulesInForce
from domain.clock import SystemClock
from domain.rules import Calendars
from infrastructure.database import create_pool
from projections.follower import Follower
from projections.registry import projections
from tests.support.four_rules import four_rules
from tests.support.logs import postgres_log


async def follow(url: str, lease_s: float) -> None:
    async with create_pool(url, application_name="to be killed") as pool, postgres_log(url, pool) as log:
        everything = projections(log, RulesInForce(four_rules()), Calendars())
        async with Follower(pool, log, everything, SystemClock(), lease_s=lease_s, poll_s=0.1):
            sys.stdout.write("following\n")
            sys.stdout.flush()
            await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(follow(sys.argv[1], float(sys.argv[2])))
