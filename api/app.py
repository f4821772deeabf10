"""The composition root: the only place where ports meet what makes them real."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import asyncpg
import structlog
from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import Message, Scope

from api import (
    accesses,
    agencies,
    alert_explanations,
    alerts,
    backtests,
    batches,
    bootstrap,
    contents,
    documentation,
    erasures,
    events,
    exports,
    health,
    inbox,
    log_proofs,
    login,
    mandates,
    matching,
    me,
    members,
    metrics,
    oauth,
    pathways,
    replays,
    rule_checks,
    rules,
    shares,
    subject_access,
    timeline,
    webhooks,
)
from api.authentication import Door
from api.backtest_runner import BacktestRunner
from api.cors import Preflight, permit
from api.cursors import Cursors
from api.key_in_url import NoKeyInUrl
from api.limits import Crowd, Limits, RateLimiter
from api.person_rights import eraser, person_rights
from api.problems import EXCEPTION_HANDLERS
from api.request import ApiRequest, request_id
from api.roles import ROLES
from api.runtime import Runtime
from api.security_headers import SECURITY_HEADERS, transport_headers
from api.share import Share
from api.strangers import Guesses, OpenToAll
from application.access import Caller
from application.access_log import AccessLog, Budget
from application.accesses import Accesses, months_kept
from application.agencies import Agencies
from application.api_keys import Gatekeeper
from application.bootstrap import Bootstrap
from application.break_glass import BreakGlasses
from application.contents import Contents
from application.identity_provider import IdentityProvider
from application.key_vault import KeyRestricted
from application.mandates import Mandates
from application.matching import Matching
from application.memberships import Members
from application.pathways import Pathways
from application.replay import Replay
from application.rulebook import shipped_rules
from application.rulebooks import Rulebooks
from application.rules_in_force import RulesInForce
from application.sessions import Sessions
from application.token_grants import TokenGrants
from application.tokens import Tokens
from application.webhooks import OUTBOX_CHANNEL, MaySend
from application.webhooks import Message as Telling
from application.why import Whys
from domain.clock import Clock, SystemClock
from domain.errors import DomainError
from domain.pathway import NotAParticipant
from domain.rules import Calendars
from infrastructure.access_log import PostgresLooks
from infrastructure.alert_index import PostgresAlertIndex
from infrastructure.api_keys import PostgresApiKeys
from infrastructure.backtests import PostgresBacktests
from infrastructure.bootstrap_links import PostgresBootstrapLinks
from infrastructure.cached_key_vault import CHANNEL as KEYS_CHANNEL
from infrastructure.database import Pool, connect, create_pool
from infrastructure.delivery import DeliveryWorker
from infrastructure.embedded_postgres import open_database
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_file import KeyFile
from infrastructure.log_proofs import PostgresLogProofs
from infrastructure.migrate import migrate
from infrastructure.outbox import Outbox
from infrastructure.outcomes import PostgresOutcomes
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.person_searches import PostgresSearches
from infrastructure.sealer import CHANNEL as SEAL_CHANNEL
from infrastructure.sealer import Sealer
from infrastructure.service_clients import PostgresServiceClients
from infrastructure.sessions import PostgresMemberIndex, PostgresSessions
from infrastructure.settings import Settings
from infrastructure.snapshots import PostgresSnapshots
from infrastructure.tokens import PostgresAccessTokens
from infrastructure.vault import open_vault, server_keys
from infrastructure.vault_calls import Vault
from infrastructure.webhook_endpoints import PostgresWebhooks
from infrastructure.webhook_secret import SecretBox, reseal
from infrastructure.webhooks import Sender
from projections.builds import install
from projections.follower import Follower
from projections.pathway_viewers import PendingReviews
from projections.person_index import PersonRows
from projections.reconciliation import Reconciliation
from projections.registry import projections

logger = structlog.get_logger()

KEY_USE_FLUSH_SECONDS = 30.0
HOUSEKEEPING_SECONDS = 3600.0


@asynccontextmanager
async def compose(
    settings: Settings,
    *,
    roles: frozenset[str] = ROLES,
    clock: Clock | None = None,
    limits: Limits | None = None,
    stopping: asyncio.Event | None = None,
    allow_loopback: bool = False,
    database: Awaitable[str] | None = None,
) -> AsyncIterator[Runtime]:
    """Open everything a process with these roles needs, and close it in the reverse order.

    A clock given here also dates the events: demonstrations and tests. Without one, the database's clock does.
    `allow_loopback` lets webhooks go to this machine: demonstrations and tests too.
    `database` is the address of one that the caller is opening and will close; without it, it is opened here.
    """
    limits = limits or Limits()
    allow_loopback = allow_loopback or settings.allow_loopback_webhooks
    async with AsyncExitStack() as stack:
        url = await (database or stack.enter_async_context(open_database(settings)))
        connection = await connect(url, pgbouncer=settings.pgbouncer)
        await migrate(connection)
        await connection.close()
        pool = await stack.enter_async_context(create_pool(url, pgbouncer=settings.pgbouncer))
        whole_vault = await stack.enter_async_context(open_vault(settings, pool, clock))
        vault = whole_vault.keys
        key_file = await _server_keys(whole_vault, settings, pool)
        log = await stack.enter_async_context(PostgresEventLog(url, pool, vault, clock, pgbouncer=settings.pgbouncer))
        looks = await stack.enter_async_context(
            PostgresLooks(url, pool, vault, clock, budget_of(settings), pgbouncer=settings.pgbouncer)
        )
        log.hear(KEYS_CHANNEL, vault.forget_told)
        snapshots = PostgresSnapshots(pool, vault)
        stack.push_async_callback(snapshots.close)
        clock = clock or SystemClock()
        calendars = Calendars()
        in_force = RulesInForce(shipped_rules())
        all_projections = projections(log, in_force, calendars, blind_keys=whole_vault.blind)
        await install(pool, all_projections)
        keys, backtests = PostgresApiKeys(pool), PostgresBacktests(pool)
        clients, tokens = PostgresServiceClients(pool), Tokens(PostgresAccessTokens(pool), clock)
        members = Members(log, clock, PostgresMemberIndex(pool))
        rulebooks = Rulebooks(log, clock, in_force, lambda territory: calendars.of(territory).tz)
        access_log, accesses_kept = (
            AccessLog(log, looks, vault, clock),
            Accesses(log, looks, vault, clock, months_kept(settings.break_glass_log_months)),
        )
        pathways = Pathways(
            log, clock, lambda territory: calendars.of(territory).tz, snapshots=snapshots, budget=access_log
        )
        follower, people = Follower(pool, log, all_projections, clock), PersonRows(pool, whole_vault.blind)
        desk = person_rights(
            settings=settings,
            clock=clock,
            pool=pool,
            log=log,
            pathways=pathways,
            vault=whole_vault,
            snapshots=snapshots,
            follower=follower,
            blind_index=people,
            access_log=access_log,
            accesses=accesses_kept,
            zone_of=lambda territory: calendars.of(territory).tz,
        )
        runtime = Runtime(
            settings=settings,
            clock=clock,
            limits=limits,
            url=url,
            pool=pool,
            vault=whole_vault,
            blind_index=people,
            matching=Matching(people, PostgresSearches(pool), log, clock),
            log=log,
            proofs=PostgresLogProofs(pool),
            projections=all_projections,
            follower=follower,
            pathways=pathways,
            contents=Contents(pathways, access_log, clock),
            accesses=accesses_kept,
            erasures=desk.erasures,
            rights=desk.rights,
            retention=desk.retention,
            subject_accesses=desk.subject_accesses,
            break_glasses=BreakGlasses(pathways, PendingReviews(pool), clock),
            agencies=Agencies(log, clock),
            rulebooks=rulebooks,
            replay=Replay(log, PostgresAlertIndex(pool), rulebooks, calendars, clock),
            whys=Whys(log, rulebooks, calendars),
            mandates=Mandates(log, clock, lambda territory: calendars.of(territory).tz),
            backtests=backtests,
            reconciliation=Reconciliation(pool, log, all_projections),
            webhooks=PostgresWebhooks(pool, SecretBox(key_file), allow_loopback=allow_loopback),
            outcomes=PostgresOutcomes(pool),
            keys=keys,
            gatekeeper=Gatekeeper(keys, clock),
            clients=clients,
            tokens=tokens,
            sessions=Sessions(PostgresSessions(pool), clock),
            members=members,
            grants=TokenGrants(clients, tokens, members, clock, public_url(settings)),
            bootstrap=Bootstrap(PostgresBootstrapLinks(pool), members, clock),
            provider=identity_provider(settings, clock),
            rates=RateLimiter(limits.requests_per_second, limits.burst),
            strangers=RateLimiter(limits.strangers_per_second, limits.strangers_burst),
            crowd=Crowd(limits),
            cursors=Cursors(key_file.key(key_file.epoch)),
            calendars=calendars,
            stopping=stopping or asyncio.Event(),
        )
        if "api" in roles:
            await stack.enter_async_context(_running(_flush_key_uses(runtime.gatekeeper)))
        if "followers" in roles:
            await stack.enter_async_context(runtime.follower)
            runner = BacktestRunner(settings, url, backtests, runtime.rulebooks, runtime.backtest_asked)
            await stack.enter_async_context(_running(runner.run()))
            await stack.enter_async_context(_running(eraser(runtime).run()))
            chores = (
                log.forget_outcomes,
                snapshots.drop_old,
                runtime.accesses.expire,
                runtime.tokens.drop_expired,
                runtime.sessions.drop_over,
            )
            await stack.enter_async_context(_running(_keep_house(chores)))
        if "sealer" in roles:
            sealer = Sealer.of(settings, pool)
            log.hear(SEAL_CHANNEL, sealer.ask)
            await stack.enter_async_context(_running(sealer.run()))
        if "notifications" in roles:
            http = await stack.enter_async_context(OutgoingHttp(allow_loopback=allow_loopback))
            # Receivers check a signature's age against real time, whatever clock dates the events.
            worker = DeliveryWorker(
                Outbox(pool, SecretBox(key_file)), Sender(http, public_url(settings)), may_send(runtime), SystemClock()
            )
            log.hear(OUTBOX_CHANNEL, lambda _: worker.wake())
            stack.push_async_callback(_stopped, runtime.stopping, asyncio.create_task(worker.run(runtime.stopping)))
        yield runtime


async def _server_keys(vault: Vault, settings: Settings, pool: Pool) -> KeyFile:
    """What the servers' own secrets are sealed with, those of earlier releases sealed anew."""
    keys = await server_keys(vault, settings)
    await reseal(pool, SecretBox(keys))
    return keys


