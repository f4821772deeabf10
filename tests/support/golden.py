"""Golden events: what was stored once must be read for ever, and mean the same.

`tests/golden/events.json` keeps a hash of each event type's schema, and stories: events as stored, in order, with the
facts that they gave. When an event type is new, or changed in a way that old events survive (a field with a default),
run `python -m tests.support.golden`: it notes the schemas and adds a story; earlier stories stay as they are.
Any other change makes a new topic `@n` and an upcaster (domain/history.py).
"""

import hashlib
import json
import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any
from uuid import UUID, uuid5

import msgspec

import domain
from domain.aggregate import EVENT_TYPES, HEADER_FIELDS, Created, Event
from domain.history import upcast
from domain.pathway import Pathway
from tests.support.pathways import PATHWAY, Scenario, act_of, opened
from tests.support.stories import EVENTFUL

for module in pkgutil.iter_modules(domain.__path__, "domain."):
    import_module(module.name)  # Registers every event type.
FILE = Path(__file__).parents[1] / "golden" / "events.json"


def topics() -> list[str]:
    """Everything that the domain stores; what tests store does not count."""
    return sorted(topic for topic, event_type in EVENT_TYPES.items() if event_type.__module__.startswith("domain."))


def schema_hash(event_type: type[Event]) -> str:
    """Of what is stored: names, types and defaults. Descriptions are for people."""
    schema = _without_descriptions(msgspec.json.schema(event_type))
    return hashlib.sha256(json.dumps(schema, sort_keys=True).encode()).hexdigest()[:16]


def _without_descriptions(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: _without_descriptions(value) for key, value in part.items() if key not in {"description", "title"}}
    return [_without_descriptions(item) for item in part] if isinstance(part, list) else part


def read_story(told: list[dict[str, Any]]) -> Iterator[Event]:
    for line in told:
        event_type = EVENT_TYPES[line["topic"]]
        origin = {"originator_topic": event_type.ORIGINATOR} if issubclass(event_type, Created) else {}
        stored = json.dumps(line["header"] | origin | line["payload"])
        yield upcast(msgspec.json.decode(stored, type=event_type))


def facts_of(pathway: Pathway) -> Any:
    return json.loads(msgspec.json.encode(pathway.facts()))


def write_story() -> dict[str, Any]:
    """The eventful pathway, with ids that do not change from one run to the next."""
    scenario, numbers = Scenario(opened(family_name="L", phone="1", email="a@b.fr", address="1")), iter(range(10_000))

    def new_id() -> UUID:
        return uuid5(PATHWAY, str(next(numbers)))

    for agency, command in EVENTFUL:
        command.decide(scenario.pathway, msgspec.structs.replace(act_of(agency), new_id=new_id))
    scenario.given()
    return {"events": [_line(event) for event in scenario.events], "facts": facts_of(scenario.pathway)}


def _line(event: Event) -> dict[str, Any]:
    fields = json.loads(msgspec.json.encode(event))
    defaults = {field.name: field.default for field in msgspec.structs.fields(type(event))}
    payload = {
        name: value
        for name, value in fields.items()
        if name not in HEADER_FIELDS and getattr(event, name) != defaults[name]
    }
    header = {name: fields[name] for name in Event.__struct_fields__}
    return {"topic": type(event).TOPIC, "header": header, "payload": payload}


def main() -> None:
    golden: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"stories": []}
    golden["schemas"] = {topic: schema_hash(EVENT_TYPES[topic]) for topic in topics()}
    story = write_story()
    if story not in golden["stories"]:
        golden["stories"].append(story)
    FILE.write_text(json.dumps(golden, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
