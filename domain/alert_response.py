"""Where one agency stands to an alert: reached or not, what it read, acknowledged, answered, put aside or disputes."""

from datetime import datetime
from enum import StrEnum

import msgspec


class AlertChannel(StrEnum):
    WEBHOOK = "webhook"
    MAIL = "mail"
    STREAM = "stream"


class Answer(StrEnum):
    TAKING = "taking"  # "I take it": one agency at a time.
    IN_SUPPORT = "in_support"
    NOT_CONCERNED = "not_concerned"  # With a reason.


class Wrong(StrEnum):
    """Why an agency says that the alert should not have been raised."""

    DONE_ELSEWHERE = "done_elsewhere"
    NOT_RELEVANT = "not_relevant"
    DATA_ERROR = "data_error"
    RULE_TOO_STRICT = "rule_too_strict"


class Response(msgspec.Struct, frozen=True, kw_only=True):
    """Where one agency stands, to the present revision."""

    delivered_at: datetime | None = None
    delivered_by: AlertChannel | None = None
    """The first channel that reached it."""
    read_at: datetime | None = None
    acknowledged_at: datetime | None = None
    acknowledged_until: datetime | None = None
    """Until then its silence does not escalate."""
    answer: Answer | None = None
    answered_at: datetime | None = None
    snoozed_at: datetime | None = None
    snoozed_until: datetime | None = None
    disputed: Wrong | None = None
    disputed_at: datetime | None = None


NO_RESPONSE = Response()
