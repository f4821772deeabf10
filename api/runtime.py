"""What a running process is made of, as handlers see it. `api.app` puts it together."""

import asyncio
from dataclasses import dataclass, field

from api.limits import Crowd, Limits, RateLimiter
from application.api_keys import ApiKeys, Gatekeeper
from application.event_log import EventLog
from application.pathways import Pathways
from domain.clock import Clock
from infrastructure.settings import Settings


@dataclass(slots=True, kw_only=True)
class Runtime:
    settings: Settings
    clock: Clock
    limits: Limits
    log: EventLog
    pathways: Pathways
    keys: ApiKeys
    gatekeeper: Gatekeeper
    rates: RateLimiter
    crowd: Crowd
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when the server is about to stop: whoever keeps a client waiting must answer now."""
