"""Erased is gone, and a crash at any step changes nothing; for longer: `python -m tests.campaigns.erasure`."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from domain.person_erasure import Step
from infrastructure.database import Pool
from tests.campaigns.erasure import AGENCIES, TO_DIE, Killed, faults_of, kill_and_go_on, search_campaign
from tests.support.erasing import Scene, scene
from tests.support.following import TERRITORY


class Crash(BaseException):
    """The process ends here."""


@pytest.fixture
async def here(database_url: str, pool: Pool, tmp_path: Path) -> AsyncIterator[Scene]:
    async with scene(database_url, pool, tmp_path) as opened:
        yield opened


def crash_after(here: Scene, step: Step) -> None:
    """Carried out, and not yet recorded."""
    carry_out = here.erasures._steps[step]

    async def crashed(turn: Any) -> bool:
        assert await carry_out(turn)
        raise Crash

    here.erasures._steps = {**here.erasures._steps, step: crashed}


def test_no_canary_and_no_key_of_an_erased_person_is_found_anywhere() -> None:
    searched = search_campaign()
    assert searched.control_found_in, "the search did not find what was written in clear on purpose"
    assert searched.keys_found_before, "the search did not find the key that was there before"
    assert searched.files > 500
    assert searched.canaries > 50
    assert searched.keys == 5
    assert searched.messages >= len(AGENCIES)
    assert searched.hits == []
    assert searched.passed


async def test_an_erasure_that_crashed_after_any_step_ends_as_if_it_had_not(here: Scene, pool: Pool) -> None:
    faults = []
    usual = here.erasures._steps
    for step in TO_DIE:
        person = await here.live()
        erasure_id = (await here.ask(person)).id
        crash_after(here, step)
        with pytest.raises(Crash):
            await here.erasures.advance(TERRITORY, erasure_id, at_once=True)
        here.erasures._steps = usual
        await here.erasures.advance(TERRITORY, erasure_id, at_once=True)
        faults += [f"{step}: {fault}" for fault in await faults_of(here, pool, person, erasure_id)]
    assert faults == []


async def test_an_erasure_whose_process_is_killed_goes_on(
    database_url: str, here: Scene, pool: Pool, tmp_path: Path
) -> None:
    assert await kill_and_go_on(database_url, pool, here, tmp_path, Step.KEYS_DESTROYED, after=True) == []


async def test_two_processes_may_carry_out_the_same_erasure(here: Scene, pool: Pool) -> None:
    person = await here.live()
    erasure_id = (await here.ask(person)).id
    await asyncio.gather(*(here.erasures.advance(TERRITORY, erasure_id, at_once=True) for _ in range(3)))
    assert await faults_of(here, pool, person, erasure_id) == []


def test_a_campaign_that_did_not_run_does_not_pass() -> None:
    assert Killed(planned=2, kills=2, finished=2, faults=[]).passed
    for planned, kills, finished in ((44, 2, 2), (2, 2, 1), (0, 0, 0)):
        assert not Killed(planned=planned, kills=kills, finished=finished, faults=[]).passed
