"""A receiver that is told everything twice and in any order: does it end where one that is told in order does?

    python -m tests.campaigns.webhook_disorder [DELIVERIES] [SEED]

What comes is the bodies that are sent, byte for byte; what the receiver does with them is what the documentation tells
it to: remember each message id, and keep of an alert what bears the greatest position. 100,000 deliveries by default.
"""

import random
import sys
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from application.messages import Message
from infrastructure.webhooks import cloud_event
from tests.support.delivering import PUBLIC_URL

TYPES = tuple(f"unisson.alert.{name}.v1" for name in ("raised", "reopened", "answered", "waived", "cleared"))
MESSAGES_OF_AN_ALERT = 20
NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)


class Figures(msgspec.Struct, kw_only=True):
    deliveries: int
    messages: int
    effects: int
    """Messages that changed anything: each once."""
    astray: int
    """Alerts that ended elsewhere than where they should."""


class Receiver:
    def __init__(self) -> None:
        self.alerts: dict[str, tuple[int, str]] = {}
        """The type told last of each, with its position."""
        self.effects = 0
        self._seen: set[str] = set()

    def take(self, body: bytes) -> None:
        told: dict[str, Any] = msgspec.json.decode(body)
        if told["id"] in self._seen:
            return
        self._seen.add(told["id"])
        self.effects += 1
        alert, place = told["data"]["alert_id"], (told["data"]["position"], told["type"])
        self.alerts[alert] = max(self.alerts.get(alert, place), place)


def bodies(number: int, chance: random.Random) -> list[bytes]:
    """By position."""
    alerts = [_id(chance) for _ in range(max(1, number // MESSAGES_OF_AN_ALERT))]
    return [
        cloud_event(
            Message(
                territory="FR-34",
                message_id=_id(chance),
                agency="ccas-montpellier",
                type=chance.choice(TYPES),
                subject_id=chance.choice(alerts),
                pathway=None,
                position=position,
                created_at=NOW,
            ),
            PUBLIC_URL,
        )
        for position in range(1, number + 1)
    ]


def campaign(deliveries: int, seed: int) -> Figures:
    """Half of the deliveries are repetitions."""
    chance = random.Random(seed)  # noqa: S311 (a course that can be run again)
    told = bodies(deliveries // 2, chance)
    should, does = Receiver(), Receiver()
    for body in told:
        should.take(body)
    came = told + chance.choices(told, k=len(told))
    chance.shuffle(came)
    for body in came:
        does.take(body)
    return Figures(
        deliveries=len(came),
        messages=len(told),
        effects=does.effects,
        astray=sum(does.alerts[alert] != place for alert, place in should.alerts.items()),
    )


def _id(chance: random.Random) -> UUID:
    return UUID(int=chance.getrandbits(128))


def main(deliveries: int = 100_000, seed: int = 1) -> int:
    found = campaign(deliveries, seed)
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    return 0 if not found.astray and found.effects == found.messages else 1


if __name__ == "__main__":
    sys.exit(main(*(int(each) for each in sys.argv[1:])))
