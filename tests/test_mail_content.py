"""What a mail is made of, and what it says: grouped, rationed, in two languages, and never about anybody."""

import re
import string
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from uuid import UUID, uuid4

import pytest

from application.mail import MailKind, MailLanguage
from application.mail_content import LINKS_MAX, NEWS, TO_LOOK_AT, Content, News, choose, choose_urgent, content_of
from application.mail_text import WORDS, Letter, as_html, as_text, code_letter, letter_of
from application.message_types import MESSAGE_TYPES
from application.messages import Message

NOON = datetime(2026, 3, 3, 12, tzinfo=UTC)
ADDRESS = "https://unisson.example"
LINK = f"{ADDRESS}/unsubscribe/token"


def message(
    name: str = "alert.raised",
    position: int = 1,
    *,
    alert: UUID | None = None,
    pathway: UUID | None = None,
    severity: str | None = "warning",
) -> Message:
    return Message(
        territory="FR-34",
        message_id=uuid4(),
        agency="ccas",
        type=f"unisson.{name}.v1",
        subject_id=alert or uuid4(),
        pathway=pathway,
        position=position,
        created_at=NOON + timedelta(minutes=position),
        severity=severity,
        urgent=severity == "critical",
    )


def letter(content: Content, language: MailLanguage = MailLanguage.FR, kind: MailKind = MailKind.DIGEST) -> Letter:
    return letter_of(kind, content, language, daily_max=20, address=ADDRESS, unsubscribe=LINK)


def ids_in(text: str) -> set[str]:
    return set(re.findall(r"[0-9a-f]{8}-[0-9a-f-]{27}", text))


def test_alerts_of_one_pathway_stand_together_without_the_pathway() -> None:
    pathway = uuid4()
    told = [message(position=n, pathway=pathway) for n in range(3)]
    said = as_text(letter(content_of(told)))
    assert said.count("3 écarts sur un même parcours") == 1
    assert ids_in(said) == {str(each.subject_id) for each in told}


def test_notices_are_never_brought_together() -> None:
    """Two that are about one pathway would tell an outsider so."""
    said = as_text(letter(content_of([message(position=1), message(position=2)])))
    assert said.count("1 écart sur un parcours") == 2


def test_an_alert_that_was_raised_and_cleared_in_the_meantime_is_cleared() -> None:
    alert = uuid4()
    found = content_of([message(alert=alert), message("alert.cleared", 2, alert=alert)])
    assert found == Content((), {News.CLEARED: 1})


def test_a_digest_tells_the_gravest_first_then_the_oldest_and_leaves_the_rest_to_the_next() -> None:
    old, grave = message(position=1), message(position=9, severity="warning")
    slight = message(position=2, severity="info")
    younger = message(position=5)
    found = choose([slight, younger, grave, old], 3)
    assert set(found.taken) == {old.message_id, younger.message_id, grave.message_id}
    assert found.held_back == 1
    again = choose([slight], 3)
    assert (again.taken, again.held_back) == ((slight.message_id,), 0)


def test_what_is_critical_and_what_is_over_is_not_rationed() -> None:
    critical = [message(position=n, severity="critical") for n in range(5)]
    cleared = [message("alert.cleared", n) for n in range(10, 15)]
    found = choose([*critical, *cleared, message(position=20)], 1)
    assert len(found.taken) == 11
    assert found.held_back == 0


def test_the_ration_is_of_alerts_not_of_messages() -> None:
    alert = uuid4()
    twice = [message(position=1, alert=alert), message("alert.reopened", 2, alert=alert)]
    found = choose([*twice, message(position=3)], 1)
    assert set(found.taken) == {each.message_id for each in twice}
    assert found.held_back == 1


def test_what_would_only_be_noise_is_left_out() -> None:
    noise = [message("alert.acknowledged"), message("alert.disputed"), message("webhook.test")]
    assert choose(noise, 20).passed == tuple(each.message_id for each in noise)
    assert not content_of(noise)


