"""Backtests asked for over HTTP: a queue for each territory, a process for each job, a result that stays."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.backtest_runner import BacktestRunner
from application.access import Scope
from application.backtest.jobs import Job, JobState
from infrastructure.backtests import ATTEMPTS_MAX, PostgresBacktests
from tests.support.service import CCAS, NOW, Agency, Service, running

RULE: dict[str, Any] = {
    "rule": "own-need-to-referral",
    "kind": "require",
    "when": {"on": "diagnosis"},
    "expect": {"on": "referral", "match": {"theme": "theme"}},
    "within": {"from": "0d", "to": "30d"},
}
NEED = "se-former--trouver-sa-formation"
LATER = (NOW + timedelta(days=60)).isoformat()
STEERING = frozenset({Scope.READ, Scope.WRITE, Scope.STEER})


@pytest.fixture
async def service(database_url: str, data_dir: Path) -> AsyncIterator[Service]:
    async with running(database_url, data_dir) as service:
        yield service


@pytest.fixture
async def agency(service: Service) -> Agency:
    return await service.agency(scopes=STEERING)


async def ask(agency: Agency, **body: Any) -> str:
    response = await agency.command("/v1/rules/backtests", {"document": RULE, "to": LATER} | body)
    assert response.status_code == 202, response.text
    return str(response.headers["location"])


async def ended(agency: Agency, place: str) -> dict[str, Any]:
    for _ in range(400):
        job: dict[str, Any] = (await agency.get(place)).json()
        if job["state"] not in ("queued", "running"):
            return job
        await asyncio.sleep(0.05)
    raise AssertionError("the backtest does not end")


async def diagnose(agency: Agency) -> str:
    pathway = await agency.opened()
    body = {"on": "2026-03-02", "needs": [{"theme": NEED}]}
    response = await agency.command(f"{pathway}/diagnoses", body)
    assert response.status_code in (200, 201), response.text
    return pathway.rsplit("/", 1)[1]


async def test_a_rule_is_tried_on_the_territorys_own_past(agency: Agency) -> None:
    pathway = await diagnose(agency)

    place = await ask(agency)
    job = await ended(agency, place)
    table = (await agency.get(f"{place}/result")).json()

    assert (job["state"], job["pathways_done"], job["pathways"]) == ("done", 1, 1)
    assert [(rule["alerts"], rule["difference"]["new"]) for rule in table["rules"]] == [(1, 1)]
    assert [(row["month"], row["agency"]) for row in table["load"]] == [("2026-04", CCAS)]
    assert [sample["pathway"] for sample in table["samples"]] == [pathway]
    assert job["known_at"] == table["known_at"] > 0


async def test_what_was_drafted_is_recorded_in_the_rulebook(agency: Agency) -> None:
    await diagnose(agency)
    drafted = await agency.command("/v1/rules", {"document": RULE})
    assert drafted.status_code == 201, drafted.text

    job = await ended(agency, await ask(agency))
    version = (await agency.get(drafted.headers["location"])).json()

    assert job["recorded"] is True
    assert [(each["id"], each["alerts"]) for each in version["backtests"]] == [(job["id"], 1)]


async def test_what_was_not_drafted_is_kept_apart(agency: Agency) -> None:
    assert (await ended(agency, await ask(agency)))["recorded"] is False


async def test_the_same_request_sent_again_is_the_same_backtest(agency: Agency) -> None:
    body = {"document": RULE, "to": LATER}
    first = await agency.command("/v1/rules/backtests", body, Idempotency_Key="once")
    again = await agency.command("/v1/rules/backtests", body, Idempotency_Key="once")
    other = await agency.command("/v1/rules/backtests", body | {"mode": "hindsight"}, Idempotency_Key="once")

    assert again.headers["location"] == first.headers["location"]
    assert again.headers["idempotency-replayed"] == "true"
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_the_same_backtest_gives_the_same_bytes(agency: Agency) -> None:
    await diagnose(agency)
    results = []
    for _ in range(2):
        place = await ask(agency, to=LATER)
        await ended(agency, place)
        results.append((await agency.get(f"{place}/result")).content)

    assert results[0] == results[1]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"document": RULE | {"within": {"from": "9d", "to": "1d"}}}, 422, "rule_invalid"),
        ({"document": RULE | {"rule": "adv\n"}}, 422, "rule_invalid"),
        ({"from": "2026-05-01T00:00:00Z", "to": "2026-04-01T00:00:00Z"}, 422, "period_reversed"),
        ({"mode": "both"}, 422, "invalid_body"),
        ({"from": "0001-01-01T00:00:00+14:00"}, 422, "invalid_body"),
        ({"to": "9999-12-31T23:59:59-14:00"}, 422, "invalid_body"),
    ],
)
async def test_what_cannot_be_tried_is_refused(agency: Agency, body: dict[str, Any], status: int, code: str) -> None:
    response = await agency.command("/v1/rules/backtests", {"document": RULE} | body)

    assert (response.status_code, response.json()["code"]) == (status, code)


async def test_a_key_that_may_not_steer_may_not_try(service: Service) -> None:
    response = await (await service.agency()).command("/v1/rules/backtests", {"document": RULE})

    assert (response.status_code, response.json()["code"]) == (403, "scope_required")


async def test_nothing_is_found_under_another_territorys_key(service: Service, agency: Agency) -> None:
    place = await ask(agency)
    stranger = await service.client({"Authorization": f"Bearer {await other_territory(service)}"})

    for response in (await stranger.get(place), await stranger.get(f"{place}/result")):
        assert (response.status_code, response.json()["code"]) == (404, "unknown_backtest")


async def other_territory(service: Service) -> str:
    from application.api_keys import issue

    key, token = issue(territory="FR-75", agency=CCAS, now=service.runtime.clock.now(), scopes=STEERING)
    await service.runtime.keys.add(key)
    return token


# The queue, without anybody to empty it.


@pytest.fixture
async def idle(database_url: str, data_dir: Path) -> AsyncIterator[Service]:
    async with running(database_url, data_dir, roles=frozenset({"api"})) as service:
        yield service


async def test_a_territory_has_so_many_waiting_and_no_more(idle: Service) -> None:
    agency = await idle.agency(scopes=STEERING)
    places = [await ask(agency) for _ in range(5)]

    refused = await agency.command("/v1/rules/backtests", {"document": RULE})
    await agency.command(f"{places[0]}/cancellations")

    assert (refused.status_code, refused.json()["code"]) == (429, "too_many_backtests")
    assert (await agency.get(places[0])).json()["state"] == "cancelled"
    assert await ask(agency)


async def test_what_has_not_ended_has_no_result(idle: Service) -> None:
    agency = await idle.agency(scopes=STEERING)

    response = await agency.get(f"{await ask(agency)}/result")

    assert (response.status_code, response.json()["code"]) == (409, "backtest_not_done")


async def test_a_job_whose_runner_died_is_taken_over(idle: Service) -> None:
    agency = await idle.agency(scopes=STEERING)
    jobs = PostgresBacktests(idle.runtime.pool, lease=timedelta(0))
    place = await ask(agency)

    first, second = await claimed(jobs), await claimed(jobs)

    assert (first.attempt, second.attempt) == (1, 2)
    assert not await jobs.renew(first, 1, 2)
    assert await jobs.renew(second, 1, 2)
    assert (await agency.get(place)).json()["pathways_done"] == 1


async def test_a_job_cancelled_while_it_runs_is_stopped(idle: Service) -> None:
    await diagnose(await idle.agency())
    agency = await idle.agency(scopes=STEERING)
    runtime, jobs = idle.runtime, PostgresBacktests(idle.runtime.pool)
    runner = BacktestRunner(runtime.settings, runtime.url, jobs, runtime.rulebooks, runtime.backtest_asked)
    place = await ask(agency)
    work = asyncio.create_task(runner.run())
    try:
        while (await agency.get(place)).json()["state"] == "queued":
            await asyncio.sleep(0.01)
        await agency.command(f"{place}/cancellations")
        following = await ask(agency)
        job = await ended(agency, following)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    assert job["state"] == "done"
    assert (await agency.get(place)).json()["state"] == "cancelled"


async def test_a_job_under_way_is_given_back_when_the_service_stops(idle: Service) -> None:
    agency = await idle.agency(scopes=STEERING)
    runtime, jobs = idle.runtime, PostgresBacktests(idle.runtime.pool)
    runner = BacktestRunner(runtime.settings, runtime.url, jobs, runtime.rulebooks, runtime.backtest_asked)
    place = await ask(agency)
    work = asyncio.create_task(runner.run())
    while (await agency.get(place)).json()["state"] == "queued":
        await asyncio.sleep(0.01)

    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    job = await jobs.find("FR-34", UUID(place.rsplit("/", 1)[1]))
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)


async def test_a_job_being_claimed_when_the_service_stops_is_given_back(idle: Service) -> None:
    claimed = asyncio.Event()

    class SlowToAnswer(PostgresBacktests):
        async def claim(self) -> Job | None:
            job = await super().claim()
            claimed.set()
            await asyncio.sleep(0.05)
            return job

    agency = await idle.agency(scopes=STEERING)
    runtime, jobs = idle.runtime, SlowToAnswer(idle.runtime.pool)
    place = await ask(agency)
    runner = BacktestRunner(runtime.settings, runtime.url, jobs, runtime.rulebooks, runtime.backtest_asked)
    work = asyncio.create_task(runner.run())
    await claimed.wait()

    work.cancel()
    await asyncio.gather(work, return_exceptions=True)

    job = await jobs.find("FR-34", UUID(place.rsplit("/", 1)[1]))
    assert (job.state, job.attempt) == (JobState.QUEUED, 0)


@pytest.mark.parametrize("last", ["", '{"type":"far","done":5', '{"type":"tab'])
async def test_a_job_whose_process_dies_is_tried_again_and_then_given_up(
    idle: Service, monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    """Whatever it wrote last: nothing ends the one who carries out those to come."""
    dying = (sys.executable, "-c", f"import sys; sys.stdin.read(); sys.stdout.write('{last}'); sys.exit(1)")
    monkeypatch.setattr("api.backtest_runner.COMMAND", dying)
    monkeypatch.setattr("api.backtest_runner.POLL_SECONDS", 0.01)
    agency = await idle.agency(scopes=STEERING)
    runtime, jobs = idle.runtime, PostgresBacktests(idle.runtime.pool, lease=timedelta(0))
    runner = BacktestRunner(runtime.settings, runtime.url, jobs, runtime.rulebooks, runtime.backtest_asked)
    place = await ask(agency)
    work = asyncio.create_task(runner.run())
    try:
        job = await ended(agency, place)
    finally:
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)

    kept = await jobs.find("FR-34", UUID(place.rsplit("/", 1)[1]))
    assert (job["state"], kept.attempt) == ("failed", ATTEMPTS_MAX)


async def claimed(jobs: PostgresBacktests) -> Job:
    job = await jobs.claim()
    assert job is not None
    return job
