"""Reads a plain mapping field by field, so that every refusal carries its path and no key is ever silently ignored."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from enum import StrEnum
from typing import Any, TypeVar

from domain.rules.refusal import RuleRefused

E = TypeVar("E", bound=StrEnum)

TEXT_MAX = 2_000
MISSING = object()


class Fields:
    """The fields of one mapping. Take each one, then call `finish`: whatever is left is refused."""

    def __init__(self, raw: Any, path: str) -> None:
        if not isinstance(raw, Mapping):
            raise RuleRefused(path, f"a mapping is expected here, not {name_of(raw)}.")
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
            raise RuleRefused(self.path, f"`{name}` is missing.")
        return default

    def text(self, name: str, default: Any = MISSING) -> Any:
        value = self.take(name, default)
        return value if value is default else text(value, self.at(name))

    def flag(self, name: str, *, default: bool) -> bool:
        value = self.take(name, default)
        if not isinstance(value, bool):
            raise RuleRefused(self.at(name), f"true or false is expected, not {name_of(value)}.")
        return value

    def whole(self, name: str, default: Any, least: int, most: int) -> int:
        value = self.take(name, default)
        if isinstance(value, bool) or not isinstance(value, int):
            raise RuleRefused(self.at(name), f"a whole number is expected, not {name_of(value)}.")
        if not least <= value <= most:
            raise RuleRefused(self.at(name), f"{value} is not between {least} and {most}.")
        return value

    def choice(self, name: str, choices: type[E], default: Any = MISSING) -> E:
        value = self.take(name, default)
        return choice(value, choices, self.at(name))

    def refuse(self, names: Mapping[str, str]) -> None:
        """Refuse known keys that do not apply here, each with its own sentence."""
        for name, sentence in names.items():
            if name in self._raw:
                raise RuleRefused(self.at(name), sentence)

    def finish(self) -> None:
        for name in self._left:
            if not isinstance(name, str):
                raise RuleRefused(self.path, f"the key {name!r} is not a text; quote it if it is meant as one.")
            close = get_close_matches(name, self._known, 1)
            hint = f" Did you mean `{close[0]}`?" if close else ""
            raise RuleRefused(self.at(name), f"`{name}` is not known here.{hint}")


def pointer(path: str, name: str | int) -> str:
    """One step down a JSON pointer (RFC 6901)."""
    return f"{path}/{str(name).replace('~', '~0').replace('/', '~1')}"


def text(value: Any, path: str) -> str:
    if not isinstance(value, str):
        raise RuleRefused(path, f"a text is expected, not {name_of(value)}.")
    if not value.strip():
        raise RuleRefused(path, "the text is empty.")
    if len(value) > TEXT_MAX:
        raise RuleRefused(path, f"the text is longer than {TEXT_MAX} characters.")
    if not value.isprintable() and any(ord(char) < 32 and char not in "\n\t" for char in value):
        raise RuleRefused(path, "the text holds control characters.")
    return value


def choice(value: Any, choices: type[E], path: str) -> E:
    known = [member.value for member in choices]
    if not isinstance(value, str) or value not in known:
        shown = repr(value) if isinstance(value, str) else name_of(value)
        raise RuleRefused(path, f"{shown} is not one of {', '.join(known)}.")
    return choices(value)


def listed(value: Any, path: str) -> Iterator[tuple[Any, str]]:
    """Items of a list with their paths; a single value reads as a list of one. An empty list is refused."""
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        yield value, path
        return
    if not value:
        raise RuleRefused(path, "the list is empty.")
    for index, item in enumerate(value):
        yield item, pointer(path, index)


def texts(value: Any, path: str) -> tuple[str, ...]:
    return tuple(text(item, where) for item, where in listed(value, path))


def name_of(value: Any) -> str:
    """What a value is, in words an author of rules knows."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "a yes/no"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return "a text"
    return "a mapping" if isinstance(value, Mapping) else "a list" if isinstance(value, Sequence) else "this"
