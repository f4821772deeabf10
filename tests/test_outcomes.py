"""Outcomes of requests that append nothing: of those sent at once under one key, one is carried out."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest

from application.access import Caller
from application.event_log import Commit, Idempotency, IdempotencyKeyReused
from application.outcomes import Request
from application.pathways import InFlight
from domain.ids import uuid7
from infrastructure.database import Pool, create_pool
from infrastructure.event_log import PostgresEventLog
from infrastructure.memory_key_vault import MemoryKeyVault
from infrastructure.outcomes import PostgresOutcomes
from tests.support.service import CCAS, MISSION_LOCALE, TERRITORY

CALLER = Caller(territory=TERRITORY, agency=CCAS)


def request(key: str = "k", fingerprint: bytes = b"f", caller: Caller = CALLER) -> Request:
    return Request(caller=caller, idempotency_key=key, fingerprint=fingerprint)


async def test_a_request_that_was_settled_is_answered_as_it_was(pool: Pool) -> None:
    outcomes = PostgresOutcomes(pool)
    assert await outcomes.begin(request()) is None
    await outcomes.settle(request(), b"done")
    assert await outcomes.begin(request()) == b"done"
    await outcomes.give_up(request())
    assert await outcomes.begin(request()) == b"done"


async def test_one_of_many_requests_at_once_is_carried_out_whatever_the_process(database_url: str, pool: Pool) -> None:
    async with create_pool(database_url, application_name="other") as other:
        outcomes = [PostgresOutcomes(each) for each in (pool, other)]
        begun = await asyncio.gather(
            *(outcomes[number % 2].begin(request()) for number in range(12)), return_exceptions=True
        )
    assert Counter(map(type, begun)) == {type(None): 1, InFlight: 11}


async def test_a_key_serves_one_request_only(pool: Pool) -> None:
    outcomes = PostgresOutcomes(pool)
    assert await outcomes.begin(request()) is None
    with pytest.raises(IdempotencyKeyReused):
        await outcomes.begin(request(fingerprint=b"another"))
    assert await outcomes.begin(request(caller=Caller(territory=TERRITORY, agency=MISSION_LOCALE))) is None
    assert await outcomes.begin(request(caller=Caller(territory="FR-30", agency=CCAS))) is None


async def test_what_was_given_up_may_be_tried_again(pool: Pool) -> None:
    outcomes = PostgresOutcomes(pool)
    assert await outcomes.begin(request()) is None
    await outcomes.give_up(request())
    assert await outcomes.begin(request(fingerprint=b"corrected")) is None


async def test_a_request_whose_process_died_may_be_carried_out_after_a_while(pool: Pool) -> None:
    died = PostgresOutcomes(pool, reserved_for=timedelta(0))
    assert await died.begin(request()) is None
    assert await PostgresOutcomes(pool).begin(request()) is None
    with pytest.raises(InFlight):
        await PostgresOutcomes(pool).begin(request())


async def test_a_command_under_the_same_key_at_the_same_time_hurts_nobody(database_url: str, pool: Pool) -> None:
    """A key of both kinds at once: one of the two is refused, and the commands written beside it are not."""
    outcomes, vault = PostgresOutcomes(pool), MemoryKeyVault()
    async with PostgresEventLog(database_url, pool, vault) as log:
        for number in range(20):
            key = f"k{number}"
            commits = [
                Commit(stream_id=uuid7(), expected_version=0, events=(), idempotency=idempotency(each))
                for each in (key, f"beside {number}")
            ]
            begun, command, beside = await asyncio.gather(
                outcomes.begin(request(key)),
                *(log.append(TERRITORY, commit) for commit in commits),
                return_exceptions=True,
            )
            assert [type(each) for each in (begun, command)].count(IdempotencyKeyReused) == 1
            assert not isinstance(beside, BaseException)


def idempotency(key: str) -> Idempotency:
    return Idempotency(client=CCAS, key=key, fingerprint=b"command", outcome=b"{}")