def may_send(runtime: Runtime) -> MaySend:
    """Asked just before a message goes: one that leads to a pathway only goes to those who still take part in it."""

    async def entitled(territory: str, agency: str, message: Telling) -> bool:
        if message.pathway is None:
            return True
        try:
            await runtime.pathways.read(Caller(territory=territory, agency=agency), message.pathway)
        except (NotAParticipant, KeyRestricted):
            return False
        return True

    return entitled


def identity_provider(settings: Settings, clock: Clock) -> IdentityProvider | None:
    if settings.oidc_issuer is None:
        return None
    from infrastructure.oidc import OpenIdProvider  # Its libraries take long to load.

    return OpenIdProvider(settings, clock)


def budget_of(settings: Settings) -> Budget:
    return Budget(by_user=settings.persons_per_user, by_agency=settings.persons_per_agency)


def public_url(settings: Settings) -> str:
    return settings.public_url or f"http://{settings.host}:{settings.port}"


def create_app(
    settings: Settings,
    *,
    roles: frozenset[str] = ROLES,
    clock: Clock | None = None,
    limits: Limits | None = None,
    stopping: asyncio.Event | None = None,
    allow_loopback: bool = False,
    database: Awaitable[str] | None = None,
    offer_bootstrap: bool = False,
) -> Litestar:
    """The ASGI application. Its lifespan opens and closes all that it needs; `stopping` ends every wait when set.

    `offer_bootstrap` leaves in the state the code of a link for the first operator, where there is none yet.
    """

    @asynccontextmanager
    async def composed(app: Litestar) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            composing = compose(
                settings,
                roles=roles,
                clock=clock,
                limits=limits,
                stopping=stopping,
                allow_loopback=allow_loopback,
                database=database,
            )
            try:
                app.state.runtime = await stack.enter_async_context(composing)
            except Exception as failure:
                app.state.failure = failure  # The server loses it on the way to whoever started it.
                raise
            stack.callback(app.state.runtime.stopping.set)
            app.state.bootstrap_code = await app.state.runtime.bootstrap.offer() if offer_bootstrap else None
            yield

    return Litestar(
        route_handlers=routes(roles),
        lifespan=[composed],
        exception_handlers=EXCEPTION_HANDLERS,
        request_class=ApiRequest,
        before_send=[finish],
        middleware=[Preflight(settings.origins)],
        state=State({"origins": settings.origins, "transport_headers": transport_headers(settings)}),
        openapi_config=None,  # `api.openapi` makes a better one from the same routes.
        logging_config=None,
        debug=False,
    )


