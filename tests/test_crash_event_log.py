"""What is acknowledged survives kill -9 and nothing is stored twice; `benchmarks.crash_campaign` tries for longer."""

from pathlib import Path

from benchmarks.crash_campaign import (
    Campaign,
    Outcome,
    durable_campaign,
    kill_postgresql,
    kill_the_application,
    write_from_two_processes,
)

CYCLES = 2


def must_have_passed(outcome: Outcome) -> None:
    assert (outcome.lost, outcome.doubled, outcome.misplaced, outcome.missed) == (0, 0, 0, 0), outcome
    assert outcome.cycles == outcome.planned
    assert outcome.acknowledged > 0
    assert outcome.passed


async def test_a_reader_that_follows_two_processes_misses_nothing(database_url: str, tmp_path: Path) -> None:
    must_have_passed(await write_from_two_processes(Campaign(database_url, tmp_path, seed=1), seconds=1))


async def test_killing_the_application_loses_and_doubles_nothing(database_url: str, tmp_path: Path) -> None:
    must_have_passed(await kill_the_application(Campaign(database_url, tmp_path, seed=2), CYCLES))


async def test_killing_postgresql_loses_and_doubles_nothing() -> None:
    async with durable_campaign(seed=3) as (campaign, server):
        must_have_passed(await kill_postgresql(campaign, server, CYCLES))


def test_a_campaign_that_did_not_run_does_not_pass() -> None:
    """Zero lost of zero is a failure."""
    ran = Outcome(
        campaign="c", planned=2, cycles=2, seed=1, acknowledged=9, stored=9, lost=0, doubled=0, misplaced=0, missed=0
    )
    assert ran.passed
    for change in ({"cycles": 1}, {"acknowledged": 0}, {"lost": 1}, {"doubled": 1}, {"misplaced": 1}, {"missed": 1}):
        fields = {name: getattr(ran, name) for name in ran.__struct_fields__}
        assert not Outcome(**(fields | change)).passed
