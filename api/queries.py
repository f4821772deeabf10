"""Query strings, as strict as bodies: an unknown or repeated parameter is refused, never ignored."""

from datetime import UTC, datetime
from typing import Annotated, Generic, TypeVar
from urllib.parse import parse_qsl, urlencode

import msgspec

from api.bodies import explain
from api.request import ApiRequest
from domain.errors import DomainError

T = TypeVar("T", bound=msgspec.Struct)

PARAMETERS_MOST = 20
Limit = Annotated[int, msgspec.Meta(ge=1, le=200, description="At most so many.")]
Position = Annotated[int, msgspec.Meta(ge=0, le=2**62, description="A position of the territory's log.")]
Cursor = Annotated[str, msgspec.Meta(max_length=500, description="`next` of the page before.")]
WaitSeconds = Annotated[float, msgspec.Meta(ge=0, le=30, description="Wait so long for something to answer with.")]


class InvalidQuery(DomainError):
    """The address has a parameter that is unknown here, repeated, ill-formed or missing."""

    code = "invalid_query"
    status = 400
    title_fr = "L'adresse comporte un paramètre inconnu ici, répété, mal formé ou manquant."


def next_page(request: ApiRequest, **place: str | int) -> dict[str, str]:
    """The header that leads to the next page, of the same filters. What this page waited for need not be again."""
    asked = dict(parse_qsl(request.scope["query_string"].decode("ascii"), keep_blank_values=True))
    asked.pop("at_least", None)
    return {"Link": f'<{request.scope["path"]}?{urlencode(asked | place)}>; rel="next"'}


def the_instant(name: str, given: datetime | None) -> datetime | None:
    """In UTC. Raises InvalidQuery for one that its offset puts before the first year or after the last."""
    try:
        return None if given is None else given.astimezone(UTC)
    except OverflowError:
        fault = (f"?{name}", "out_of_range", "This instant is out of range.", "Valeur hors limites.")
        raise InvalidQuery(faults=[fault]) from None


class QueryReader(Generic[T]):
    """Reads query strings into one type. Made once per route."""

    def __init__(self, type_: type[T]) -> None:
        self._type = type_

    def read(self, request: ApiRequest) -> T:
        """Raises InvalidQuery."""
        try:
            pairs = parse_qsl(
                request.scope["query_string"].decode("ascii"),
                keep_blank_values=True,
                encoding="utf-8",
                errors="strict",
                max_num_fields=PARAMETERS_MOST,
            )
        except ValueError:
            raise InvalidQuery from None
        given = dict(pairs)
        if len(given) < len(pairs):
            raise InvalidQuery(faults=self._repeated([name for name, _ in pairs]))
        if any("\0" in value for value in given.values()):
            raise InvalidQuery
        try:
            return msgspec.convert(given, self._type, strict=False)
        except msgspec.ValidationError as error:
            pointer, code, english, french = explain(error)
            raise InvalidQuery(faults=[(f"?{pointer.removeprefix('/')}", code, english, french)]) from None

    def _repeated(self, names: list[str]) -> list[tuple[str, str, str, str]]:
        """Those known here: what was sent is not repeated."""
        known = [name for name in self._type.__struct_fields__ if names.count(name) > 1]
        return [(f"?{name}", "said_twice", "Given more than once.", "Donné plusieurs fois.") for name in known]
