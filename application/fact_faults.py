"""What is wrong with the form of a fact, in both languages. What was written is never repeated: it may be a name."""

import re
from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from domain.facts import FactState, Precision


class Fault(NamedTuple):
    en: str
    fr: str
    name: str | None = None
    """The field at fault."""


_TEXT = "a text", "un texte"
_WHOLE = "a whole number", "un nombre entier"
_FLAG = "true or false", "« true » (oui) ou « false » (non)"
_FIELDS = "an object", "un ensemble de champs"


def _one_of(names: Iterable[str]) -> tuple[str, str]:
    known = ", ".join(names)
    return f"one of {known}", f"parmi : {known}"


_EXPECTED = {
    "pathway": _TEXT,
    "fact_id": _TEXT,
    "type": _TEXT,
    "start": _TEXT,
    "end": _TEXT,
    "agency": _TEXT,
    "actor": _TEXT,
    "territory": _TEXT,
    "recorded_at": _TEXT,
    "precision": _one_of(Precision),
    "state": _one_of(FactState),
    "attrs": _FIELDS,
    "position": _WHOLE,
    "retracted": _FLAG,
}
_PLACE = re.compile(r" - at `\$\.([a-z_]+)")
_MISSING = re.compile(r"missing required field `([a-z_]+)`")
_BYTE = re.compile(r"\(byte (\d+)\)")


def fault_of(error: Exception) -> Fault:
    """In words of ours: those of a decoder quote what was written."""
    if isinstance(error, RecursionError):
        return Fault("nested too deeply.", "les valeurs sont imbriquées trop profondément.")
    said = str(error)
    if not isinstance(error, msgspec.ValidationError):
        byte = _BYTE.search(said)
        en, fr = ("", "") if byte is None else (f" (byte {byte[1]})", f" (octet {byte[1]})")
        return Fault(f"this is not JSON{en}.", f"ce n'est pas du JSON{fr}.")
    missing = _MISSING.search(said)
    if missing is not None:
        return missing_or_empty(missing[1])
    place = _PLACE.search(said)
    if place is None or place[1] not in _EXPECTED:
        return Fault("an object is expected.", "un objet JSON est attendu.")
    name = place[1]
    en, fr = _EXPECTED[name]
    return Fault(f"`{name}` is not {en}.", f"`{name}` n'est pas {fr}.", name)


def missing_or_empty(name: str) -> Fault:
    return Fault(f"`{name}` is missing or empty.", f"`{name}` manque ou est vide.", name)


def given_twice(names: list[str]) -> Fault:
    """The key is named when it is one of a fact's own."""
    twin = next(name for name in names if names.count(name) > 1)
    if twin in _EXPECTED:
        return Fault(f"`{twin}` is given twice.", f"`{twin}` est donné deux fois.", twin)
    return Fault("a key is given twice.", "un champ est donné deux fois.")


def not_a_date(name: str) -> Fault:
    return Fault(
        f"`{name}` is neither YYYY-MM-DD nor an RFC 3339 date and time.",
        f"`{name}` n'est ni AAAA-MM-JJ ni une date et heure RFC 3339.",
        name,
    )


END_BEFORE_START = Fault("`end` is before `start`.", "`end` est avant `start`.", "end")
OUT_OF_CALENDAR = Fault("a date is outside the years 1 to 9999.", "une date est hors des années 1 à 9999.")
