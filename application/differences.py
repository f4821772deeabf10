"""What differs between two pictures of the same thing, key by key. Applied to the first, it gives the second."""

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

Picture = Mapping[str, Any]
"""What is so at a moment, each thing under a key of its own; no value is None."""


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that came (no `before`), went (no `after`) or changed."""

    key: str
    before: Any
    after: Any


def difference(before: Picture, after: Picture) -> list[Difference]:
    """By key. The same picture twice gives nothing."""
    return [
        Difference(key=key, before=before.get(key), after=after.get(key))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]


def applied(changes: Iterable[Difference], before: Picture) -> dict[str, Any]:
    """The later picture, from the earlier one."""
    picture = dict(before)
    for change in changes:
        if change.after is None:
            picture.pop(change.key, None)
        else:
            picture[change.key] = change.after
    return picture
