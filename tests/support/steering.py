"""Rules published in a small territory that is followed: drafted, tried and published as two persons would."""

from typing import Any

import msgspec

from application.rulebooks import Order, Rulebooks
from application.rules_in_force import RulesInForce
from domain.rule_publication import (
    DraftRule,
    PublishRule,
    RetireRule,
    RulebookCommand,
    active_version,
)
from domain.rulebook import Difference
from tests.support.following import Territory
from tests.support.four_rules import four_rules
from tests.support.rulebooks import CLERK, LEAD, backtest


class Steering:
    """What the territory's staff do with its rules."""

    def __init__(self, place: Territory) -> None:
        self._place = place
        self.rulebooks = Rulebooks(place.log, place.clock, RulesInForce(four_rules()))

    async def draft(self, rule: dict[str, Any]) -> None:
        """With a stored backtest, compared with what is in force."""
        await self.act(DraftRule(document=rule))
        rulebook = await self.rulebooks.read(self._place.name)
        before = active_version(rulebook, rule["rule"], self.rulebooks.rules.shipped)
        tried = backtest(rule, difference=Difference(against=before, new=1, gone=0, same=0))
        await self.rulebooks.record_backtest(self._place.name, rule["rule"], rule["version"], tried, by=LEAD[0])

    async def publish(self, rule: dict[str, Any], *, active: bool = True) -> None:
        """Drafted by one, published by another."""
        if (rule["rule"], rule["version"]) not in (await self.rulebooks.read(self._place.name)).versions:
            await self.draft(rule)
        await self.act(PublishRule(slug=rule["rule"], version=rule["version"], active=active), CLERK)

    async def retire(self, slug: str, version: int | None = None) -> None:
        await self.act(RetireRule(slug=slug, version=version))

    async def act(self, command: RulebookCommand, who: tuple[str, str | None] = LEAD) -> None:
        agency, agent = who
        await self.rulebooks.carry_out(Order(territory=self._place.name, command=command, by=agency, agent=agent))


def shipped_document(slug: str, version: int, **changes: Any) -> dict[str, Any]:
    """A rule that comes with the product, under another version."""
    source = next(rule.source for rule in four_rules() if rule.slug == slug)
    return msgspec.to_builtins(dict(source)) | {"version": version} | changes  # type: ignore[no-any-return]
