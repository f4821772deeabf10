"""Answers to requests that append no event, remembered under their idempotency keys like those of commands."""

from typing import Protocol

import msgspec

from application.access import Caller


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What makes two requests the same."""

    caller: Caller
    idempotency_key: str
    fingerprint: bytes


class Outcomes(Protocol):
    """Of all the requests sent at once under one key, to any process, one is carried out.

    When its process dies in between, the request can be carried out again after a while, and so may be twice.
    """

    async def begin(self, request: Request) -> bytes | None:
        """What this request was answered before. None: it is the caller's to carry out, then to settle or give up.

        Raises InFlight while somebody else carries it out, IdempotencyKeyReused when the key served for another one.
        """

    async def settle(self, request: Request, outcome: bytes) -> None:
        """It is done; this is the answer."""

    async def give_up(self, request: Request) -> None:
        """Nothing was done: the next one may try."""
