"""What a date may be: nothing happens before the person's birth, in the future, or in the year 9999."""

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, TypeVar, cast

from domain.command import Act
from domain.errors import DomainError
from domain.ledger import Point, point_order

if TYPE_CHECKING:
    from domain.pathway import Pathway

FIRST_YEAR = 1900
YEARS_AHEAD = 10
CLOCK_SKEW = timedelta(minutes=5)
"""How far a partner's clock may be ahead of ours."""

P = TypeVar("P", bound=date)  # A datetime is a date.


def must_have_happened(point: P, act: Act, field: str, pathway: "Pathway | None" = None) -> P:
    """The point, instants in UTC. Raises ImplausibleDate, NotYetHappened, BeforeBirth."""
    point = must_be_plausible(point, act, field, pathway)
    latest = act.at + CLOCK_SKEW if isinstance(point, datetime) else act.today
    if point > latest:
        raise NotYetHappened(field=field)
    return point


def must_be_plausible(point: P, act: Act, field: str, pathway: "Pathway | None" = None) -> P:
    """Like `must_have_happened`, for what may lie ahead, up to ten years. Raises ImplausibleDate, BeforeBirth."""
    # The year first: an instant at either end of the calendar cannot be converted to UTC.
    if not FIRST_YEAR <= point.year <= act.today.year + YEARS_AHEAD:
        raise ImplausibleDate(field=field)
    if pathway is not None and pathway.birth_date is not None and _day(point) < pathway.birth_date:
        raise BeforeBirth(field=field)
    return cast("P", point.astimezone(UTC)) if isinstance(point, datetime) else point


def must_be_ordered(start: Point, end: Point | None, field: str) -> None:
    """Raises EndsBeforeStart."""
    if end is not None and point_order(end) < point_order(start):
        raise EndsBeforeStart(field=field)


def _day(point: Point) -> date:
    return point.date() if isinstance(point, datetime) else point


class ImplausibleDate(DomainError):
    """The date lies before 1900 or more than ten years ahead."""

    code = "implausible_date"
    status = 422
    title_fr = "La date est antérieure à 1900 ou à plus de dix ans dans l'avenir."


class NotYetHappened(DomainError):
    """What has not happened yet cannot be recorded as done."""

    code = "not_yet_happened"
    status = 422
    title_fr = "Ce qui n'a pas encore eu lieu ne peut pas être enregistré comme fait."


class BeforeBirth(DomainError):
    """The date lies before the person's birth."""

    code = "before_birth"
    status = 422
    title_fr = "La date est antérieure à la naissance de la personne."


class EndsBeforeStart(DomainError):
    """The end lies before the start."""

    code = "ends_before_start"
    status = 422
    title_fr = "La fin est antérieure au début."
