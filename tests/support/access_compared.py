"""The three walls asked the same questions: the decision table, row-level security on real tables, and the model."""

from contextlib import AsyncExitStack
from random import Random
from uuid import UUID

import msgspec

from application.access import Caller
from application.authorisation import Forbidden, authorise
from application.decision_table import Action
from application.sight import sight_of
from domain.pathway import NotAParticipant
from infrastructure.database import Database, Pool
from infrastructure.row_security import reading
from projections.builds import install, live_builds
from projections.pathway_timeline import PathwayTimeline
from projections.projection import Page
from tests.support.access_model import Question, verdict
from tests.support.access_worlds import TERRITORIES, World, some_caller, stored

PROJECTION = PathwayTimeline()
READ = ("pathway_summaries", "pathway_timeline")
"""Tables about pathways: the reader asks for all of their rows, without any condition."""


class Compared(msgspec.Struct):
    """How many cases were compared, in how many the pathway was to be seen, and those in which the three differ."""

    cases: int = 0
    visible: int = 0
    disagreements: list[str] = []


async def compare(pool: Pool, seed: int, pathways: int, callers: int) -> Compared:
    """Each of so many callers, at some instant, against each of so many pathways of two territories."""
    random = Random(seed)  # noqa: S311 (cases, not secrets)
    worlds = [World(random) for _ in range(pathways)]
    await _fold(pool, worlds)
    found = Compared()
    for _ in range(callers):
        caller, at = some_caller(random, worlds)
        async with AsyncExitStack() as stack:
            db = await stack.enter_async_context(reading(pool, sight_of(caller, at)))
            shown = [await _shown(db, table) for table in READ]
        for world in worlds:
            asked = Question(world.history, caller, Action.READ_CASE, at)
            said = [
                verdict(asked) == "yes",
                _allows(caller, world, asked),
                *(world.pathway.id in each for each in shown),
            ]
            found.cases += 1
            found.visible += said[0]
            if len(set(said)) > 1:
                found.disagreements.append(f"seed {seed}: model, table, {', '.join(READ)} say {said} of {asked}")
    return found


async def _fold(pool: Pool, worlds: list[World]) -> None:
    """Through the projection itself, into the build that the views show."""
    await install(pool, [PROJECTION])
    async with pool.acquire() as db, db.transaction():
        build = (await live_builds(db, [PROJECTION]))[PROJECTION.name]
        for territory in TERRITORIES:
            mine = {world.pathway.id: world.pathway for world in worlds if world.history.territory == territory}
            page = Page(
                territory=territory, events=stored(worlds, territory), pathways=mine, steps={}, before={}, replay=True
            )
            await PROJECTION.fold(db, build, page)


async def _shown(db: Database, table: str) -> frozenset[UUID]:
    return frozenset(row["pathway"] for row in await db.fetch(f"SELECT DISTINCT pathway FROM {table}"))


def _allows(caller: Caller, world: World, asked: Question) -> bool:
    try:
        authorise(caller, Action.READ_CASE, world.pathway, at=asked.at)
    except (NotAParticipant, Forbidden):
        return False
    return True
