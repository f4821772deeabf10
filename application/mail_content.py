"""What one mail tells of: which messages it takes, and what remains of them once sorted for a reader.

Decided purely; a mail says that something waits, and where: never what it is about, nor about whom.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from uuid import UUID

import msgspec

from application.message_types import TYPE
from application.messages import Message


class News(StrEnum):
    """What a reader is told of one message."""

    RAISED = "raised"
    REOPENED = "reopened"
    ESCALATED = "escalated"
    WOKEN = "woken"
    WAIVER_ENDED = "waiver_ended"
    WAIVED = "waived"
    ANSWERED = "answered"
    CLEARED = "cleared"
    SUMMARY = "summary"
    GLASS_BROKEN = "glass_broken"
    BUDGET_SPENT = "budget_spent"
    ERASED = "erased"
    CHANNEL_DISABLED = "channel_disabled"


NEWS: Mapping[str, News] = {
    "alert.raised": News.RAISED,
    "alert.reopened": News.REOPENED,
    "alert.escalated": News.ESCALATED,
    "alert.woken": News.WOKEN,
    "alert.waiver-ended": News.WAIVER_ENDED,
    "alert.waived": News.WAIVED,
    "alert.answered": News.ANSWERED,
    "alert.cleared": News.CLEARED,
    "alerts.summary": News.SUMMARY,
    "glass.broken": News.GLASS_BROKEN,
    "access.budget-spent": News.BUDGET_SPENT,
    "person.erased": News.ERASED,
    "webhook.disabled": News.CHANNEL_DISABLED,
    "mailbox.disabled": News.CHANNEL_DISABLED,
}
"""By the name of the message's type. What is not here is not written about: it would only be noise in a mailbox."""

TO_LOOK_AT = frozenset({News.RAISED, News.REOPENED, News.ESCALATED, News.WOKEN, News.WAIVER_ENDED})
"""An alert that waits for somebody: it has its link, and counts against the budget."""
PRESSING = TO_LOOK_AT | {News.GLASS_BROKEN}
OF_AN_ALERT = TO_LOOK_AT | {News.WAIVED, News.ANSWERED, News.CLEARED}

SEVERITIES = ("critical", "warning", "info")
"""The gravest first."""


LINKS_MAX = 100
"""To alerts, in one mail: after a storm the list is the better place."""


class Choice(msgspec.Struct, frozen=True):
    """What becomes of the messages that wait for a digest; those it does not name wait for the next one."""

    taken: tuple[UUID, ...]
    passed: tuple[UUID, ...]
    """Of no interest in a mail."""
    held_back: int
    """Alerts that wait for the next digest."""


class Waiting(msgspec.Struct, frozen=True):
    """An alert to look at."""

    alert_id: UUID
    news: News


class Content(msgspec.Struct, frozen=True):
    """What a mail tells of."""

    pathways: tuple[tuple[Waiting, ...], ...]
    """Alerts to look at, those of one pathway together. An alert whose pathway is not for the reader stands alone."""
    counts: Mapping[News, int]
    """Of the rest."""
    held_back: int = 0
    """Alerts that wait for the next digest."""
    more: int = 0
    """Alerts to look at beyond those that a mail has links for."""

    def __bool__(self) -> bool:
        return bool(self.pathways or self.counts)


def news_of(message: Message) -> News | None:
    """None: of no interest in a mail."""
    named = TYPE.fullmatch(message.type)
    return NEWS.get(named["name"]) if named else None


def choose(messages: Sequence[Message], daily_max: int) -> Choice:
    """All that is told without a link, all that is critical, and of the alerts to look at `daily_max` at most.

    The gravest first, then the oldest.
    """
    told = [message for message in messages if news_of(message) is not None]
    passed = tuple(message.message_id for message in messages if news_of(message) is None)
    taken: list[Message] = []
    rationed: list[list[Message]] = []
    for subject in _by_subject(told):
        last = subject[-1]
        if news_of(last) in TO_LOOK_AT and not any(message.urgent for message in subject):
            rationed.append(subject)
        else:
            taken += subject
    rationed.sort(key=lambda subject: (_rank(subject[-1].severity), subject[0].created_at, subject[0].position))
    taken += [message for subject in rationed[:daily_max] for message in subject]
    return Choice(tuple(message.message_id for message in taken), passed, len(rationed[daily_max:]))


def choose_urgent(messages: Iterable[Message]) -> tuple[tuple[UUID, ...], tuple[UUID, ...]]:
    """Those that somebody must look at now, and those that can wait for the digest after all."""
    taken: list[UUID] = []
    later: list[UUID] = []
    for subject in _by_subject(messages):
        (taken if news_of(subject[-1]) in PRESSING else later).extend(message.message_id for message in subject)
    return tuple(taken), tuple(later)


def content_of(messages: Iterable[Message], held_back: int = 0) -> Content:
    """Of one alert only the last news counts: one that was raised and cleared in the meantime is cleared."""
    pathways: dict[UUID, list[Waiting]] = {}
    counts: Counter[News] = Counter()
    more = 0
    for subject in _by_subject(message for message in messages if news_of(message) is not None):
        last = subject[-1]
        news = news_of(last)
        assert news is not None
        if news in TO_LOOK_AT and sum(map(len, pathways.values())) == LINKS_MAX:
            more += 1
        elif news in TO_LOOK_AT:
            pathways.setdefault(last.pathway or last.subject_id, []).append(Waiting(last.subject_id, news))
        else:
            counts[news] += 1
    return Content(tuple(map(tuple, pathways.values())), dict(counts), held_back, more)


def _by_subject(messages: Iterable[Message]) -> list[list[Message]]:
    """The messages about one alert together, in order; any other message alone."""
    subjects: dict[UUID, list[Message]] = {}
    for message in sorted(messages, key=lambda message: (message.position, message.type, message.message_id)):
        key = message.subject_id if news_of(message) in OF_AN_ALERT else message.message_id
        subjects.setdefault(key, []).append(message)
    return list(subjects.values())


def _rank(severity: str | None) -> int:
    return SEVERITIES.index(severity) if severity in SEVERITIES else len(SEVERITIES)