def test_a_critical_alert_that_is_over_interrupts_nobody() -> None:
    alert, open_one = uuid4(), message(position=3, severity="critical")
    over = [
        message(alert=alert, severity="critical"),
        message("alert.cleared", 2, alert=alert, severity="critical"),
    ]
    taken, later = choose_urgent([*over, open_one])
    assert taken == (open_one.message_id,)
    assert set(later) == {each.message_id for each in over}


def test_after_a_storm_a_mail_stays_short_and_says_how_much_it_leaves_out() -> None:
    pathway = uuid4()
    told = [message(position=n, pathway=pathway, severity="critical") for n in range(LINKS_MAX + 40)]
    said = as_text(letter(content_of(told)))
    assert len(ids_in(said)) == LINKS_MAX
    assert "Et 40 autres alertes : voyez la liste." in said
    assert len(as_html(letter(content_of(told)))) < 30_000


def test_the_limit_is_told_with_what_it_keeps_back() -> None:
    said = as_text(letter(Content((), {News.CLEARED: 1}, held_back=12)))
    assert "12 autres alertes attendent le prochain récapitulatif" in said
    assert "20" in said


@pytest.mark.parametrize("kind", [MailKind.URGENT, MailKind.DIGEST])
def test_both_languages_say_the_same_of_the_same(kind: MailKind) -> None:
    """Same links in the same order, same numbers."""
    pathway = uuid4()
    told = [message(name, n, pathway=pathway) for n, name in enumerate(sorted(NEWS))]
    content = content_of(told, held_back=7)
    french, english = (letter(content, language, kind) for language in MailLanguage)
    assert [[link for _, link in part.links] for part in french.parts] == [
        [link for _, link in part.links] for part in english.parts
    ]
    assert [re.findall(r"\d+", part.text) for part in french.parts] == [
        re.findall(r"\d+", part.text) for part in english.parts
    ]
    assert all(a.text != b.text for a, b in zip(french.parts, english.parts, strict=True))


def test_every_kind_of_news_has_its_words_in_both_languages() -> None:
    for words in WORDS.values():
        assert words.news.keys() == TO_LOOK_AT
        assert words.counts.keys() == set(News) - TO_LOOK_AT
        assert words.subjects.keys() == set(MailKind)


def test_all_that_is_written_about_is_a_type_that_is_told() -> None:
    assert NEWS.keys() <= {each.name for each in MESSAGE_TYPES}


class Read(HTMLParser):
    """What a screen reader is given."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= dict(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize("language", MailLanguage)
def test_the_page_is_plain_and_says_its_language(language: MailLanguage) -> None:
    read = Read(as_html(letter(content_of([message()]), language)))
    assert read.attributes["lang"] == language.value
    assert read.tags.count("h1") == 1
    assert "title" in read.tags
    assert not {"img", "style", "script", "table", "font", "iframe", "form"} & set(read.tags)
    assert not {"style", "color", "src", "onclick"} & read.attributes.keys()


def test_text_and_page_lead_to_the_same_places() -> None:
    written = letter(content_of([message(position=n) for n in range(3)]))
    links = {link for part in written.parts for _, link in part.links}
    assert all(link in as_text(written) and link in as_html(written) for link in links)


def test_a_page_closes_what_an_address_might_open() -> None:
    content = content_of([message()])
    written = letter_of(
        MailKind.DIGEST, content, MailLanguage.EN, daily_max=20, address='https://x/"><script>', unsubscribe=LINK
    )
    assert "<script>" not in as_html(written)


def test_the_mail_with_the_code_holds_nothing_else() -> None:
    said = as_text(code_letter("01234567", MailLanguage.EN))
    assert "01234567" in said
    assert "http" not in said


def test_words_hold_no_place_for_anything_but_numbers_and_the_code() -> None:
    """Whatever is added later, nothing about a person can be put there."""
    allowed = {"n", "max", "code"}
    for words in WORDS.values():
        texts = [*words.news.values(), *words.subjects.values(), *words.on_one_pathway]
        texts += [*words.held_back, *words.more]
        texts += [form for forms in words.counts.values() for form in forms]
        texts += [words.greeting, words.urgent, words.digest, words.inbox, words.code, words.nothing_personal]
        named = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        assert named <= allowed
