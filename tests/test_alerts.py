"""The life of an alert: one identity per situation, changes in logical order, recorded once however often found."""

from datetime import timedelta
from uuid import UUID, uuid4

import msgspec
import pytest

from application.alerts import Alerts, Change
from application.event_log import Appended, Commit, EventLog
from domain.alert import (
    Alert,
    AlertCleared,
    AlertDisclosed,
    AlertEvent,
    AlertRaised,
    AlertReopened,
    AlertStatus,
    ClearedBecause,
    Disclosed,
    Finding,
    Found,
    Recipient,
    Resolved,
    Role,
    Sees,
    alert_id_of,
    decide,
)
from domain.contact import Channel, RecordContact
from infrastructure.database import Pool
from tests.support.following import CCAS, TERRITORY, all_projections, follower_of, territory
from tests.support.logs import START, memory_log

PATHWAY = UUID("01890000-0000-7000-8000-000000000001")
ALERT = alert_id_of("silence-90", PATHWAY, "fact-1")
FINDING = Finding(pathway=PATHWAY, rule="silence-90", version=1, severity="warning", activation="fact-1")
TOLD = (Recipient(CCAS, Role.ACTING, Sees.CONTENT),)


def found(day: int) -> Found:
    return Found(on=START + timedelta(days=day), known_at=day, finding=FINDING, recipients=TOLD)


def resolved(day: int) -> Resolved:
    return Resolved(on=START + timedelta(days=day), known_at=day, reason=ClearedBecause.DONE_LATE)


def after(*changes: Found | Disclosed | Resolved) -> tuple[Alert | None, list[type[AlertEvent]]]:
    """What these changes, one after another, make of an alert that was never raised."""
    alert: Alert | None = None
    events: list[type[AlertEvent]] = []
    for change in changes:
        event = decide(ALERT, alert, change)
        if event is not None:
            events.append(type(event))
            alert = event.mutate(alert)
    return alert, events


def test_found_again_it_is_the_same_alert() -> None:
    _, events = after(found(1), found(2))
    assert events == [AlertRaised]


def test_cleared_and_found_again_it_is_reopened_with_the_next_revision() -> None:
    alert, events = after(found(1), resolved(2), found(3))
    assert events == [AlertRaised, AlertCleared, AlertReopened]
    assert alert is not None
    assert (alert.status, alert.revision) == (AlertStatus.OPEN, 2)


def test_a_situation_never_told_needs_no_clearing() -> None:
    assert after(resolved(1)) == (None, [])


def test_a_change_that_is_not_newer_changes_nothing() -> None:
    """After a crash the same changes are found again, from the first on."""
    _, events = after(found(1), resolved(2), found(1), resolved(2))
    assert events == [AlertRaised, AlertCleared]


def test_identity_is_the_situation_not_the_version_of_the_rule() -> None:
    same = alert_id_of("silence-90", str(PATHWAY), "fact-1")
    assert same == ALERT
    assert len({ALERT, alert_id_of("other", PATHWAY, "fact-1"), alert_id_of("silence-90", PATHWAY, "fact-2")}) == 3
    assert ALERT.version == 8


def disclosed(day: int) -> Disclosed:
    return Disclosed(on=START + timedelta(days=day), known_at=day)


def test_a_hidden_alert_is_disclosed_once_and_only_while_it_stands() -> None:
    hidden = msgspec.structs.replace(found(1), hidden=True)
    assert after(hidden, disclosed(2), disclosed(3))[1] == [AlertRaised, AlertDisclosed]
    assert after(hidden, resolved(2), disclosed(3))[1] == [AlertRaised, AlertCleared]
    assert after(found(1), disclosed(2))[1] == [AlertRaised]
    assert after(disclosed(1)) == (None, [])


@pytest.mark.parametrize("told", [True, False])
def test_an_alert_that_nobody_heard_of_is_cleared_in_silence(told: bool) -> None:
    alert, _ = after(msgspec.structs.replace(found(1), hidden=True), *([disclosed(2)] if told else []))
    cleared = decide(ALERT, alert, resolved(3))
    assert isinstance(cleared, AlertCleared)
    assert cleared.quiet is not told


def change(what: Found | Resolved, key: str, subject: UUID) -> Change:
    return Change(alert_id=ALERT, pathway=PATHWAY, subject=subject, what=what, key=key)


async def test_recording_the_same_changes_again_appends_nothing() -> None:
    log, subject = memory_log(), uuid4()
    changes = [change(found(1), "k:1", subject), change(resolved(2), "k:2", subject)]
    assert await Alerts(log).record(TERRITORY, changes) == 2
    assert await Alerts(log).record(TERRITORY, changes) == 0
    assert [header.topic for header in await log.headers(TERRITORY, after=0)] == ["alert.raised", "alert.cleared"]


class LosesTheReply:
    """A log that stores an append and then fails, once."""

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self.lost = False

    def __getattr__(self, name: str) -> object:
        return getattr(self._log, name)

    async def append(self, territory: str, commit: Commit) -> Appended:
        appended = await self._log.append(territory, commit)
        if not self.lost and commit.events[0].agency == "unisson":
            self.lost = True
            raise OSError("the connection was lost")
        return appended


async def test_a_crash_between_the_alert_and_the_rows_raises_it_once(database_url: str, pool: Pool) -> None:
    async with territory(database_url, pool) as place:
        pathway_id = await place.open()
        await place.act(pathway_id, CCAS, RecordContact(channel=Channel.PHONE))
        place.pass_days(100)
        real = place.log
        place.log = LosesTheReply(real)  # type: ignore[assignment]
        crashed = follower_of(pool, place, all_projections(place))
        await crashed.catch_up()
        place.log = real
        assert await pool.fetchval("SELECT count(*) FROM obligations WHERE raised") == 0
        await follower_of(pool, place, all_projections(place)).catch_up()
        topics = [header.topic for header in await place.log.headers(TERRITORY, after=0)]
    assert topics.count("alert.raised") == 1
    assert await pool.fetchval("SELECT count(*) FROM obligations WHERE raised") == 1


@pytest.mark.parametrize("field", ["finding", "recipients"])
def test_what_an_alert_says_is_sealed(field: str) -> None:
    """An alert speaks of a person: nothing of it may be stored in clear."""
    assert field in AlertRaised.__struct_fields__
    from domain.aggregate import compartments_of

    assert set(compartments_of(AlertRaised).values()) == {"case"}
