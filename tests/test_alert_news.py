"""Of what happens to an alert everybody concerned hears, who did it does not, and each learns only what it may."""

from collections.abc import Callable

import msgspec
import pytest

from application.event_log import Stored
from application.message_types import MESSAGE_TYPES, Subject
from application.messages import Audience, Message
from domain.alert import Recipient, Role, Sees
from domain.alert_escalation import EscalationLevel
from domain.alert_topics import ALERT_TOPICS
from infrastructure.webhook_secret import new_secret
from infrastructure.webhooks import cloud_event, signed_headers
from projections.alert_news import moment_of, news_of
from projections.news import rows_of
from projections.outbox_rows import OutboxRow
from tests.support import alert_samples as given

EVERYBODY = [given.ACTING, given.REFERENT, given.ABLE, given.WATCHER]


def told(stored: Stored) -> list[OutboxRow]:
    """The alert as it stood is looked at only where the event says so."""
    alert = None if moment_of(stored) is None else given.alert_as_raised()
    return [row for each in news_of(stored, alert) for row in rows_of(each, MESSAGE_TYPES)]


def agencies(stored: Stored) -> list[str]:
    return [row.agency for row in told(stored)]


def message_of(row: OutboxRow) -> Message:
    return Message(territory=given.TERRITORY, **row._asdict())


@pytest.mark.parametrize(
    "stored", [given.raised(), given.reopened(), given.disclosed(), given.cleared(), given.waiver_ended()]
)
def test_what_the_rules_find_and_what_time_does_is_told_to_everybody_concerned(stored: Stored) -> None:
    assert agencies(stored) == EVERYBODY


@pytest.mark.parametrize("act", [given.answered, given.waived, given.waiver_ended])
@pytest.mark.parametrize("by", EVERYBODY)
def test_what_an_agency_does_is_told_to_all_the_others(act: Callable[[str], Stored], by: str) -> None:
    assert agencies(act(by)) == [agency for agency in EVERYBODY if agency != by]


@pytest.mark.parametrize("act", [given.acknowledged, given.disputed])
def test_who_saw_it_and_who_disputes_it_is_told_only_where_the_content_is_seen(act: Callable[[str], Stored]) -> None:
    assert agencies(act(given.REFERENT)) == [given.ACTING]
    assert agencies(act(given.ABLE)) == [given.ACTING, given.REFERENT]


def test_that_an_alert_is_back_is_told_to_who_had_put_it_off_alone() -> None:
    assert agencies(given.woken(given.ABLE)) == [given.ABLE]
    assert agencies(given.woken("no-longer-concerned")) == []


@pytest.mark.parametrize("stored", given.SILENT)
def test_putting_off_reading_and_reaching_tell_nobody(stored: Stored) -> None:
    assert told(stored) == []


@pytest.mark.parametrize(
    "stored",
    [
        given.raised(quiet=True),
        given.raised(hidden=True),
        given.reopened(quiet=True),
        given.reopened(hidden=True),
        given.disclosed(quiet=True),
        given.cleared(quiet=True),
    ],
)
def test_a_quiet_or_hidden_alert_tells_nobody(stored: Stored) -> None:
    assert told(stored) == []


def test_nothing_is_told_of_an_alert_whose_person_was_erased_since() -> None:
    assert list(news_of(given.answered(), None)) == []
    assert list(news_of(given.disclosed(), None)) == []


def test_an_escalation_tells_those_called_upon_and_the_others_each_in_its_part() -> None:
    lead = Recipient(given.ABLE, Role.ABLE_TO_ACT, Sees.NOTICE)
    to_lead = {row.agency: row for row in told(given.escalated(EscalationLevel.LEAD, lead))}
    assert to_lead.keys() == set(EVERYBODY)
    assert {agency for agency, row in to_lead.items() if row.audience is Audience.LEAD} == {given.ABLE}
    to_all = {row.agency: row for row in told(given.escalated(EscalationLevel.COORDINATOR, given.COORDINATION))}
    assert to_all.keys() == {*EVERYBODY, given.COORDINATOR}
    assert to_all[given.COORDINATOR].audience is Audience.COORDINATOR
    assert {row.audience for agency, row in to_all.items() if agency != given.COORDINATOR} == {Audience.TEAM}
    assert {row.level for row in to_all.values()} == {"coordinator"}


def test_an_escalation_that_names_nobody_still_tells_those_concerned() -> None:
    assert agencies(given.escalated(EscalationLevel.COORDINATOR)) == EVERYBODY


def test_a_coordinator_called_upon_by_a_rule_of_its_own_is_told_as_one() -> None:
    rows = {row.agency: row for row in told(given.escalated(EscalationLevel.RULE, given.COORDINATION))}
    assert rows[given.COORDINATOR].audience is Audience.COORDINATOR


def test_only_what_asks_to_act_on_a_critical_alert_is_urgent() -> None:
    urgent = {row.type for stored in given.TELLING for row in told(stored) if row.urgent}
    assert urgent == {
        f"unisson.alert.{name}.v1" for name in ("raised", "reopened", "waiver-ended", "woken", "escalated")
    }
    assert not any(row.urgent for row in told(given.waiver_ended(given.ABLE)))  # It would wake all, over and over.
    warned = msgspec.structs.replace(given.FINDING, severity="warning")
    assert {(row.severity, row.urgent) for row in told(given.raised(finding=warned))} == {("warning", False)}


def test_every_type_about_alerts_is_told_by_some_event_and_every_event_was_thought_of() -> None:
    types = {row.type for stored in given.TELLING for row in told(stored)}
    assert types == {each.type for each in MESSAGE_TYPES if each.subject is Subject.ALERT}
    assert {stored.topic for stored in (*given.TELLING, *given.SILENT)} == ALERT_TOPICS


@pytest.mark.parametrize("stored", given.TELLING, ids=lambda stored: stored.topic)
def test_no_message_says_what_the_alert_is_about_to_anybody(stored: Stored) -> None:
    """Not the rule, nor a fact, nor who acted, nor a word that somebody wrote; the outbox itself neither."""
    secret = new_secret()
    for row in told(stored):
        message = message_of(row)
        body = cloud_event(message, "https://unisson.example")
        headers = signed_headers(message, body, [secret], given.NOON)
        assert given.CANARY not in f"{row}{body.decode()}{headers}"


@pytest.mark.parametrize("stored", given.TELLING, ids=lambda stored: stored.topic)
def test_a_notice_leads_to_no_pathway_whatever_its_type(stored: Stored) -> None:
    sees = {one.agency: one.sees for one in (*given.RECIPIENTS, given.COORDINATION)}
    for row in told(stored):
        entitled = sees[row.agency] is Sees.CONTENT
        body = cloud_event(message_of(row), "https://unisson.example").decode()
        assert (row.pathway is not None, str(given.PATHWAY) in body) == (entitled, entitled)
        fields = {"position", "alert_id"} | ({"level"} if row.level else set())
        assert msgspec.json.decode(body)["data"].keys() == fields | ({"pathway_id"} if entitled else set())
