"""Events to sealed payloads and back: every type of the domain, the stored format, and what tampering does."""

import importlib
import pkgutil
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import domain
from application.event_log import Commit, UnknownTopic, UnreadableEvent
from application.key_vault import DataKey, Keyring
from domain.aggregate import EVENT_TYPES, HEADER_FIELDS, Event, compartments_of
from domain.compartments import Compartment, Erased
from domain.erasure import ErasedEvent
from domain.ids import uuid7
from infrastructure.event_codec import Row, open_rows, seal_commit
from infrastructure.event_header import (
    EPOCH,
    commit_tail,
    header_start,
    parse_header,
    time_bytes,
    uuid_field,
)
from infrastructure.memory_key_vault import MemoryKeyVault
from tests.support.histories import BoardPainted, LineWritten, line, painted
from tests.support.values import TEXTS, events_of

for module in pkgutil.walk_packages(domain.__path__, "domain."):
    importlib.import_module(module.name)

T = "FR-34"
STREAM = UUID("0196f7b2-0000-7000-8000-000000000001")
SUBJECT = UUID("0196f7b2-0000-7000-8000-000000000002")
AT = datetime(2026, 1, 5, 12, 30, 15, 123456, tzinfo=UTC)
TYPES = {topic: event_type for topic, event_type in sorted(EVENT_TYPES.items()) if not topic.startswith("test-")}


async def stored_row(event: Event, vault: MemoryKeyVault, subject: UUID | None = SUBJECT) -> Row:
    commit = Commit(
        stream_id=event.originator_id,
        expected_version=event.originator_version - 1,
        events=[event],
        subject=subject if event.OF_PERSON else None,
    )
    (sealed,) = await seal_commit(T, commit, vault)
    return Row(
        7, event.originator_id, sealed.version, sealed.topic, AT, event.agency, event.actor, commit.subject, None, None,
        sealed.payload,
    )  # fmt: skip


async def opened(row: Row, vault: MemoryKeyVault, territory: str = T) -> Any:
    (stored,) = await open_rows(territory, [row], vault)
    return stored.event


def payload_of(event: Event) -> dict[str, Any]:
    return {name: getattr(event, name) for name in event.__struct_fields__ if name not in HEADER_FIELDS}


@pytest.mark.parametrize("event_type", TYPES.values(), ids=TYPES)
def test_each_field_of_a_person_names_its_compartment(event_type: type[Event]) -> None:
    if event_type.OF_PERSON:
        assert [name for name, compartment in compartments_of(event_type).items() if compartment is None] == []
    else:
        assert set(compartments_of(event_type).values()) <= {None}


@pytest.mark.parametrize("event_type", TYPES.values(), ids=TYPES)
async def test_each_event_type_survives_the_log(event_type: type[Event]) -> None:
    vault = MemoryKeyVault()
    for event in _some(events_of(event_type)):
        again = await opened(await stored_row(event, vault), vault)
        assert type(again) is event_type
        assert payload_of(again) == payload_of(event)
        assert (again.timestamp, again.position) == (AT, 7)


def _some(events: st.SearchStrategy[Any]) -> list[Any]:
    """A few examples outside of @given, which does not run coroutines."""
    found: list[Any] = []

    @given(events)
    def collect(event: Any) -> None:
        found.append(event)

    collect()
    return found


@pytest.mark.parametrize("on", [date(2026, 2, 3), datetime(2026, 2, 3, 14, 5, tzinfo=UTC)])
async def test_a_day_and_an_instant_stay_what_they_are(on: date) -> None:
    vault = MemoryKeyVault()
    again = await opened(await stored_row(line(STREAM, 1, on=on), vault), vault)
    assert type(again.on) is type(on)
    assert again.on == on


async def test_nothing_of_a_person_is_in_clear() -> None:
    event = line(STREAM, 1, "CANARY-code", name="CANARY-name", illness="CANARY-illness", note="CANARY-note")
    row = await stored_row(event, MemoryKeyVault())
    assert row.payload is not None
    assert b"CANARY" not in row.payload
    assert len(row.payload) > 4 * 28


