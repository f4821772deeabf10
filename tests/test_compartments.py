"""Every field of a stored event says which key seals it, or that it is about no person."""

import types
from datetime import date, datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import pytest

import domain.catalogue  # noqa: F401 -- registers every event type of a pathway.
from domain.aggregate import EVENT_TYPES, Event, compartments_of
from domain.compartments import Compartment, Erased
from tests.support.stories import NOTE, eventful

PATHWAY_TOPICS = sorted(
    topic
    for topic, event_type in EVENT_TYPES.items()
    if event_type.__module__
    in {
        f"domain.{noun}"
        for noun in (
            "accompaniment",
            "appointment",
            "break_glass",
            "clearance",
            "closure",
            "consent",
            "contact",
            "contract",
            "correction",
            "decision",
            "diagnosis",
            "evaluation",
            "opening",
            "orientation",
            "recognition",
            "referent",
            "referral",
            "relocation",
            "restriction",
            "retention",
            "review",
            "shares",
            "situation",
            "suspension",
            "training",
            "transfer",
        )
    }
)
PERSONAL = (Compartment.IDENTITY, Compartment.HEALTH, Compartment.NOTES)


@pytest.mark.parametrize("topic", PATHWAY_TOPICS)
def test_each_field_of_a_person_has_a_compartment(topic: str) -> None:
    assert [name for name, where in compartments_of(EVENT_TYPES[topic]).items() if where is None] == []


@pytest.mark.parametrize("topic", PATHWAY_TOPICS)
def test_what_may_be_erased_can_stand_erased(topic: str) -> None:
    hints = get_type_hints(EVENT_TYPES[topic])
    for name, where in compartments_of(EVENT_TYPES[topic]).items():
        if where in PERSONAL:
            assert Erased in get_args(hints[name]), name


FREE_TEXT = {
    "pathway.opened": {"territory"},
    "transfer.requested": {"to_agency", "to_territory"},
    "consent.given": {"scope", "theme_list", "to_agency"},
    "decision.made": {"theme", "theme_list"},
    "orientation.decided": {"theme", "theme_list", "kind", "to_agency"},
    "referral.requested": {"theme", "theme_list", "kind", "to_agency"},
    "referent.assigned": {"to_agency", "from_agency"},
    "relocation.recorded": {"to_zone", "from_zone"},
    "training.recorded": {"theme", "theme_list"},
    "diagnosis.recorded": {"theme_list"},
    "share.granted": {"to_agency"},
    "entry.corrected": {"codes", "theme", "theme_list", "kind", "from_zone", "to_zone"},
}
"""Texts among the coded facts, each known to hold a code: agencies, zones, themes of the reference list."""


@pytest.mark.parametrize("topic", PATHWAY_TOPICS)
def test_coded_facts_hold_no_free_text(topic: str) -> None:
    hints = get_type_hints(EVENT_TYPES[topic])
    texts = {
        name
        for name, where in compartments_of(EVENT_TYPES[topic]).items()
        if where is Compartment.CASE and not _is_coded(hints[name])
    }
    assert texts == FREE_TEXT.get(topic, set())


def _is_coded(hint: Any) -> bool:
    if get_origin(hint) in {Union, types.UnionType, tuple}:
        return all(_is_coded(option) for option in get_args(hint) if option not in {types.NoneType, ...})
    coded = (UUID, date, datetime, bool, Enum, msgspec.Struct)
    return isinstance(hint, type) and issubclass(hint, coded)


def test_notes_and_identity_never_reach_the_facts() -> None:
    """Not even in a pathway where everything happens."""
    scenario = eventful()
    said = msgspec.json.encode(scenario.pathway.facts()).decode()
    for secret in (NOTE, "Lovelace", "Ada", "+33", "rue de la Loge", "addictions", "1991-05-17"):
        assert secret not in said


def test_the_aggregate_keeps_neither_notes_nor_names() -> None:
    pathway = eventful().pathway
    kept = repr([vars(pathway), [entry.attrs for entry in pathway.ledger.entries.values()]])
    assert NOTE not in kept
    assert "Lovelace" not in kept


def test_the_story_stores_every_event_type() -> None:
    told = {type(event) for event in eventful().events}
    assert told == {event_type for topic, event_type in EVENT_TYPES.items() if topic in PATHWAY_TOPICS}


def test_headers_hold_nothing_personal() -> None:
    assert set(Event.__struct_fields__) == {
        "originator_id",
        "originator_version",
        "timestamp",
        "agency",
        "actor",
        "position",
    }
