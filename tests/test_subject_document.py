"""What a person is told: all of it, in French, and nothing of anybody else; quickly, however long the pathway."""

import time
from collections.abc import Iterator
from datetime import date, datetime
from enum import Enum
from typing import Any, get_args, get_type_hints
from zoneinfo import ZoneInfo

import msgspec
import pytest

from application.event_log import Stored
from application.subject_document import Document, Told, document_of
from application.subject_names import Names
from application.subject_page import page_of
from application.subject_words import HIDDEN, NAMES, TITLES, WORDS
from domain.aggregate import EVENT_TYPES, Event, compartments_of
from domain.contact import Channel, RecordContact
from domain.pathway import Pathway
from domain.retention import RetentionPolicy
from domain.rules.labels import FIELDS, VALUES
from domain.subject_access import Withheld
from tests.support.pathways import SUBJECT, Scenario, act_of, an_id, opened
from tests.support.stories import NOTE, eventful

PARIS = ZoneInfo("Europe/Paris")
ON_A_PATHWAY = sorted(
    topic
    for topic, event_type in EVENT_TYPES.items()
    if event_type.__module__.startswith("domain.") and "pathway" in event_type.apply.__code__.co_varnames
)


def stored(events: list[Event]) -> list[Stored]:
    return [
        Stored(
            territory="FR-34",
            position=number,
            topic=type(event).TOPIC,
            event=event,
            subject=SUBJECT,
            correlation_id=None,
            causation_id=None,
        )
        for number, event in enumerate(events, start=1)
    ]


def document(pathway: Pathway, events: list[Event], *withheld: Withheld, draft: bool = False) -> Document:
    return document_of(
        an_id("access"),
        pathway,
        stored(events),
        alerts=(),
        accesses=(),
        withheld=withheld,
        draft=draft,
        policy=RetentionPolicy(),
    )


def codes(hint: Any) -> Iterator[str]:
    if isinstance(hint, type) and issubclass(hint, Enum):
        yield from (member.value for member in hint)
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        for inner in get_type_hints(hint).values():
            yield from codes(inner)
    for option in get_args(hint):
        yield from codes(option)


@pytest.mark.parametrize("topic", ON_A_PATHWAY)
def test_every_event_every_field_and_every_code_has_a_french_name(topic: str) -> None:
    event_type = EVENT_TYPES[topic]
    hints = get_type_hints(event_type)
    assert topic.partition("@")[0] in TITLES
    for name in compartments_of(event_type):
        assert name in NAMES or name in FIELDS or name.endswith(HIDDEN), name
        assert {code for code in codes(hints[name]) if code not in WORDS and code not in VALUES} == set(), name


def test_everything_recorded_is_told_and_who_typed_it_is_not() -> None:
    scenario = eventful()
    told = document(scenario.pathway, scenario.events)
    assert [line.version for line in told.history] == list(range(1, len(scenario.events) + 1))
    said = msgspec.json.encode(told).decode()
    for event in scenario.events:
        for name, where in compartments_of(type(event)).items():
            value = getattr(event, name)
            if where is not None and isinstance(value, str) and value:
                assert value in said
    assert "agent-7" not in said
    assert told.identity["family_name"] == "Lovelace"


def test_what_is_about_somebody_else_is_withheld_where_it_was_said() -> None:
    scenario = Scenario(opened()).given(
        RecordContact(channel=Channel.PHONE, note="Sa voisine Mme Martin garde l'enfant."),
        RecordContact(channel=Channel.PHONE, note="Rappeler lundi."),
    )
    draft = document(scenario.pathway, scenario.events, draft=True)
    notes = {line.version: item for line in draft.history for item in line.items if item.field == "note"}
    assert {version: item.to_check for version, item in notes.items()} == {2: True, 3: False}
    final = document(scenario.pathway, scenario.events, Withheld(2, "note"))
    page = page_of(final, PARIS).decode()
    assert "Martin" not in page
    assert "Rappeler lundi." in page
    assert "passage retiré" in page
    assert "Projet à vérifier" not in page


def test_values_are_escaped_and_written_as_people_write_them() -> None:
    scenario = Scenario(opened(family_name="<b>Lô</b>")).given(
        RecordContact(channel=Channel.HOME_VISIT, at=datetime(2026, 3, 9, 22, 30, tzinfo=PARIS), note=NOTE)
    )
    page = page_of(document(scenario.pathway, scenario.events), PARIS).decode()
    assert "&lt;b&gt;Lô&lt;/b&gt;" in page
    assert "<b>" not in page
    assert "09/03/2026 à 22:30" in page
    assert "visite à domicile" in page


def test_services_and_rules_are_called_by_names_that_a_person_knows() -> None:
    scenario = eventful()
    told = document(scenario.pathway, scenario.events)
    slug = told.history[0].agency
    told = msgspec.structs.replace(told, alerts=(Told(rule="silence-90", status="open", on=None, agencies=(slug,)),))
    assert f"par {slug}." in page_of(told, PARIS).decode()
    expected = "Jamais plus de 90 jours sans contact."
    page = page_of(told, PARIS, Names(agencies={slug: "CCAS de Sète & Cie"}, rules={"silence-90": expected})).decode()
    assert "par CCAS de Sète &amp; Cie." in page
    assert expected in page
    assert slug not in page
    assert "silence-90" not in page


def test_five_thousand_events_take_seconds() -> None:
    """A minute is what the person's rights allow for; this machine takes one or two seconds."""
    pathway = opened()
    events: list[Event] = [event for event in pathway.collect_events() if isinstance(event, Event)]
    command = RecordContact(channel=Channel.PHONE, on=date(2026, 3, 1), note=NOTE * 4)
    for _ in range(5_000):
        command.decide(pathway, act_of())
    events += [event for event in pathway.collect_events() if isinstance(event, Event)]
    began = time.process_time()
    told = document(pathway, events)
    assert len(page_of(told, PARIS)) > 500_000
    assert len(msgspec.json.encode(told)) > 500_000
    assert len(told.history) >= 5_000
    assert time.process_time() - began < 20