async def test_defaults_take_no_room() -> None:
    short, long = [await stored_row(one, MemoryKeyVault()) for one in (painted(STREAM, 1), painted(STREAM, 1, coats=2))]
    assert short.payload == b'\x01\x00\x00\x00\x00\x00\x00\x00\x10{"colour":"red"}'
    assert long.payload == b'\x01\x00\x00\x00\x00\x00\x00\x00\x1a{"colour":"red","coats":2}'


GOLDEN_KEYS: Keyring = {
    Compartment.CASE: DataKey(1, bytes(range(32))),
    Compartment.NOTES: DataKey(1, bytes(range(32, 64))),
}
GOLDEN = bytes.fromhex(
    "01010100010000003e03c2c08cd2b5b6f409e88b69dcc00878cceda6895e585ab557b920804b4937a9cdcbccc4ed8792228e"
    "92acb11ee64f99870d3e775a631e0590b1522145440401000100000032da01db6183142668b9c3fde99a12ec599d0cc2ffc2"
    "0e5d161e90f8be0a5fba3faea519520a028e1b05005b508b7d5afa2c87"
)


class FixedKeys(MemoryKeyVault):
    """A vault with the keys that sealed the golden bytes."""

    def __init__(self, keyring: Keyring = GOLDEN_KEYS) -> None:
        super().__init__()
        self._keys[T, SUBJECT] = dict(keyring)


def golden(**changes: Any) -> Row:
    row = Row(7, STREAM, 3, "test-diary.line-written", AT, "ccas", None, SUBJECT, None, None, GOLDEN)
    return row._replace(**changes)


async def test_what_the_first_release_stored_still_opens() -> None:
    event = await opened(golden(), FixedKeys())
    assert isinstance(event, LineWritten)
    assert (event.code, event.on, event.note) == ("visit", date(2026, 1, 31), "Rang twice.")


@pytest.mark.parametrize(
    "moved",
    [
        {"stream_id": uuid7()},
        {"stream_version": 4},
        {"payload": GOLDEN[:-1] + bytes([GOLDEN[-1] ^ 1])},
        {"payload": GOLDEN[:30] + bytes([GOLDEN[30] ^ 1]) + GOLDEN[31:]},
        {"payload": GOLDEN[:-3]},
        {"payload": GOLDEN[:1]},
        {"payload": b'\x01\x00\x00\x00\x00\x00\x00\x00\x0f{"code":"fake"}'},
        {"payload": b'\x01\x00\x00\x00\x00\x00\x00\x00\x0f{"code":"fake"}', "subject": None},
        {"subject": None},
        {"payload": b"\x02" + GOLDEN[1:]},
        {"payload": b"\x01\x01\x09" + GOLDEN[3:]},
        {"payload": b"\x01\x01\x00\x00\x00\x00\x00\x00\x0f" + b'{"code":"fake"}'},
        {"payload": b"\x01\x01"},
        {"payload": b""},
    ],
)
async def test_what_was_altered_or_moved_does_not_open(moved: dict[str, Any]) -> None:
    with pytest.raises(UnreadableEvent, match=r"^Event 7 of FR-34 cannot be read: [a-z ,]+\.$"):
        await opened(golden(**moved), FixedKeys())


async def test_a_payload_of_another_territory_does_not_open() -> None:
    vault = FixedKeys()
    vault._keys["FR-30", SUBJECT] = dict(GOLDEN_KEYS)
    with pytest.raises(UnreadableEvent):
        await opened(golden(), vault, territory="FR-30")


async def test_a_payload_under_another_topic_does_not_open() -> None:
    with pytest.raises(UnreadableEvent):
        await opened(golden(topic="test-diary.opened"), FixedKeys())


async def test_a_group_passed_off_as_another_compartment_does_not_open() -> None:
    keys = {compartment: DataKey(1, bytes(range(32))) for compartment in Compartment}
    with pytest.raises(UnreadableEvent):
        await opened(golden(payload=b"\x01\x04" + GOLDEN[2:]), FixedKeys(keys))


async def test_a_payload_of_another_person_does_not_open() -> None:
    vault, other = FixedKeys(), uuid7()
    vault._keys[T, other] = dict(GOLDEN_KEYS)
    with pytest.raises(UnreadableEvent):
        await opened(golden(subject=other), vault)


