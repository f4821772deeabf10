"""What of an identity is hashed into the person index: always several fields together, in a form that slips spare.

Pure. A change here changes what is found: raise the version of the person index with it.
"""

import re
import unicodedata
from collections.abc import Mapping
from datetime import date
from enum import StrEnum

import msgspec


class Kind(StrEnum):
    """Which fields agree, the surest first."""

    EXACT = "exact"  # Given and family name, in either order, and birth date.
    PHONE = "phone"  # Phone number and birth date.
    EMAIL = "email"  # E-mail address and birth date.
    SOUND = "sound"  # How the family name sounds, first letter of the given name, birth date.


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    given_name: str | None = None
    family_name: str | None = None
    birth_date: date | None = None
    phone: str | None = None
    email: str | None = None


def terms_of(identity: Identity) -> Mapping[Kind, str]:
    """One text per kind that the identity has all the fields of; without a birth date there is none."""
    if identity.birth_date is None:
        return {}
    given, family = letters(identity.given_name), letters(identity.family_name)
    phone, email = digits(identity.phone), address(identity.email)
    born = identity.birth_date.isoformat()
    terms = {}
    if given and family:
        terms[Kind.EXACT] = " ".join(sorted((given, family)))
        terms[Kind.SOUND] = f"{sound(family)} {given[0]}"
    if phone:
        terms[Kind.PHONE] = phone
    if email:
        terms[Kind.EMAIL] = email
    return {kind: f"{kind} {term} {born}" for kind, term in terms.items()}


def letters(name: str | None) -> str:
    """Letters alone, without accents, in lower case: « Lefèvre-Œuf » gives lefevreoeuf."""
    opened = (name or "").casefold().replace("œ", "oe").replace("æ", "ae")
    plain = unicodedata.normalize("NFKD", opened)
    return "".join(letter for letter in plain if letter.isalpha())


def digits(phone: str | None) -> str:
    """The number as dialled in France; a foreign one with its country code."""
    kept = re.sub(r"[^0-9+]", "", unicodedata.normalize("NFKC", phone or ""))
    return re.sub(r"^(\+33|0033)0?", "0", kept)


def address(email: str | None) -> str:
    return unicodedata.normalize("NFKC", email or "").strip().casefold()


SOUNDS = tuple(
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"ph", "f"),
        (r"sch|sh", "ch"),
        (r"h(?<!ch)", ""),
        (r"ou", "u"),
        (r"(?<=u)ill?", "y"),
        (r"eaux?|aux?(?=[lt]|$)|au", "o"),
        (r"qu", "k"),
        (r"g(?=[eiy])", "j"),
        (r"gu(?=[eiy])", "g"),
        (r"c(?=[eiy])", "s"),
        (r"ch", "x"),
        (r"c[kq]?|q", "k"),
        (r"w", "v"),
        (r"b(?=v)", ""),
        (r"y", "i"),
        (r"ain|ein|eim|aim|in(?![aeiou])|im(?=[bp])", "1"),
        (r"[ae]n(?![aeioun])|[ae]m(?=[bp])", "2"),
        (r"ai|ei|e[rz]$|et$|ee$", "e"),
        (r"z", "s"),
        (r"(.)\1+", r"\1"),
        (r"(?<=o)l[dts]+$", ""),
        (r"(?<=.)[dtsxp]+$", ""),
        (r"(?<=.)e$", ""),
        (r"(?<=.)[dtsxp]+$", ""),
        (r"(.)\1+", r"\1"),
    )
)


def sound(name: str) -> str:
    """How a family name sounds in French, roughly: names that sound alike agree. Takes what `letters` gives."""
    heard = name
    for pattern, replacement in SOUNDS:
        heard = pattern.sub(replacement, heard)
    return heard
