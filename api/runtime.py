"""What a running process is made of, as handlers see it. `api.composition` puts it together."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api.cursors import Cursors
from api.drawn_calendars import DrawnCalendars
from api.limits import Crowd, Limits, RateLimiter
from api.shared_answer import SharedAnswer
from api.stream_hub import StreamHub
from application.accesses import Accesses
from application.agencies import Agencies
from application.alert_answers import AlertDesk
from application.alert_notes import AlertNotes
from application.alert_receipts import Receipts
from application.api_keys import ApiKeys, Gatekeeper
from application.backtest.jobs import Jobs
from application.blind_index import BlindIndex
from application.bootstrap import Bootstrap
from application.break_glass import BreakGlasses
from application.calendar_feeds import CalendarFeeds
from application.contents import Contents
from application.erasure import Erasures
from application.event_log import EventLog
from application.identity_provider import IdentityProvider
from application.log_proofs import LogProofs
from application.mail import Mailboxes
from application.mandates import Mandates
from application.matching import Matching
from application.memberships import Members
from application.outcomes import Outcomes
from application.pathways import Pathways
from application.replay import Replay
from application.retention import Retention
from application.rights import Rights
from application.rulebooks import Rulebooks
from application.service_clients import ServiceClients
from application.sessions import Sessions
from application.subject_access import SubjectAccesses
from application.token_grants import TokenGrants
from application.tokens import Tokens
from application.webhook_recoveries import WebhookRecoveries
from application.webhooks import Webhooks
from application.why import Whys
from domain.clock import Clock
from domain.rules import Calendars
from infrastructure.database import Pool
from infrastructure.settings import Settings
from infrastructure.vault_calls import Vault
from projections.follower import Follower
from projections.projection import Projection
from projections.reconciliation import Reconciliation


@dataclass(slots=True, kw_only=True)
class Runtime:
    settings: Settings
    clock: Clock
    limits: Limits
    url: str
    """Of the database, for whoever needs a connection of its own."""
    pool: Pool
    vault: Vault
    blind_index: BlindIndex
    matching: Matching
    log: EventLog
    proofs: LogProofs
    projections: Sequence[Projection]
    follower: Follower
    pathways: Pathways
    alert_desk: AlertDesk
    alert_notes: AlertNotes
    receipts: Receipts
    contents: Contents
    accesses: Accesses
    break_glasses: BreakGlasses
    calendar_feeds: CalendarFeeds
    drawn_calendars: DrawnCalendars
    erasures: Erasures
    rights: Rights
    retention: Retention
    subject_accesses: SubjectAccesses
    agencies: Agencies
    rulebooks: Rulebooks
    replay: Replay
    whys: Whys
    mandates: Mandates
    backtests: Jobs
    reconciliation: Reconciliation
    webhooks: Webhooks
    webhook_recoveries: WebhookRecoveries
    mailboxes: Mailboxes
    outcomes: Outcomes
    keys: ApiKeys
    gatekeeper: Gatekeeper
    clients: ServiceClients
    tokens: Tokens
    sessions: Sessions
    members: Members
    grants: TokenGrants
    bootstrap: Bootstrap
    provider: IdentityProvider | None
    """Tells who people are; None: they come in by a bootstrap link only."""
    rates: RateLimiter
    strangers: RateLimiter
    """By address, where there is no good credential."""
    crowd: Crowd
    cursors: Cursors
    streams: StreamHub
    calendars: Calendars
    metrics: SharedAnswer[bytes] = field(default_factory=lambda: SharedAnswer(good_for_seconds=1))
    health: SharedAnswer[Any] = field(default_factory=SharedAnswer)
    backtest_asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is one to carry out: whoever does need not wait for the next look."""
    erasure_asked: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when there is one to carry out."""
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to stop: whoever keeps a client waiting must answer now."""