def routes(roles: frozenset[str] = ROLES) -> list[Router]:
    """Every process tells its health; only those with the `api` role answer the rest."""
    own = [health.routes, metrics.routes]
    if "api" not in roles:
        return [Router("/", route_handlers=own, middleware=[OpenToAll(), NoKeyInUrl()])]
    versioned = [
        pathways.routes,
        shares.routes,
        shares.reviews,
        timeline.routes,
        contents.routes,
        erasures.routes,
        subject_access.routes,
        accesses.routes,
        alerts.routes,
        alert_explanations.routes,
        inbox.routes,
        events.routes,
        exports.routes,
        batches.routes,
        agencies.routes,
        rules.routes,
        rule_checks.routes,
        backtests.routes,
        webhooks.routes,
        mandates.routes,
        replays.routes,
        members.routes,
        me.routes,
        matching.routes,
        log_proofs.routes,
    ]
    entrances = [oauth.routes, login.routes, bootstrap.routes]
    return [
        Router("/v1", route_handlers=versioned, middleware=[Guesses(), Door(), Share()]),
        Router("/", route_handlers=[documentation.routes, *entrances, *own], middleware=[OpenToAll(), NoKeyInUrl()]),
    ]


async def finish(message: Message, scope: Scope) -> None:
    """Every answer carries its request id and is closed to browsers' guesses, unless its route set a header itself."""
    if message["type"] != "http.response.start":
        return
    present = dict(message["headers"])
    shared = permit(scope, scope["litestar_app"].state.origins, present)
    replaced = {name for name, _ in shared}
    message["headers"] = [
        *((name, value) for name, value in message["headers"] if name not in replaced),
        *(header for header in SECURITY_HEADERS if header[0] not in present),
        *shared,
        (b"x-request-id", request_id(scope).encode()),
    ]
    metrics.observe(scope, message["status"])


@asynccontextmanager
async def _running(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """A task that ends with the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _stopped(stopping: asyncio.Event, work: asyncio.Task[None]) -> None:
    """Let work that watches `stopping` end by itself."""
    stopping.set()
    await work


async def _keep_house(chores: Sequence[Callable[[], Awaitable[object]]]) -> None:
    """Drop what has served its time: remembered outcomes, snapshots of an earlier shape, expired months of accesses."""
    while True:
        for chore in chores:
            try:
                await chore()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, DomainError) as error:
                logger.warning("housekeeping.postponed", error_type=type(error).__name__)
        await asyncio.sleep(HOUSEKEEPING_SECONDS)


async def _flush_key_uses(gatekeeper: Gatekeeper) -> None:
    try:
        while True:
            await asyncio.sleep(KEY_USE_FLUSH_SECONDS)
            await gatekeeper.flush()
    finally:
        await gatekeeper.flush()
