"""What goes over a stream: frames of text, each with the place to go on from (WHATWG HTML, server-sent events)."""

import re
from typing import NamedTuple

from application.messages import Message

EVENT_STREAM = "text/event-stream"
LAST = 1 << 30
"""The rank of a place that leaves nothing of its position."""
PLACE = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,6}))?", re.ASCII)


class Place(NamedTuple):
    """How far somebody has read: what was recorded at a position, up to a rank there.

    At one position there may be an event, of rank 0, then the messages that tell of it. The last of them leads on to
    the bare position, so that places are positions, but for the few in between.
    """

    position: int
    rank: int = LAST

    def __str__(self) -> str:
        return f"{self.position}" if self.rank == LAST else f"{self.position}.{self.rank}"

    @property
    def read_up_to(self) -> int:
        """The last position of which nothing is left to read."""
        return self.position if self.rank == LAST else self.position - 1


def place_in(text: str) -> Place | None:
    """None for what is no place."""
    found = PLACE.fullmatch(text)
    if found is None:
        return None
    return Place(int(found[1]), LAST if found[2] is None else int(found[2]))


class Frame(NamedTuple):
    place: Place
    type: str
    text: bytes
    message: Message | None = None
    """None: an event's."""


def frame(place: Place, type_: str, data: bytes, message: Message | None = None) -> Frame:
    """`data` is JSON, which has no line ends."""
    text = b"id: %s\nevent: %s\ndata: %s\n\n" % (str(place).encode(), type_.encode(), data)
    return Frame(place, type_, text, message)


def opening(retry_ms: int) -> bytes:
    """How long a reader who is cut off should wait before coming back."""
    return b"retry: %d\n\n" % retry_ms


def mark(place: Place) -> bytes:
    """Where to go on from, though nothing came: what was recorded since was not for this reader."""
    data = b'{"next_after":%d}' % place.read_up_to
    return frame(place, "position", data).text


BEAT = b": still here\n\n"
