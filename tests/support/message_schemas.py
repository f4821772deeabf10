"""The published schemas of messages: what was published once goes on meaning the same.

`tests/golden/messages.json` keeps the schema of each version of each type. For a new one, or a field more, run
`python -m tests.support.message_schemas`; it refuses whatever would break a receiver.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from api.message_schemas import schema
from application.message_types import MESSAGE_TYPES

FILE = Path(__file__).parents[1] / "golden" / "messages.json"
FOR_PEOPLE = frozenset({"description", "title", "deprecated", "x-sunset"})

Json = dict[str, Any]


def published() -> dict[str, Json]:
    kept: dict[str, Json] = json.loads(FILE.read_text("utf-8")) if FILE.exists() else {}
    return kept


def current() -> dict[str, Json]:
    return {each.key: without_words(schema(each)) for each in sorted(MESSAGE_TYPES, key=lambda each: each.key)}


def without_words(part: Any) -> Any:
    if isinstance(part, dict):
        return {name: without_words(value) for name, value in part.items() if name not in FOR_PEOPLE}
    return [without_words(item) for item in part] if isinstance(part, list) else part


def breaks(before: dict[str, Json], after: dict[str, Json]) -> list[str]:
    """What a receiver that relies on `before` would stumble over; empty when there is nothing."""
    return [found for key, old in before.items() for found in _breaks_of(key, old, after.get(key))]


def _breaks_of(key: str, old: Json, new: Json | None) -> Iterator[str]:
    if new is None:
        yield f"{key} is gone"
        return
    for name, field in old["properties"].items():
        if name not in new["properties"]:
            yield f"{key}: {name} is gone"
        elif new["properties"][name] != field:
            yield f"{key}: {name} is something else"
    for name in sorted({*old["required"]} - {*new["required"]}):
        yield f"{key}: {name} may be missing"
    if {key: value for key, value in old.items() if key not in CHANGING} != {
        key: value for key, value in new.items() if key not in CHANGING
    }:
        yield f"{key} is of another kind"


CHANGING = frozenset({"properties", "required"})


def main() -> None:
    found = breaks(published(), current())
    if found:
        raise SystemExit("\n".join([*found, "Give the type a new version instead."]))
    FILE.write_text(json.dumps(current(), indent=1, sort_keys=True) + "\n", "utf-8")


if __name__ == "__main__":
    main()
