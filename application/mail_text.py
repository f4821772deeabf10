"""What mails say, in French and in English: generic words, numbers, and links made of identifiers. Nothing else."""

from collections.abc import Iterator, Mapping
from html import escape
from uuid import UUID

import msgspec

from application.mail import MailKind, MailLanguage
from application.mail_content import Content, News, Waiting


class Part(msgspec.Struct, frozen=True):
    """A sentence, and what it leads to."""

    text: str
    links: tuple[tuple[str, str], ...] = ()
    """What each is called, and its address."""


class Letter(msgspec.Struct, frozen=True):
    """One mail, before it takes a form."""

    language: MailLanguage
    subject: str
    parts: tuple[Part, ...]


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What one language says. Where there are two, the first is of one, the second of {n} more."""

    subjects: Mapping[MailKind, str]
    greeting: str
    urgent: str
    digest: str
    on_one_pathway: tuple[str, str]
    news: Mapping[News, str]
    """Of an alert to look at: what its link is called."""
    counts: Mapping[News, tuple[str, str]]
    more: tuple[str, str]
    """{n} alerts have no link here."""
    held_back: tuple[str, str]
    """{n} wait, of {max} at most."""
    inbox: str
    nothing_personal: str
    code: str
    not_asked: str
    unsubscribe: str


FRENCH = Words(
    subjects={
        MailKind.CODE: "Unisson : confirmez cette adresse",
        MailKind.URGENT: "Unisson : un message urgent vous attend",
        MailKind.DIGEST: "Unisson : des messages vous attendent",
    },
    greeting="Bonjour,",
    urgent="Un message urgent vous attend.",
    digest="Voici ce qui attend votre service.",
    on_one_pathway=("1 écart sur un parcours", "{n} écarts sur un même parcours"),
    news={
        News.RAISED: "Nouvelle alerte",
        News.REOPENED: "Alerte rouverte",
        News.ESCALATED: "Alerte restée sans réponse, transmise au niveau supérieur",
        News.WOKEN: "Alerte de retour après une mise en veille",
        News.WAIVER_ENDED: "Alerte de retour après une dérogation",
    },
    counts={
        News.WAIVED: ("1 alerte a fait l'objet d'une dérogation.", "{n} alertes ont fait l'objet d'une dérogation."),
        News.ANSWERED: ("Un service a répondu à 1 alerte.", "Des services ont répondu à {n} alertes."),
        News.CLEARED: ("1 alerte est close.", "{n} alertes sont closes."),
        News.SUMMARY: (
            "Des alertes ont été enregistrées sans message individuel : voyez la liste.",
            "Des alertes ont été enregistrées sans message individuel, en {n} fois : voyez la liste.",
        ),
        News.GLASS_BROKEN: (
            "Un accès exceptionnel à un parcours a été ouvert : il est à examiner.",
            "{n} accès exceptionnels à des parcours ont été ouverts : ils sont à examiner.",
        ),
        News.BUDGET_SPENT: (
            "Un utilisateur a été arrêté à la limite quotidienne de consultations : voyez le journal des accès.",
            "{n} utilisateurs ont été arrêtés à la limite quotidienne de consultations : voyez le journal des accès.",
        ),
        News.ERASED: (
            "Un parcours que votre service connaissait a été effacé : effacez aussi vos copies.",
            "{n} parcours que votre service connaissait ont été effacés : effacez aussi vos copies.",
        ),
        News.CHANNEL_DISABLED: (
            "Un point de réception ou une boîte aux lettres de votre service ne répondait plus : il est désactivé.",
            "{n} points de réception ou boîtes aux lettres de votre service ne répondaient plus : ils sont désactivés.",
        ),
    },
    more=("Et 1 autre alerte : voyez la liste.", "Et {n} autres alertes : voyez la liste."),
    held_back=(
        "1 autre alerte attend le prochain récapitulatif : vous en voulez {max} nouvelles par jour au plus.",
        "{n} autres alertes attendent le prochain récapitulatif : vous en voulez {max} nouvelles par jour au plus.",
    ),
    inbox="Tout ce qui attend votre service",
    nothing_personal="Ce courriel ne contient aucune donnée sur une personne : connectez-vous pour lire la suite.",
    code="Le code pour confirmer cette adresse : {code}. Il vaut un jour.",
    not_asked="Si vous n'attendiez pas ce courriel, ne faites rien : rien d'autre ne sera envoyé ici.",
    unsubscribe="Ne plus recevoir ces courriels",
)

ENGLISH = Words(
    subjects={
        MailKind.CODE: "Unisson: confirm this address",
        MailKind.URGENT: "Unisson: an urgent message is waiting",
        MailKind.DIGEST: "Unisson: messages are waiting",
    },
    greeting="Hello,",
    urgent="An urgent message is waiting.",
    digest="This is what waits for your service.",
    on_one_pathway=("1 item out of step on one pathway", "{n} items out of step on one pathway"),
    news={
        News.RAISED: "New alert",
        News.REOPENED: "Alert reopened",
        News.ESCALATED: "Alert left unanswered, passed to the next level",
        News.WOKEN: "Alert back after having been put off",
        News.WAIVER_ENDED: "Alert back after a waiver",
    },
    counts={
        News.WAIVED: ("1 alert was waived.", "{n} alerts were waived."),
        News.ANSWERED: ("A service answered 1 alert.", "Services answered {n} alerts."),
        News.CLEARED: ("1 alert is closed.", "{n} alerts are closed."),
        News.SUMMARY: (
            "Alerts were recorded without a message of their own: see the list.",
            "Alerts were recorded without a message of their own, {n} times: see the list.",
        ),
        News.GLASS_BROKEN: (
            "Somebody broke the glass on a pathway: it is to be reviewed.",
            "The glass was broken on pathways {n} times: to be reviewed.",
        ),
        News.BUDGET_SPENT: (
            "A user was stopped at the daily limit of persons looked at: see the log of accesses.",
            "{n} users were stopped at the daily limit of persons looked at: see the log of accesses.",
        ),
        News.ERASED: (
            "A pathway that your service knew of was erased: erase your copies too.",
            "{n} pathways that your service knew of were erased: erase your copies too.",
        ),
        News.CHANNEL_DISABLED: (
            "A webhook endpoint or mailbox of your service no longer answered: it is disabled.",
            "{n} webhook endpoints or mailboxes of your service no longer answered: they are disabled.",
        ),
    },
    more=("And 1 more alert: see the list.", "And {n} more alerts: see the list."),
    held_back=(
        "1 more alert waits for the next digest: you asked for {max} new alerts a day at most.",
        "{n} more alerts wait for the next digest: you asked for {max} new alerts a day at most.",
    ),
    inbox="All that waits for your service",
    nothing_personal="This mail holds no data about anybody: sign in to read on.",
    code="The code to confirm this address: {code}. It is good for a day.",
    not_asked="If you did not expect this mail, do nothing: nothing else will be sent here.",
    unsubscribe="Stop receiving these mails",
)

WORDS: Mapping[MailLanguage, Words] = {MailLanguage.FR: FRENCH, MailLanguage.EN: ENGLISH}


def letter_of(
    kind: MailKind, content: Content, language: MailLanguage, *, daily_max: int, address: str, unsubscribe: str
) -> Letter:
    """`address` is where this service is reached, `unsubscribe` the link of this mailbox."""
    words = WORDS[language]
    parts = (
        Part(words.greeting),
        Part(words.urgent if kind is MailKind.URGENT else words.digest),
        *(_pathway(waiting, words, address) for waiting in content.pathways),
        *(Part(_counted(words.counts[news], count)) for news, count in content.counts.items()),
        *_what_is_not_shown(content, words, daily_max),
        Part(words.nothing_personal, ((words.inbox, f"{address}/v1/inbox"), (words.unsubscribe, unsubscribe))),
    )
    return Letter(language, words.subjects[kind], parts)


def code_letter(code: str, language: MailLanguage) -> Letter:
    words = WORDS[language]
    sentences = (words.greeting, words.code.format(code=code), words.not_asked)
    return Letter(language, words.subjects[MailKind.CODE], tuple(map(Part, sentences)))


def as_text(letter: Letter) -> str:
    return "\n\n".join(_text_part(part) for part in letter.parts) + "\n"


def as_html(letter: Letter) -> str:
    """Of headings, paragraphs and lists alone: nothing is said by colour or place, nothing is fetched."""
    title = escape(letter.subject)
    body = "\n".join(line for part in letter.parts for line in _html_part(part))
    return (
        f'<!doctype html>\n<html lang="{letter.language.value}">\n'
        '<head><meta charset="utf-8"><meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title></head>\n"
        f"<body>\n<h1>{title}</h1>\n{body}\n</body>\n</html>\n"
    )


def _pathway(waiting: tuple[Waiting, ...], words: Words, address: str) -> Part:
    links = tuple((words.news[each.news], alert_address(address, each.alert_id)) for each in waiting)
    return Part(_counted(words.on_one_pathway, len(waiting)), links)


def alert_address(address: str, alert_id: UUID) -> str:
    return f"{address}/v1/alerts/{alert_id}"


def _what_is_not_shown(content: Content, words: Words, daily_max: int) -> Iterator[Part]:
    if content.more:
        yield Part(_counted(words.more, content.more))
    if content.held_back:
        yield Part(_counted(words.held_back, content.held_back, max=daily_max))


def _counted(forms: tuple[str, str], n: int, **more: int) -> str:
    return forms[n > 1].format(n=n, **more)


def _text_part(part: Part) -> str:
    return "\n".join([part.text, *(f"- {name}\n  {address}" for name, address in part.links)])


def _html_part(part: Part) -> Iterator[str]:
    yield f"<p>{escape(part.text)}</p>"
    if part.links:
        items = (f'<li><a href="{escape(address)}">{escape(name)}</a></li>' for name, address in part.links)
        yield "<ul>" + "".join(items) + "</ul>"
