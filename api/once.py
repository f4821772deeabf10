"""Requests outside the event log that must be carried out once, however often they are sent."""

from collections.abc import Awaitable, Callable
from uuid import UUID

import msgspec

from api.bodies import BodyReader
from api.conditions import fingerprint, idempotency_key
from api.replies import Reply, encode, reply
from api.request import ApiRequest
from application import outcomes
from domain.errors import DomainError


class Nothing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An empty object."""


NOTHING = BodyReader(Nothing)


class Named(msgspec.Struct, frozen=True):
    """Of an answer, the part that names what was made."""

    id: UUID


async def once(
    request: ApiRequest,
    raw: bytes,
    status: int,
    work: Callable[[], Awaitable[msgspec.Struct]],
    *,
    place: str | None = None,
) -> Reply:
    """Do the work unless this very request was answered before. Secrets are never remembered.

    `place`: where what was made is found by its id.
    """
    known = outcomes.Request(
        caller=request.user, idempotency_key=idempotency_key(request), fingerprint=fingerprint(request, raw)
    )
    recalled = await request.runtime.outcomes.begin(known)
    if recalled is not None:
        headers = {"Idempotency-Replayed": "true"} | _location(place, recalled)
        return reply(msgspec.Raw(recalled), status=status, headers=headers)
    try:
        answer = await work()
    except DomainError:  # A refusal did nothing. After any other failure nobody knows: the key stays reserved a while.
        await request.runtime.outcomes.give_up(known)
        raise
    kept = msgspec.structs.replace(answer, secret=None) if "secret" in answer.__struct_fields__ else answer
    encoded = encode(kept)
    await request.runtime.outcomes.settle(known, encoded)
    return reply(answer, status=status, headers=_location(place, encoded))


def _location(place: str | None, answer: bytes) -> dict[str, str]:
    return {} if place is None else {"Location": f"{place}/{msgspec.json.decode(answer, type=Named).id}"}
