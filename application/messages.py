"""A message: that something happened which an agency must hear of, and nothing of what it is about."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

import msgspec

OUTBOX_CHANNEL = "unisson_outbox"
"""Notified when something was put in the outbox, so that whoever sends does not find it by looking only."""


class Audience(StrEnum):
    """Who of an agency is meant."""

    TEAM = "team"
    LEAD = "lead"
    COORDINATOR = "coordinator"


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one agency is told, by whatever channel."""

    territory: str
    message_id: UUID
    agency: str
    type: str
    """`unisson.<name>.v<version>`, of those that `application.message_types` lists."""
    subject_id: UUID
    pathway: UUID | None
    """Only when the agency may see what the subject is about."""
    position: int
    created_at: datetime
    severity: str | None = None
    """Of the alert, when there is one."""
    urgent: bool = False
    """Critical: it waits for no digest."""
    audience: Audience = Audience.TEAM
    level: str | None = None
    """To which level an alert was escalated."""
    challenge: str | None = None
    """What an endpoint has to give back to be verified; in that message only."""
    correlation_id: UUID | None = None
    """Of the request that led to it, where there was one."""


MaySend: TypeAlias = Callable[[str, str, Message], Awaitable[bool]]
"""Territory, agency, message. Asked again just before sending: a right withdrawn in between must be respected."""
