"""The page on alerts names every event, code and limit that the code has."""

from enum import StrEnum

import pytest

from domain.alert import ClearedBecause, Role, Sees
from domain.alert_commands import ACKNOWLEDGED_WORKING_DAYS, SNOOZED_FOR_MAX, TAKEN_WORKING_DAYS
from domain.alert_escalation import EscalationLevel
from domain.alert_pause import WaiverCode, WaiverEnd, WokenBecause
from domain.alert_response import AlertChannel, Answer, Wrong
from domain.alert_topics import ALERT_TOPICS
from tests.support import documents
from tests.support.documents import DOCS

PAGE = documents.read(DOCS / "reference" / "alerts.md")


@pytest.mark.parametrize(
    "codes",
    [ClearedBecause, Role, Sees, EscalationLevel, WaiverCode, WaiverEnd, WokenBecause, AlertChannel, Answer, Wrong],
)
def test_every_code_is_on_the_page(codes: type[StrEnum]) -> None:
    assert [code for code in codes if f"`{code}`" not in PAGE] == []


def test_every_event_is_on_the_page() -> None:
    assert [topic for topic in sorted(ALERT_TOPICS) if f"`{topic}`" not in PAGE] == []


def test_the_limits_are_those_of_the_code() -> None:
    assert f"`until` (at most {SNOOZED_FOR_MAX.days} days)" in PAGE
    days = [TAKEN_WORKING_DAYS[severity] for severity in ("critical", "warning", "info")]
    assert "{}, {} or {} working days, whoever takes it".format(*days) in PAGE
    days = [ACKNOWLEDGED_WORKING_DAYS[severity] for severity in ("critical", "warning", "info")]
    assert "{}, {} or {} working days, of who should act only".format(*days) in PAGE