async def test_an_unknown_topic_says_so() -> None:
    with pytest.raises(UnknownTopic) as error:
        await opened(golden(topic="later.invented"), FixedKeys())
    assert (error.value.topic, error.value.position) == ("later.invented", 7)


@pytest.mark.parametrize("keyring", [{}, {Compartment.CASE: DataKey(2, bytes(range(32)))}])
async def test_without_the_key_of_coded_facts_the_event_is_erased(keyring: Keyring) -> None:
    event = await opened(golden(), FixedKeys(keyring))
    assert isinstance(event, ErasedEvent)
    assert (event.topic, event.originator_version, event.agency) == ("test-diary.line-written", 3, "ccas")


async def test_without_another_key_its_fields_are_erased() -> None:
    event = await opened(golden(), FixedKeys({Compartment.CASE: GOLDEN_KEYS[Compartment.CASE]}))
    assert (event.code, event.note, event.name) == ("visit", Erased(Compartment.NOTES), None)


async def test_a_pruned_payload_is_erased() -> None:
    assert isinstance(await opened(golden(payload=None), FixedKeys()), ErasedEvent)


async def test_an_erased_field_cannot_be_recorded_again() -> None:
    with pytest.raises(AssertionError, match="cannot be recorded again"):
        await stored_row(line(STREAM, 1, note=Erased(Compartment.NOTES)), MemoryKeyVault())


async def test_fields_of_a_later_release_are_ignored_and_new_ones_have_their_default() -> None:
    row = await stored_row(painted(STREAM, 1), MemoryKeyVault())
    body = msgspec.json.encode({"colour": "red", "gloss": True})
    event = await opened(
        row._replace(payload=b"\x01\x00\x00\x00\x00" + len(body).to_bytes(4, "big") + body), FixedKeys()
    )
    assert event == BoardPainted(
        originator_id=STREAM, originator_version=1, timestamp=AT, agency="ccas-montpellier", position=7, colour="red"
    )


@pytest.mark.parametrize("body", [b"{}", b'{"colour":3}', b"[", b"[]"])
async def test_a_body_that_is_not_of_its_topic_names_its_place_only(body: bytes) -> None:
    row = await stored_row(painted(STREAM, 1), MemoryKeyVault())
    payload = b"\x01\x00\x00\x00\x00" + len(body).to_bytes(4, "big") + body
    with pytest.raises(UnreadableEvent, match="Event 7 of FR-34"):
        await opened(row._replace(payload=payload), FixedKeys())


@given(
    territory=TEXTS.filter(bool),
    stream_id=st.uuids(),
    version=st.integers(1, 2**31 - 1),
    actor=st.none() | TEXTS.filter(bool),
    subject=st.none() | st.uuids(),
    cause=st.none() | st.uuids(),
    at=st.datetimes(min_value=datetime(1900, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 (Hypothesis wants it naive)
)
def test_a_header_reads_back_from_its_bytes(
    territory: str,
    stream_id: UUID,
    version: int,
    actor: str | None,
    subject: UUID | None,
    cause: UUID | None,
    at: datetime,
) -> None:
    tail = commit_tail(subject, None, cause)
    raw = header_start(territory, uuid_field(stream_id), version, "t", "a", actor, tail) + time_bytes(at)
    header = parse_header(raw)
    assert (header.territory, header.stream_id, header.stream_version) == (territory, stream_id, version)
    assert (header.topic, header.agency, header.actor) == ("t", "a", actor)
    assert (header.subject, header.correlation_id, header.causation_id) == (subject, None, cause)
    assert header.recorded_at == at


def test_the_first_release_wrote_headers_like_this() -> None:
    raw = header_start(T, uuid_field(STREAM), 3, "a.b", "ccas", None, commit_tail(SUBJECT, None, None)) + time_bytes(AT)
    assert raw.hex() == (
        "01000546522d333400100196f7b20000700080000000000000010004000000030003612e62000463636173000000100196f7"
        "b2000070008000000000000002000000000008000647a3389a0600"
    )


def test_a_header_of_another_format_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown header format"):
        parse_header(b"\x02" + time_bytes(EPOCH))
