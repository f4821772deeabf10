"""What services and rules are called in the answer to a person, who knows no short name."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from application.agency_roll import agencies_of
from application.event_log import EventLog
from application.rulebooks import Rulebooks
from application.rules_listed import listed
from domain.rules.sentence import sentence_of

PLAIN = {"[": "(", "]": ")", "≠": "autre que", " = ": " : "}


class Names(msgspec.Struct, frozen=True, kw_only=True):
    """By short name. What has none here is shown by its short name."""

    agencies: Mapping[str, str] = MappingProxyType({})
    rules: Mapping[str, str] = MappingProxyType({})
    """What each expects, as a sentence in French: of its latest version."""


async def names_in(territory: str, log: EventLog, rulebooks: Rulebooks) -> Names:
    rulebook = await rulebooks.read(territory)
    rules = [each.rule for each in listed(rulebooks.rules.shipped, rulebook.versions.values())]
    return Names(
        agencies={agency.slug: agency.description.name for agency in await agencies_of(log, territory)},
        rules={rule.slug: _plain(sentence_of(rule, "fr")) for rule in rules},
    )


def _plain(sentence: str) -> str:
    for sign, words in PLAIN.items():
        sentence = sentence.replace(sign, words)
    return sentence
