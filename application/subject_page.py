"""The answer to a person as a page in French, to read or to print. It stands alone: no script, no link."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, tzinfo
from enum import Enum
from html import escape
from typing import Any
from uuid import UUID

import msgspec

from application.subject_document import Document, Item, Line, Nature
from application.subject_names import Names
from application.subject_words import COMPARTMENTS, HIDDEN, PURPOSES, TITLES, name_of, word_for

STYLE = """
body{font-family:system-ui,sans-serif;line-height:1.5;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1b1b1b}
h1,h2{line-height:1.2}table{border-collapse:collapse;width:100%}td,th{border:1px solid #888;padding:.3rem .5rem;
text-align:left;vertical-align:top}.draft{border:3px solid #8a2300;padding:.5rem 1rem}.check{background:#ffe9a8}
.withheld{font-style:italic;color:#444}dt{font-weight:bold}article{border-top:1px solid #aaa;margin-top:1rem}
"""
ON_A_TELEPHONE = '<meta name="viewport" content="width=device-width, initial-scale=1">'
DRAFT = """
<p class="draft"><strong>Projet à vérifier, à ne pas remettre.</strong> Relisez chaque texte : retirez ce qui concerne
une autre personne. Les passages <span class="check">surlignés</span> en parlent peut-être.</p>"""
HELP = """
<p>Si quelque chose n'est pas clair, demandez au service qui vous accompagne de le lire avec vous.</p>"""
PURPOSE = """
<p>Elles servent à coordonner les services qui vous accompagnent : repérer ce qui manque ou tarde dans votre parcours,
et prévenir les services concernés. Aucune décision n'est prise par une machine : des règles écrites signalent un oubli,
une personne décide.</p>"""
RIGHTS = """
<h2>Vos droits</h2><p>Vous pouvez demander la correction de ce qui est faux, contester un enregistrement, faire limiter
l'utilisation de vos données, vous y opposer, ou demander leur effacement, auprès du service qui vous accompagne ou de
son délégué à la protection des données. Vous pouvez saisir la CNIL : 3 place de Fontenoy, TSA 80715, 75334 Paris Cedex
07, cnil.fr.</p>"""
WITHHELD = "passage retiré : il concerne une autre personne"


def page_of(document: Document, zone: tzinfo, names: Names | None = None) -> bytes:
    """UTF-8. Every value is escaped; times are those of the zone."""
    return "".join(Page(document, zone, names or Names()).parts()).encode()


class Page:
    """Writes one document."""

    def __init__(self, document: Document, zone: tzinfo, names: Names) -> None:
        self._document = document
        self._zone = zone
        self._names = names

    def parts(self) -> Iterator[str]:
        title = f"Vos données personnelles – parcours {escape(self._document.reference)}"
        yield "<!doctype html>\n"
        yield f'<html lang="fr"><head><meta charset="utf-8">{ON_A_TELEPHONE}'
        yield f"<title>{title}</title><style>{STYLE}</style></head><body>"
        yield f"<h1>{title}</h1>"
        if self._document.draft:
            yield DRAFT
        where, when = escape(self._document.territory), self._moment(self._document.known_at)
        yield f"<p>Voici tout ce que les services du territoire {where} ont enregistré à votre sujet dans Unisson, "
        yield f"tel que connu le {when} (article 15 du RGPD).</p>"
        yield HELP
        yield from self._identity()
        yield from self._about()
        yield from self._history(self._document.history)
        yield from self._alerts()
        yield from self._accesses()
        yield from self._rights()
        yield "</body></html>\n"

    def _identity(self) -> Iterator[str]:
        yield "<h2>Qui vous êtes</h2><dl>"
        for name, value in self._document.identity.items():
            yield f"<dt>{escape(name_of(name).capitalize())}</dt><dd>{self._value(value)}</dd>"
        yield "</dl>" if self._document.identity else "<dd>Rien n'est enregistré.</dd></dl>"

    def _about(self) -> Iterator[str]:
        kept = self._document.kept
        yield "<h2>À quoi servent ces données, et qui les a</h2>"
        yield PURPOSE
        yield "<p>Services qui ont connaissance de votre parcours, et qui ont donné ces données :</p><ul>"
        yield from (f"<li>{self._agency(agency)}</li>" for agency in self._document.agencies)
        yield "</ul><h2>Combien de temps elles sont gardées</h2>"
        yield f"<p>Dernier contact : {self._value(kept.last_contact)}. "
        if kept.archived_since is None:
            yield "Sans nouveau contact, elles seront archivées (gardées à part, sans servir) le "
            yield f"{self._value(kept.used_until)} "
        else:
            yield f"Elles sont archivées (gardées à part, sans servir) depuis le {self._value(kept.archived_since)} "
        yield f"et seront effacées à partir du {self._value(kept.erased_on)}.</p>"
        if kept.held:
            yield "<p>La loi impose pour l'instant de les conserver.</p>"
        if self._document.restricted:
            yield "<p>Leur utilisation est limitée : elles sont conservées, sans être utilisées.</p>"

    def _history(self, lines: Sequence[Line]) -> Iterator[str]:
        yield "<h2>Ce qui a été enregistré, dans l'ordre</h2>"
        for line in lines:
            title = escape(TITLES.get(line.type, line.type))
            yield f"<article><h3>{line.version}. {title}</h3><p>Enregistré le {self._moment(line.recorded_at)} par "
            yield f"{self._agency(line.agency)}.</p>"
            items = "".join(part for item in line.items for part in self._item(item))
            yield f"<dl>{items}</dl></article>" if items else "</article>"

    def _item(self, item: Item) -> Iterator[str]:
        if item.nature is Nature.FACT and item.field.endswith(HIDDEN):
            return
        yield f"<dt>{escape(name_of(item.field).capitalize())}</dt>"
        if item.withheld:
            yield f'<dd class="withheld">[{WITHHELD}]</dd>'
        elif item.value is None:
            yield '<dd class="withheld">[effacé]</dd>'
        elif item.field.endswith("agency"):
            yield f"<dd>{self._agency(item.value)}</dd>"
        else:
            yield f"<dd{' class=check' if item.to_check else ''}>{self._value(item.value)}</dd>"

    def _alerts(self) -> Iterator[str]:
        yield "<h2>Les signalements faits à votre sujet</h2>"
        if not self._document.alerts:
            yield "<p>Aucun.</p>"
            return
        yield _table("Ce qui est attendu", "Date", "État", "Services prévenus")
        for alert in self._document.alerts:
            state = "en cours" if alert.status == "open" else "levé"
            on = "" if alert.on is None else self._moment(alert.on)
            agencies = ", ".join(map(self._agency, alert.agencies))
            expected = escape(self._names.rules.get(alert.rule, alert.rule))
            yield f"<tr><td>{expected}</td><td>{on}</td><td>{state}</td><td>{agencies}</td></tr>"
        yield "</table>"

    def _accesses(self) -> Iterator[str]:
        yield "<h2>Qui a consulté ce qui vous nomme</h2>"
        if not self._document.accesses:
            yield "<p>Personne, sur la période conservée.</p>"
            return
        yield _table("Date", "Service", "Quoi", "Pour")
        for access in self._document.accesses:
            what = ", ".join(COMPARTMENTS.get(each, each) for each in access.compartments)
            why = PURPOSES.get(access.purpose, access.purpose) + (" (refusé)" if access.refused else "")
            yield f"<tr><td>{self._moment(access.at)}</td><td>{self._agency(access.agency)}</td><td>{escape(what)}</td>"
            yield f"<td>{escape(why)}</td></tr>"
        yield "</table>"

    def _rights(self) -> Iterator[str]:
        yield RIGHTS
        if self._document.contested:
            yield f"<p>Enregistrements que vous contestez actuellement : {len(self._document.contested)}.</p>"

    def _agency(self, slug: str) -> str:
        return escape(self._names.agencies.get(slug, slug))

    def _moment(self, at: datetime) -> str:
        return at.astimezone(self._zone).strftime("%d/%m/%Y à %H:%M")

    def _value(self, value: Any) -> str:
        """For people: dates as they are written in France, codes by their names, lists one after the other. Escaped."""
        match value:
            case bool():
                return "oui" if value else "non"
            case datetime():
                return self._moment(value)
            case date():
                return value.strftime("%d/%m/%Y")
            case Enum():
                return self._value(value.value)
            case UUID():
                return ""
            case str():
                return escape(word_for(value)).replace("\n", "<br>")
            case msgspec.Struct():
                parts = ((name, getattr(value, name)) for name in value.__struct_fields__ if not name.endswith(HIDDEN))
                return ", ".join(
                    f"{escape(name_of(name))} : {self._value(one)}" for name, one in parts if one is not None
                )
            case Mapping():
                return ", ".join(f"{escape(name_of(name))} : {self._value(one)}" for name, one in value.items())
            case list() | tuple():
                return " ; ".join(text for one in value if (text := self._value(one)))
            case _:
                return escape(str(value))


def _table(*heads: str) -> str:
    return "<table><tr>" + "".join(f'<th scope="col">{head}</th>' for head in heads) + "</tr>"
