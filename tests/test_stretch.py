"""A part of the log as its readers see it: places are the same for all, whatever each may be shown."""

from pathlib import Path
from uuid import UUID, uuid4

from api.stream_frames import Frame
from api.stretch import Eyes, Stretch, Viewer
from application.event_log import Header, UnreadableEvent
from application.messages import Message
from domain.clock import SettableClock
from tests.support.service import CCAS, MISSION_LOCALE, NOW, TERRITORY, running

HERE, ELSEWHERE = uuid4(), uuid4()


def header(position: int, stream: UUID = HERE, topic: str = "glass.broken@2") -> Header:
    return Header(
        territory=TERRITORY,
        position=position,
        stream_id=stream,
        stream_version=position,
        topic=topic,
        recorded_at=NOW,
        agency=CCAS,
        actor=None,
        correlation_id=None,
        causation_id=None,
    )


def message(position: int, agency: str = CCAS, version: int = 1) -> Message:
    return Message(
        territory=TERRITORY,
        message_id=uuid4(),
        agency=agency,
        type=f"unisson.glass.broken.v{version}",
        subject_id=uuid4(),
        pathway=None,
        position=position,
        created_at=NOW,
    )


def frames(stretch: Stretch, *entitled: Message, pathways: frozenset[UUID] = frozenset({HERE})) -> list[Frame]:
    shown = stretch.frames(CCAS, pathways, {each.message_id for each in entitled}, lambda each: each.type.encode())
    return sorted(shown, key=lambda frame: frame.place)


def ids(found: list[Frame]) -> list[str]:
    return [str(frame.place) for frame in found]


def test_what_is_alone_at_its_position_has_the_position_as_its_id() -> None:
    told = message(3)
    found = frames(Stretch(0, 3, [header(1), header(2)], [told]), told)
    assert ids(found) == ["1", "2", "3"]
    assert [frame.type for frame in found] == ["glass.broken", "glass.broken", "unisson.glass.broken.v1"]
    assert found[0].text.startswith(b'id: 1\nevent: glass.broken\ndata: {"position":1,')
    assert found[2].text == b"id: 3\nevent: unisson.glass.broken.v1\ndata: unisson.glass.broken.v1\n\n"


def test_the_last_of_several_at_one_position_leads_past_it() -> None:
    """An event, and both versions of a message during a notice period."""
    first, second = message(2), message(2, version=2)
    stretch = Stretch(0, 3, [header(1), header(2), header(3)], [first, second])
    assert ids(frames(stretch, first, second)) == ["1", "2.0", "2.1", "2", "3"]


def test_a_message_that_is_withheld_moves_no_other() -> None:
    """Else who comes back would be given another thing under the same id."""
    first, second = message(2), message(2, version=2)
    stretch = Stretch(0, 2, [header(2)], [first, second])
    assert ids(frames(stretch, second)) == ["2.0", "2"]
    assert ids(frames(stretch, first)) == ["2.0", "2.1"]
    assert ids(frames(stretch, second, pathways=frozenset())) == ["2"]


def test_an_agency_is_given_its_own_pathways_and_messages_alone() -> None:
    theirs = message(1, MISSION_LOCALE)
    stretch = Stretch(0, 2, [header(1), header(2, ELSEWHERE)], [theirs])
    assert ids(frames(stretch, theirs)) == ["1"]


async def test_a_message_of_what_cannot_be_read_is_passed_over(database_url: str, tmp_path: Path) -> None:
    """Else its readers would be cut off there, however often they come back."""
    altered, sound = message(1), message(2)

    async def may_send(territory: str, _agency: str, asked: Message) -> bool:
        if asked is altered:
            raise UnreadableEvent(territory, asked.position, "altered")
        return True

    async with running(database_url, tmp_path) as service:
        eyes = Eyes(service.runtime.pool, may_send, lambda each: each.type.encode(), SettableClock(NOW))
        seen = await eyes.see(Stretch(0, 2, [], [altered, sound]), Viewer(TERRITORY, CCAS, True, False))
    assert ids([*seen.frames]) == ["2"]
