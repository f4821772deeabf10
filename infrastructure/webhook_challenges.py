"""Challenges: what an endpoint gives back to show that it wants to be told.

Neither the secret nor the endpoint's id lets anybody work one out: only what was received does.
"""

import secrets

import msgspec

CHALLENGE_BYTES = 32


class Echo(msgspec.Struct, frozen=True):
    """The body of a good answer; other fields may stand beside it."""

    challenge: str


def new_challenge() -> str:
    return secrets.token_urlsafe(CHALLENGE_BYTES)


def is_echo(body: bytes, challenge: str) -> bool:
    """Whether an answer gives the challenge back: `{"challenge": "…"}`."""
    try:
        echo = msgspec.json.decode(body, type=Echo)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return is_same(echo.challenge, challenge)


def is_same(shown: str, challenge: str) -> bool:
    return secrets.compare_digest(shown.encode(), challenge.encode())
