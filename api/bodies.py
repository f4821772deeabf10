"""Request bodies: strict JSON, refused with the place of what is wrong. Nothing is coerced, nothing ignored."""

import json
import re
from typing import Any, Generic, NoReturn, TypeVar

import msgspec

from api.limits import Limits, read_body
from api.request import ApiRequest
from api.text_form import TooManyMarks, composed
from domain.errors import DomainError

T = TypeVar("T")

BYTES_PER_REQUEST = 4096
"""What a body costs its key, beside the request itself: the time it takes grows with its size."""
JSON_TYPES = frozenset({"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"})
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.DOTALL)
"""One that is never closed goes to the end: otherwise each of its quotes would be tried in turn."""
ALIKE = bytes.maketrans(b"{}", b"[]")
NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")


class UnsupportedMediaType(DomainError):
    """The body must be JSON (Content-Type: application/json), in UTF-8, without Content-Encoding."""

    code = "unsupported_media_type"
    status = 415
    title_fr = "Le corps doit être du JSON (Content-Type: application/json), en UTF-8, sans Content-Encoding."


class MalformedJson(DomainError):
    """The body is not well-formed JSON."""

    code = "malformed_json"
    status = 400
    title_fr = "Le corps n'est pas du JSON bien formé."


class TooDeep(DomainError):
    """The body is nested too deeply."""

    code = "too_deep"
    status = 400
    title_fr = "Le corps est imbriqué trop profondément."


class TooComplex(DomainError):
    """The body holds too many objects, lists or values."""

    code = "too_complex"
    status = 400
    title_fr = "Le corps contient trop d'objets, de listes ou de valeurs."


class DuplicateName(DomainError):
    """An object of the body has the same name twice."""

    code = "duplicate_name"
    status = 400
    title_fr = "Un objet du corps contient deux fois le même nom."


class NulCharacter(DomainError):
    """The body contains a NUL character."""

    code = "nul_character"
    status = 400
    title_fr = "Le corps contient un caractère nul."


class UnknownField(DomainError):
    """The body has a field that is not known here."""

    code = "unknown_field"
    status = 400
    title_fr = "Le corps contient un champ inconnu ici."


class InvalidBody(DomainError):
    """The body does not have the expected form."""

    code = "invalid_body"
    status = 422
    title_fr = "Le corps n'a pas la forme attendue."


class BodyReader(Generic[T]):
    """Reads bodies of one type. Made once per route."""

    def __init__(self, type_: type[T]) -> None:
        self._decoder = msgspec.json.Decoder(type_)

    async def read(self, request: ApiRequest) -> tuple[T, bytes]:
        """The body and its bytes. Refuses, in this order: its type, its size, its form, its content."""
        must_be_json(request)
        limits = request.runtime.limits
        raw = await read_body(request.receive, request.header("content-length"), limits)
        request.runtime.rates.take(request.user.key_id, cost=len(raw) // BYTES_PER_REQUEST)
        raw = well_formed(raw, limits)
        return self.decode(raw), raw

    def decode(self, raw: bytes) -> T:
        try:
            return self._decoder.decode(raw)
        except msgspec.ValidationError as error:
            refuse(error)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ValueError):
            raise MalformedJson from None


def must_be_json(request: ApiRequest) -> None:
    """A browser can post other types across sites without asking; compressed bodies hide their size."""
    content_type = (request.header("content-type") or "").strip().lower()
    if content_type not in JSON_TYPES or request.header("content-encoding") is not None:
        raise UnsupportedMediaType


def well_formed(raw: bytes, limits: Limits) -> bytes:
    """A body that may be decoded, its text in one form. Composed first: two forms of a name are that name twice."""
    try:
        raw = composed(raw)
    except TooManyMarks:
        raise TooComplex("A letter of the body carries too many combining marks.") from None
    except UnicodeDecodeError:
        raise MalformedJson from None
    check_form(raw, limits)
    return raw


