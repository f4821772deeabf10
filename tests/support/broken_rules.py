"""For each rule that comes with the product, a life that breaks it, as calls of the API."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from random import Random

import msgspec

from api.demo.faults import FAULTS, HOUSER, LICENCE, SHELTER, SHELTER_THEME
from api.demo.life import HOUSING, Life
from api.demo.script import Story
from api.demo.territory import TERRITORY, TRAINING_THEMES
from domain.catalogue import BY_NAME
from domain.command import Act
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway

CHILDCARE = "famille--garde-denfants"


def broken(rule: str, number: int, last_day: date) -> Story:
    """Nobody puts it right before the last day."""
    life = Life(Random(rule), number, last_day)  # noqa: S311 - people who do not exist need no secrecy
    if rule in FAULTS:
        FAULTS[rule](life, False)
    else:
        OTHERS[rule](life)
    return life.story()


def asked_again(life: Life) -> None:
    life.begin()
    life.request(SHELTER_THEME, SHELTER, life.day(30))
    life.request(SHELTER_THEME, HOUSER, life.day(60))


def trained_after_moving(life: Life) -> None:
    life.begin()
    life.diagnose_and_refer([HOUSING])
    life.move_house(life.day(60))
    _train(life, 63)


def never_reached(life: Life) -> None:
    life.begin()
    life.diagnose([HOUSING])
    life.refer(HOUSING, life.day(20), met=False)
    life.keep_in_touch(until=life.last_day)


def never_reexamined(life: Life) -> None:
    life.begin(track="social")
    life.keep_in_touch(until=life.last_day)


def sanctioned_unfairly(life: Life) -> None:
    life.begin()
    life.diagnose([CHILDCARE], day=life.day(60))
    day = life.day(100)
    life.call(day, life.opener, "suspend-pathway", {"motive": "sanction", "on": str(day)})


def written_down_late(life: Life) -> None:
    life.begin()
    body = {"channel": "phone", "on": str(life.ago(40))}
    life.call(life.ago(5), life.opener, "record-contact", body)


def trained_without_childcare(life: Life) -> None:
    life.begin()
    life.diagnose([CHILDCARE])
    _train(life, 60)


def trained_without_transport(life: Life) -> None:
    life.begin()
    life.diagnose([LICENCE])
    _train(life, 60)


def trained_without_a_home(life: Life) -> None:
    life.begin()
    homeless = {"topic": "housing", "value": "homeless", "on": str(life.day(20))}
    life.call(life.day(20), life.opener, "record-situation", homeless)
    _train(life, 60)


def never_diagnosed(life: Life) -> None:
    life.opened = life.last_day - timedelta(days=400)
    life.begin()
    life.keep_in_touch(until=life.last_day)


OTHERS: Mapping[str, Callable[[Life], None]] = {
    "decision-before-next-request": asked_again,
    "no-training-just-after-move": trained_after_moving,
    "housing-first-contact": never_reached,
    "social-track-reexamined": never_reexamined,
    "sanction-despite-impediment": sanctioned_unfairly,
    "late-recording": written_down_late,
    "training-childcare": trained_without_childcare,
    "training-mobility": trained_without_transport,
    "training-unstable-housing": trained_without_a_home,
    "diagnosis-yearly": never_diagnosed,
}
"""Those that the demonstration does not play."""


def _train(life: Life, day: int) -> None:
    start = life.day(day)
    body = {"theme": TRAINING_THEMES[0], "status": "started", "start": str(start)}
    life.call(start, life.opener, "record-training", body)


def lived(story: Story) -> Pathway:
    """The pathway at the end of a story, as the log would give it back."""
    pathway: Pathway | None = None
    for call in story.calls:
        spec = BY_NAME[call.command]
        command = spec.command(msgspec.json.decode(msgspec.json.encode(call.body), type=spec.body), call.entry)
        act = Act(agency=call.agency, agent=None, at=call.at, today=call.at.date())
        if isinstance(command, OpenPathway):
            pathway = open_pathway(command, TERRITORY, act, pathway_id=act.new_id(), subject=act.new_id())
        else:
            assert pathway is not None
            command.decide(pathway, act)
        assert pathway is not None
        for version in range(1, pathway.version + 1):
            pathway.ledger.stamp(version, version, call.at)
    assert pathway is not None
    pathway.collect_events()
    return pathway
