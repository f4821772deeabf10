"""Relocations: planned, done, cancelled; out of the territory or not."""

from datetime import date, timedelta

import pytest

from domain.dates import BeforeBirth, ImplausibleDate, NotYetHappened
from domain.errors import DomainError
from domain.pathway import ImpossibleTransition, UnknownEntry
from domain.relocation import MoveRelocation, RecordRelocation, RelocationMoved, RelocationRecorded
from domain.relocation import RelocationStatus as S
from tests.support.pathways import TODAY, ago, an_id, given

MONTPELLIER, BEZIERS, NIMES = "34172", "34032", "30189"
SOON = TODAY + timedelta(days=5)
MOVE = an_id("move")


def planned(on: date = SOON) -> RecordRelocation:
    return RecordRelocation(from_zone=MONTPELLIER, to_zone=NIMES, on=on, planned=True, id=MOVE)


def moved(status: S, on: date | None = None) -> MoveRelocation:
    return MoveRelocation(relocation_id=MOVE, status=status, on=on)


@pytest.mark.parametrize(
    ("from_zone", "to_zone", "changed"),
    [(MONTPELLIER, BEZIERS, False), (MONTPELLIER, NIMES, True), (None, BEZIERS, False), (None, "FR-30", True)],
)
def test_a_move_says_whether_it_leaves_the_territory(from_zone: str | None, to_zone: str, changed: bool) -> None:
    given().when(RecordRelocation(from_zone=from_zone, to_zone=to_zone, on=ago(3))).then_recorded(
        RelocationRecorded
    ).then_fact("relocation", from_zone=from_zone, to_zone=to_zone, territory_changed=changed, state="done")


def test_a_planned_move_takes_the_day_on_which_it_took_place() -> None:
    given(planned()).when(moved(S.DONE, ago(1))).then_recorded(RelocationMoved).then_fact(
        "relocation", start=ago(1), end=ago(1), state="done", status="done"
    )


def test_a_planned_move_may_be_cancelled() -> None:
    given(planned()).when(moved(S.CANCELLED)).then_fact("relocation", start=SOON, state="cancelled")


@pytest.mark.parametrize(
    ("command", "error"),
    [
        (RecordRelocation(to_zone=NIMES, on=SOON), NotYetHappened),
        (RecordRelocation(to_zone=NIMES, on=date(9999, 1, 1), planned=True), ImplausibleDate),
        (RecordRelocation(to_zone=NIMES, on=date(1990, 1, 1)), BeforeBirth),
        (moved(S.DONE, SOON), NotYetHappened),
        (moved(S.PLANNED), ImpossibleTransition),
        (MoveRelocation(relocation_id=an_id("?"), status=S.DONE), UnknownEntry),
    ],
)
def test_a_move_is_refused(command: RecordRelocation, error: type[DomainError]) -> None:
    given(planned()).when(command).then_refused(error)


@pytest.mark.parametrize("status", [S.DONE, S.CANCELLED])
def test_what_is_over_stays_over(status: S) -> None:
    given(planned(), moved(status)).when(moved(S.DONE)).then_refused(ImpossibleTransition, "/status")
