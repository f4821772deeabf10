"""`unisson demo`: plays a year, checks that what was planted, and nothing else, was found and told, then serves."""

import asyncio
import os
import shutil
import signal
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from api.app import create_app
from api.demo import report
from api.demo.clock import PlayedClock
from api.demo.concert import take_up, telling, told_of
from api.demo.findings import read_findings
from api.demo.player import Player, first_moment
from api.demo.receiver import Receiver
from api.demo.stories import write_stories
from api.demo.territory import AGENCIES, TERRITORY
from api.limits import Limits
from api.runtime import Runtime
from api.server import listen, serving
from application.api_keys import issue
from application.message_types import CHALLENGE_MESSAGE
from domain.agency import DescribeAgency
from infrastructure.logs import configure_logs
from infrastructure.settings import Settings

QUIET_SECONDS_MAX = 120.0
LIMITS = Limits(requests_per_second=100_000, burst=100_000)
"""The agencies of a year all call from one place within seconds."""


class Options(msgspec.Struct, frozen=True):
    seed: int = 1
    pathways: int = 300
    then_exit: bool = False
    data: Path | None = None
    """Kept at the end; None plays in a folder that is removed."""


def run(settings: Settings, options: Options) -> int:
    """0 when what was planted, and nothing else, was found, and everyone concerned was told; 1 otherwise."""
    configure_logs("warning")
    with _folder(options.data) as folder:
        return asyncio.run(_demonstrate(msgspec.structs.replace(settings, data_dir=folder, database_url=None), options))


@contextmanager
def _folder(chosen: Path | None) -> Iterator[Path]:
    """Open to be entered by the account that PostgreSQL runs under when we are root."""
    if chosen is not None:
        yield chosen
        return
    folder = Path(tempfile.mkdtemp(prefix="unisson-demo-"))
    folder.chmod(0o711)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _demonstrate(settings: Settings, options: Options) -> int:
    last_day = (datetime.now(UTC) - timedelta(days=1)).date()
    stories = write_stories(options.seed, last_day, options.pathways)
    clock = PlayedClock(first_moment(stories))
    async with _scene(settings, clock) as (runtime, address, player, receivers):
        report.introduce(stories, address)
        with report.progress(sum(len(story.calls) for story in stories)) as advance:
            await player.play(stories, advance)
        clock.release()
        with report.waiting():
            await _quiet(runtime)
        findings = await read_findings(runtime, stories, player, receivers)
        report.conclude(findings)
        if (chosen := telling(findings)) is not None:
            alert_id, alert = chosen
            await report.show_alert(runtime, alert_id)
            taker = await take_up(player, alert_id, alert)
            await _quiet(runtime)
            report.show_told(taker, told_of(alert_id, receivers))
        await report.show_timeline(player, stories)
        report.show_addresses(address, settings, player, serving=not options.then_exit)
        if not options.then_exit:
            await _until_interrupted()
    return 0 if findings.as_planted else 1


@asynccontextmanager
async def _scene(
    settings: Settings, clock: PlayedClock
) -> AsyncIterator[tuple[Runtime, str, Player, dict[str, Receiver]]]:
    """A running server, its agencies with their keys, and the receiver that each agency listens with."""
    port = settings.port if "UNISSON_PORT" in os.environ else 0
    app = create_app(settings, clock=clock, limits=LIMITS, allow_loopback=True)
    async with AsyncExitStack() as stack:
        address = await stack.enter_async_context(serving(app, listen(settings.host, port), limits=LIMITS))
        runtime: Runtime = app.state.runtime
        keys = {}
        for agency in AGENCIES:
            described = DescribeAgency(
                name=agency.name, network=agency.network, capabilities=agency.capabilities, zones=(TERRITORY,)
            )
            await runtime.agencies.carry_out(TERRITORY, agency.slug, described)
            key, keys[agency.slug] = issue(territory=TERRITORY, agency=agency.slug, now=datetime.now(UTC))
            await runtime.keys.add(key)
        player = Player(address, keys, clock)
        stack.push_async_callback(player.close)
        receivers = {}
        for agency in AGENCIES:
            receiver = await stack.enter_async_context(Receiver())
            receivers[agency.slug] = receiver
            await _tell_at(player, agency.slug, receiver)
        yield runtime, address, player, receivers


async def _tell_at(player: Player, agency: str, receiver: Receiver) -> None:
    """Register the receiver, and have it give back what only its address is sent."""
    endpoint = await player.post(agency, "/v1/webhook-endpoints", {"url": receiver.url})
    receiver.secrets.append(endpoint["secret"])
    place = f"/v1/webhook-endpoints/{endpoint['id']}"
    await player.post(agency, f"{place}/challenges", {})
    async with asyncio.timeout(QUIET_SECONDS_MAX):
        while (await player.get(agency, place))["status"] != "active":  # noqa: ASYNC110 (another process may do it)
            await asyncio.sleep(0.01)


DUE = """
SELECT (SELECT count(*) FROM pathway_deadlines WHERE next_due <= $1)
     + (SELECT count(*) FROM alert_timers WHERE next_due <= $1)"""
UNSETTLED = """
SELECT (SELECT count(*) FROM outbox WHERE type <> $1)
     - (SELECT count(*) FROM deliveries JOIN outbox USING (territory, message_id)
        WHERE state = 'delivered' AND type <> $1)"""


async def _quiet(runtime: Runtime) -> None:
    """Until every deadline passed was judged, every event is folded and every message was delivered."""
    async with asyncio.timeout(QUIET_SECONDS_MAX):
        while True:
            head = await runtime.log.head(TERRITORY)
            settled = await runtime.follower.caught_up(TERRITORY, head, timeout_s=1.0)
            due = await runtime.pool.fetchval(DUE, runtime.clock.now())
            unsettled = await runtime.pool.fetchval(UNSETTLED, CHALLENGE_MESSAGE)
            if settled and not due and not unsettled and head == await runtime.log.head(TERRITORY):
                return
            await asyncio.sleep(0.1)


async def _until_interrupted() -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stopped.set)
    await stopped.wait()
