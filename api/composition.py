"""The composition root: the only place where ports meet what makes them real."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial

from api.background import start
from api.cursors import Cursors
from api.drawn_calendars import DrawnCalendars
from api.ground import Ground, open_ground
from api.limits import Crowd, Limits, RateLimiter
from api.mailing import mailboxes
from api.person_rights import person_rights
from api.roles import ROLES
from api.runtime import Runtime
from api.stream_hub import StreamHub
from api.stretch import Eyes
from application.access_log import AccessLog
from application.accesses import Accesses, months_kept
from application.agencies import Agencies
from application.alert_answers import AlertDesk
from application.alert_deliveries import AlertDeliveries
from application.alert_notes import AlertNotes
from application.alert_receipts import Receipts
from application.api_keys import Gatekeeper
from application.bootstrap import Bootstrap
from application.break_glass import BreakGlasses
from application.calendar_feeds import CalendarFeeds
from application.contents import Contents
from application.identity_provider import IdentityProvider
from application.mandates import Mandates
from application.matching import Matching
from application.memberships import Members
from application.pathways import Pathways
from application.replay import Replay
from application.right_to_know import RightToKnow
from application.rulebook import shipped_rules
from application.rulebooks import Rulebooks
from application.rules_in_force import RulesInForce
from application.sessions import Sessions
from application.token_grants import TokenGrants
from application.tokens import Tokens
from application.why import Whys
from domain.clock import Clock
from infrastructure.alert_arrivals import PostgresArrivals
from infrastructure.alert_index import PostgresAlertIndex
from infrastructure.api_keys import PostgresApiKeys
from infrastructure.backtests import PostgresBacktests
from infrastructure.bootstrap_links import PostgresBootstrapLinks
from infrastructure.calendar_feeds import PostgresCalendarFeeds
from infrastructure.log_proofs import PostgresLogProofs
from infrastructure.outcomes import PostgresOutcomes
from infrastructure.person_searches import PostgresSearches
from infrastructure.service_clients import PostgresServiceClients
from infrastructure.sessions import PostgresMemberIndex, PostgresSessions
from infrastructure.settings import Settings
from infrastructure.tokens import PostgresAccessTokens
from infrastructure.webhook_endpoints import PostgresWebhooks
from infrastructure.webhook_recoveries import PostgresRecoveries
from infrastructure.webhook_secret import SecretBox
from infrastructure.webhooks import cloud_event
from projections.builds import install
from projections.follower import Follower
from projections.pathway_viewers import PendingReviews
from projections.person_index import PersonRows
from projections.reconciliation import Reconciliation
from projections.registry import projections


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
    allow_loopback = allow_loopback or settings.allow_loopback_webhooks
    async with AsyncExitStack() as stack:
        ground = await open_ground(stack, settings, clock=clock, allow_loopback=allow_loopback, database=database)
        runtime = _runtime(ground, limits or Limits(), stopping or asyncio.Event())
        await install(ground.pool, runtime.projections)
        await start(stack, roles, runtime, ground)
        yield runtime


def _runtime(ground: Ground, limits: Limits, stopping: asyncio.Event) -> Runtime:
    settings, clock, pool, log, keys = ground.settings, ground.clock, ground.pool, ground.log, ground.vault.keys
    in_force = RulesInForce(shipped_rules())
    everything = projections(log, in_force, ground.calendars, blind_keys=ground.vault.blind)
    follower = Follower(pool, log, everything, clock)
    rulebooks = Rulebooks(log, clock, in_force, ground.zone_of)
    access_log = AccessLog(log, ground.looks, keys, clock)
    accesses = Accesses(log, ground.looks, keys, clock, months_kept(settings.break_glass_log_months))
    pathways = Pathways(log, clock, ground.zone_of, snapshots=ground.snapshots, budget=access_log)
    alert_desk = AlertDesk(log, pathways, ground.calendars, clock)
    people = PersonRows(pool, ground.vault.blind)
    api_keys, clients = PostgresApiKeys(pool), PostgresServiceClients(pool)
    tokens, members = Tokens(PostgresAccessTokens(pool), clock), Members(log, clock, PostgresMemberIndex(pool))
    right, body = RightToKnow(pathways, log), partial(cloud_event, public_url=settings.address)
    desk = person_rights(
        settings=settings,
        clock=clock,
        pool=pool,
        log=log,
        pathways=pathways,
        vault=ground.vault,
        snapshots=ground.snapshots,
        follower=follower,
        blind_index=people,
        access_log=access_log,
        accesses=accesses,
        zone_of=ground.zone_of,
    )
    return Runtime(
        settings=settings,
        clock=clock,
        limits=limits,
        url=ground.url,
        pool=pool,
        vault=ground.vault,
        blind_index=people,
        matching=Matching(people, PostgresSearches(pool), log, clock),
        log=log,
        proofs=PostgresLogProofs(pool),
        projections=everything,
        follower=follower,
        pathways=pathways,
        alert_desk=alert_desk,
        alert_notes=AlertNotes(alert_desk, pathways, access_log, clock),
        receipts=Receipts(log, PostgresArrivals(pool), AlertDeliveries(log, clock)),
        contents=Contents(pathways, access_log, clock),
        accesses=accesses,
        erasures=desk.erasures,
        rights=desk.rights,
        retention=desk.retention,
        subject_accesses=desk.subject_accesses,
        break_glasses=BreakGlasses(pathways, PendingReviews(pool), clock),
        calendar_feeds=CalendarFeeds(PostgresCalendarFeeds(pool), members, clock),
        drawn_calendars=DrawnCalendars(),
        agencies=Agencies(log, clock),
        rulebooks=rulebooks,
        replay=Replay(log, PostgresAlertIndex(pool), rulebooks, ground.calendars, clock),
        whys=Whys(log, rulebooks, ground.calendars),
        mandates=Mandates(log, clock, ground.zone_of),
        backtests=PostgresBacktests(pool),
        reconciliation=Reconciliation(pool, log, everything),
        webhooks=PostgresWebhooks(pool, SecretBox(ground.key_file), allow_loopback=ground.allow_loopback),
        webhook_recoveries=PostgresRecoveries(pool),
        mailboxes=mailboxes(ground),
        outcomes=PostgresOutcomes(pool),
        keys=api_keys,
        gatekeeper=Gatekeeper(api_keys, clock),
        clients=clients,
        tokens=tokens,
        sessions=Sessions(PostgresSessions(pool), clock),
        members=members,
        grants=TokenGrants(clients, tokens, members, clock, settings.address),
        bootstrap=Bootstrap(PostgresBootstrapLinks(pool), members, clock),
        provider=_identity_provider(settings, clock),
        rates=RateLimiter(limits.requests_per_second, limits.burst),
        strangers=RateLimiter(limits.strangers_per_second, limits.strangers_burst),
        crowd=Crowd(limits),
        cursors=Cursors(ground.key_file.key(ground.key_file.epoch)),
        streams=StreamHub(
            pool=pool,
            log=log,
            follower=follower,
            eyes=Eyes(pool, right.may_send, body, clock),
            limits=limits,
            stopping=stopping,
        ),
        calendars=ground.calendars,
        stopping=stopping,
    )


def _identity_provider(settings: Settings, clock: Clock) -> IdentityProvider | None:
    if settings.oidc_issuer is None:
        return None
    from infrastructure.oidc import OpenIdProvider  # Its libraries take long to load.

    return OpenIdProvider(settings, clock)