def check_form(raw: bytes, limits: Limits) -> None:
    """Refuse what a decoder would let through or trip over: too many levels or parts, a name twice, NUL."""
    brackets = b""
    if raw.count(b"[") + raw.count(b"{") > limits.nesting:
        brackets = STRING.sub(b"", raw).translate(ALIKE, NO_BRACKETS)
    if brackets.count(b"[") > limits.parts:
        raise TooComplex
    if raw.count(b",") > limits.values and STRING.sub(b"", raw).count(b",") > limits.values:
        raise TooComplex
    if NUL.search(raw):
        raise NulCharacter
    try:
        # Its recursion is bounded. Numbers stay text: a million digits cost nothing here.
        FORM.decode(raw.decode())
    except RecursionError:
        raise TooDeep from None
    except ValueError:
        raise MalformedJson from None
    if is_deeper(brackets, limits.nesting):
        raise TooDeep


def _without_duplicates(pairs: list[tuple[str, Any]]) -> None:
    if len(dict(pairs)) < len(pairs):
        raise DuplicateName


FORM = json.JSONDecoder(object_pairs_hook=_without_duplicates, parse_int=str, parse_float=str)


def is_deeper(brackets: bytes, levels: int) -> bool:
    """Whether well-formed brackets go deeper. Each turn takes the innermost level away, all at once."""
    for _ in range(levels):
        brackets = brackets.replace(b"[]", b"")
    return bool(brackets)


FAULTS: tuple[tuple[str, str, str], ...] = (
    # What msgspec says, the code we give it, the French for people. Values that were sent are never repeated.
    ("Object missing required field", "missing_field", "Champ obligatoire absent."),
    ("Object contains unknown field", "unknown_field", "Champ inconnu."),
    ("Invalid enum value", "unknown_value", "Valeur inconnue."),
    ("Invalid value", "unknown_value", "Valeur inconnue."),
    ("Invalid UUID", "wrong_format", "Identifiant UUID attendu."),
    ("Invalid RFC3339 encoded datetime", "wrong_format", "Date et heure avec décalage attendues, au format RFC 3339."),
    ("Invalid RFC3339", "wrong_format", "Date attendue, AAAA-MM-JJ."),
    ("Expected `datetime` with a timezone", "wrong_format", "Le décalage horaire est obligatoire."),
    ("matching regex", "wrong_format", "Format inattendu."),
    ("of length", "wrong_length", "Longueur hors limites."),
    (" >", "out_of_range", "Valeur hors limites."),
    (" <", "out_of_range", "Valeur hors limites."),
    ("got `", "wrong_type", "Type inattendu."),
    ("exactly one of since and after_position", "invalid_value", "Dites `since` ou `after_position`, l'un des deux."),
)
FIELD = re.compile(r"field `([A-Za-z0-9_]{1,64})`")


def refuse(error: msgspec.ValidationError) -> NoReturn:
    """Raise the refusal that says where the body is wrong."""
    fault = explain(error)
    raise (UnknownField if fault[1] == "unknown_field" else InvalidBody)(faults=[fault])


def explain(error: msgspec.ValidationError) -> tuple[str, str, str, str]:
    """(pointer, code, English, French) of what msgspec found wrong."""
    said, _, path = str(error).partition(" - at `")
    code, french = next(
        ((code, french) for sign, code, french in FAULTS if sign in said), ("invalid_value", "Valeur invalide.")
    )
    pointer = pointer_of(path.rstrip("`"))
    field = FIELD.search(said)
    if field and code in {"missing_field", "unknown_field"}:
        pointer += f"/{field[1]}"
    english = said.partition(" '")[0] if code == "unknown_value" else FIELD.sub("field", said)
    return pointer, code, english, french


def pointer_of(path: str) -> str:
    """`$.needs[0].theme` as the JSON pointer `/needs/0/theme`. Names of a free mapping stand as `-`."""
    return "".join(
        f"/{name or index or '-'}" for name, index in re.findall(r"\.([A-Za-z0-9_]+)|\[(\d*|\.\.\.)\]", path)
    ).replace("/...", "/-")
