"""The page on mail: its subjects, defaults, limits, states and waits are those of the code."""

import re

import pytest

from application.mail import (
    CODE_TRIES_MAX,
    CODES_MAX,
    DAILY_DEFAULT,
    MAILBOXES_MAX,
    Immediate,
    MailboxDisabled,
    MailboxStatus,
    MailKind,
    MailLanguage,
    MailState,
)
from application.mail_content import LINKS_MAX
from application.mail_text import WORDS
from application.messages import Audience
from domain.quiet_hours import WritingHours
from infrastructure.mail_metrics import DEAD_MAILS, MAIL_SECONDS, MAILS
from infrastructure.mail_queue import RETRY_AFTER, URGENT_APART, MailRetries
from infrastructure.mail_worker import SERVER_PAUSE, SERVER_PAUSE_MAX
from infrastructure.mailbox_seal import CODE_DIGITS
from infrastructure.monthly_forgetting import RETENTION
from infrastructure.smtp import Outcome
from tests.support.documents import DOCS, read

PAGE = read(DOCS / "reference" / "mail.md")
HOUR = 3600


@pytest.mark.parametrize("kind", MailKind)
def test_each_subject_is_on_the_page(kind: MailKind) -> None:
    subjects = ", ".join(f'"{WORDS[language].subjects[kind]}"' for language in MailLanguage)
    assert f"| `{kind.value}` | {subjects} |" in PAGE


def test_all_that_may_be_answered_is_on_the_page() -> None:
    words = [*Audience, *Immediate, *MailLanguage, *MailboxStatus, *MailboxDisabled]
    words += [MailState.SENT, MailState.WITHHELD, MailState.DEAD]
    assert [word for word in words if f"`{word.value}`" not in PAGE] == []


def test_the_defaults_are_those_of_a_mailbox() -> None:
    hours = WritingHours()
    assert f"| `daily_max` | {DAILY_DEFAULT} |" in PAGE
    assert f"| `digest_hour` | {hours.digest_hour} |" in PAGE
    assert f"| `quiet_from`, `quiet_until` | {hours.quiet_from}, {hours.quiet_until} |" in PAGE
    assert f"| `days` | {hours.days[0]} to {hours.days[-1]} |" in PAGE


def test_the_limits_are_those_that_are_kept() -> None:
    assert (CODE_DIGITS, CODE_TRIES_MAX, CODES_MAX, MAILBOXES_MAX) == (8, 5, 5, 20)
    assert "A code has eight digits, is good for a day and for five tries; five may be sent" in PAGE
    assert "An agency has twenty mailboxes at most" in PAGE
    assert f"A mail has {LINKS_MAX} links to alerts at most" in PAGE
    assert URGENT_APART.total_seconds() == 60
    assert f"mails are forgotten after {RETENTION.days} days" in PAGE


def test_the_waits_are_those_that_are_kept() -> None:
    found = re.search(r"again after ([\d, ]+) minutes, ([\d, and]+) hours", PAGE)
    assert found is not None
    minutes, hours = ([int(number) for number in re.findall(r"\d+", part)] for part in found.groups())
    seconds = [each * 60 for each in minutes] + [each * HOUR for each in hours]
    assert seconds == [wait.total_seconds() for wait in RETRY_AFTER]
    assert (
        f"after {SERVER_PAUSE.seconds} seconds, then ever later up to {SERVER_PAUSE_MAX.seconds // 60} minutes" in PAGE
    )
    assert f"`dead` after {MailRetries().lifetime.days} days" in PAGE


def test_the_metrics_and_their_outcomes_are_on_the_page() -> None:
    for metric in (MAILS, MAIL_SECONDS, DEAD_MAILS):
        assert f"`{next(iter(metric.describe())).name}" in PAGE
    outcomes = {outcome.name.lower() for outcome in Outcome} | {"withheld"}
    assert [outcome for outcome in sorted(outcomes) if f"`{outcome}`" not in PAGE] == []
