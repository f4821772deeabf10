"""Reads a plain mapping field by field, so that every refusal carries its path and no key is ever silently ignored."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar
from unicodedata import category

from domain.rules.complaints import Complaint, Said, name_of, shown
from domain.rules.refusal import RuleRefused

E = TypeVar("E", bound=StrEnum)

TEXT_MAX = 2_000
LINES = str.maketrans("\n\t", "  ")
MISSING = object()
MISSPELT = 0.75
"""How much alike, from 0 to 1, a key must be to stand for one that is missing: as much as `form` and `from`."""


class Fields:
    """The fields of one mapping. Take each one, then call `finish`: whatever is left is refused."""

    def __init__(self, raw: Any, path: str) -> None:
        if not isinstance(raw, Mapping):
            raise RuleRefused(path, Complaint.MAPPING_EXPECTED, given=name_of(raw))
        self.path = path
        self._raw = raw
        self._left = dict.fromkeys(raw)
        self._known: list[str] = []

    def at(self, name: str) -> str:
        return pointer(self.path, name)

    def __contains__(self, name: str) -> bool:
        return name in self._raw

    def take(self, name: str, default: Any = MISSING) -> Any:
        """The raw value. Without a default, its absence is refused; an explicit null reads as absence."""
        self._known.append(name)
        self._left.pop(name, None)
        value = self._raw.get(name)
        if value is not None:
            return value
        if default is MISSING:
            raise self._missing(name)
        return default

    def text(self, name: str, default: Any = MISSING) -> Any:
        value = self.take(name, default)
        return value if value is default else text(value, self.at(name))

    def prose(self, name: str) -> str:
        return prose(self.take(name), self.at(name))

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise RuleRefused(self.at(name), Complaint.FLAG_EXPECTED, given=name_of(value))
        return value

    def whole(self, name: str, default: Any, least: int, most: int) -> int:
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise RuleRefused(self.at(name), Complaint.WHOLE_EXPECTED, given=name_of(value))
        if not least <= value <= most:
            raise RuleRefused(self.at(name), Complaint.OUT_OF_RANGE, value=value, least=least, most=most)
        return value

    def choice(self, name: str, choices: type[E], default: Any = MISSING) -> E:
        value = self.take(name, default)
        return choice(value, choices, self.at(name))

    def refuse(self, name: str, complaint: Complaint, **said: Said) -> None:
        """Refuse a known key that does not apply here."""
        if name in self._raw:
            raise RuleRefused(self.at(name), complaint, **said)

    def _missing(self, name: str) -> RuleRefused:
        """A key that is written almost right is told apart from one that is not there."""
        close = get_close_matches(name, [key for key in self._left if isinstance(key, str)], 1, MISSPELT)
        if close:
            return RuleRefused(self.at(close[0]), Complaint.KEY_MISSPELT, key=close[0], close=name)
        return RuleRefused(self.path, Complaint.KEY_MISSING, key=name)

    def finish(self) -> None:
        for name in self._left:
            if not isinstance(name, str):
                raise RuleRefused(self.path, Complaint.KEY_NOT_TEXT, key=shown(name))
            close = get_close_matches(name, self._known, 1)
            if close:
                raise RuleRefused(self.at(name), Complaint.KEY_MISSPELT, key=name, close=close[0])
            raise RuleRefused(self.at(name), Complaint.KEY_UNKNOWN, key=name)


def pointer(path: str, name: str | int) -> str:
    """One step down a JSON pointer (RFC 6901)."""
    return f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}"


def text(value: Any, path: str) -> str:
    """On one line."""
    return without_controls(prose(value, path), path)


def prose(value: Any, path: str, most: int = TEXT_MAX) -> str:
    """On as many lines as its author likes."""
    if not isinstance(value, str):
        raise RuleRefused(path, Complaint.TEXT_EXPECTED, given=name_of(value))
    if not value.strip():
        raise RuleRefused(path, Complaint.TEXT_EMPTY)
    if len(value) > most:
        raise RuleRefused(path, Complaint.TEXT_TOO_LONG, most=most)
    without_controls(value.translate(LINES), path)
    return value


def without_controls(value: str, path: str) -> str:
    """The same; refused when it holds what a terminal might obey."""
    if not value.isprintable() and any(category(char) == "Cc" for char in value):
        raise RuleRefused(path, Complaint.TEXT_HOLDS_CONTROLS)
    return value


def choice(value: Any, choices: type[E], path: str) -> E:
    known = [member.value for member in choices]
    if not isinstance(value, str) or value not in known:
        raise RuleRefused(path, Complaint.NOT_ONE_OF, given=shown(value), known=", ".join(known))
    return choices(value)


def listed(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Items of a list with their paths; a single value reads as a list of one. An empty list is refused."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        yield value, path
        return
    if not value:
        raise RuleRefused(path, Complaint.LIST_EMPTY)
    for index, item in enumerate(value):
        yield item, pointer(path, index)


def texts(value: Any, path: str) -> tuple[str, ...]:
    return tuple(text(item, where) for item, where in listed(value, path))
