"""One log of a bundle, checked from its files to its signature."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from urllib.parse import unquote

from api.verify.faults import Fault, fault
from api.verify.files import Files
from api.verify.notes import Damaged, Key, Note, is_signed, read_key, read_note
from api.verify.segments import ERASED, Pruned, Report, out_of_turn
from api.verify.tree import HASH_BYTES, WIDTH, Tree, tile_path

FAULTS_MAX = 200
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Summary(NamedTuple):
    """Of a log that was read, whatever was found wrong with it."""

    log: str
    origin: str
    key: str
    events: int
    root: str
    streams: int
    erased: int
    pruned: int
    checkpoints: int
    first_recorded_at: datetime | None
    last_recorded_at: datetime | None


class LogCheck:
    """`since` are checkpoints that the auditor kept; `trusted` the keys that they have from elsewhere, if any."""

    def __init__(self, files: Files, log: str, since: Iterable[tuple[str, Note]], trusted: frozenset[str]) -> None:
        self.faults: list[Fault] = []
        self._files = files
        self._log = log
        self._trusted = trusted
        self.key_text, self._key = self._read_key()
        self._notes = self._own_notes()
        self._since = [(name, note) for name, note in since if self._key is not None and note.origin == self._key.name]
        self._last = next((note for path, note in self._notes if path == self._path_of_last), None)
        self._sealed_size = 0 if self._last is None else self._last.size
        sizes = {note.size for _, note in (*self._notes, *self._since)}
        self._tree = Tree(sizes)
        self._streams: dict[bytes, int] = {}
        self._pruned: list[Pruned] = []
        self._erased: set[bytes] = set()
        self._times: list[int] = []
        self._next = 1
        self._unlike_sealed: list[tuple[int, str]] = []
        """Positions whose leaf is not that of the sealed tile, and the tile."""

    @property
    def origin(self) -> str:
        return "" if self._key is None else self._key.name

    def run(self, reports: Iterable[tuple[str, Report]]) -> None:
        """Takes what was found in each file of events, in order."""
        for path, report in reports:
            self._take(path, report)
        self._judge_the_end()
        self._judge_prunings()
        self._judge_tiles()
        for name, note in self._notes:
            self._judge_note(name, note, mine=False)
        for name, note in self._since:
            self._judge_note(name, note, mine=True)

    def summary(self) -> Summary:
        times = [_instant(time) for time in (self._times[:1] + self._times[-1:])]
        return Summary(
            self._log,
            self.origin,
            self.key_text,
            self._tree.size,
            self._tree.root.hex(),
            len(self._streams),
            len(self._erased),
            len(self._pruned),
            len(self._notes),
            times[0] if times else None,
            times[-1] if times else None,
        )

    # What is signed.

    def _read_key(self) -> tuple[str, Key | None]:
        path = f"{self._log}/key"
        content = self._files.read(path)
        if content is None:
            self.faults.append(fault("file-missing", path))
            return "", None
        try:
            text = content.decode()
            key = read_key(text[:-1] if text.endswith("\n") else "")
            text = text[:-1]
        except (UnicodeDecodeError, Damaged):
            self.faults.append(fault("key-damaged", path))
            return "", None
        if key.name.rpartition("/")[2] != self._log:
            self.faults.append(fault("key-of-another-log", path, name=key.name))
        if self._trusted and text not in self._trusted:
            self.faults.append(fault("key-untrusted", path))
        return text, key

    @property
    def _path_of_last(self) -> str:
        return f"{self._log}/checkpoint"

    def _own_notes(self) -> list[tuple[str, Note]]:
        last = self._path_of_last
        paths = [last, f"{self._log}/last-signed", *self._files.under(f"{self._log}/checkpoints/")]
        notes = []
        for path in paths:
            content = self._files.read(path)
            if content is None:
                if path == last:
                    self.faults.append(fault("file-missing", path))
                continue
            try:
                note = read_note(content)
            except Damaged:
                self.faults.append(fault("note-damaged", path))
                continue
            notes.append((path, note))
        return notes

    def _judge_note(self, name: str, note: Note, *, mine: bool) -> None:
        if self._key is None:
            return
        if note.origin != self._key.name:
            self.faults.append(fault("note-of-another-log", name, origin=note.origin))
        elif not is_signed(note, self._key):
            self.faults.append(fault("signature-wrong", name))
        elif note.size > self._tree.size:
            if note is not self._last:  # Told already.
                self.faults.append(fault("log-shorter", name, size=note.size, found=self._tree.size))
        elif self._tree.roots[note.size] != note.root:
            is_split = mine and any(own.size == note.size for _, own in self._notes)
            self.faults.append(fault("split-view" if is_split else "root-differs", name, size=note.size))

    # Events.

    def _take(self, path: str, report: Report) -> None:
        self._files.checked(path, report.digest)
        self.faults += report.faults
        if not report.leaves:
            return
        if path != f"{self._log}/events/{report.first:012d}":
            due = path.rpartition("/")[2].lstrip("0")
            self.faults.append(fault("segment-misplaced", path, found=report.first, due=due))
        if report.first > self._next:
            self.faults.append(fault("event-missing", self._log, self._next, found=report.first))
        elif report.first < self._next:
            self.faults.append(fault("event-moved", self._log, report.first, before=self._next - 1))
        self._next = report.last + 1
        self._follow_streams(report)
        if self._times and report.first_time < self._times[-1]:
            self.faults.append(fault("time-backwards", self._log, report.first))
        self._times = [*self._times[:1], report.first_time, report.last_time]
        self._pruned += report.pruned
        self._erased |= report.erased
        self._take_leaves(report)

    def _follow_streams(self, report: Report) -> None:
        for stream, stretch in report.streams.items():
            due = self._streams.get(stream, 0) + 1
            if stretch.first_version != due:
                told = out_of_turn(stream, stretch.first_version, due)
                self.faults.append(fault("version-broken", self._log, stretch.first_position, **told))
            self._streams[stream] = stretch.last_version

    def _take_leaves(self, report: Report) -> None:
        leaves = [report.leaves[at : at + HASH_BYTES] for at in range(0, len(report.leaves), HASH_BYTES)]
        positions = report.positions or range(report.first, report.first + len(leaves))
        number, tile, sealed = -1, "", b""
        for position, leaf in zip(positions, leaves, strict=True):
            self._tree.append(leaf)
            if not 0 < position <= self._sealed_size:
                continue
            if number != (position - 1) // WIDTH:
                number = (position - 1) // WIDTH
                tile, sealed = self._sealed_leaves(number)
            place = (position - 1) % WIDTH * HASH_BYTES
            if sealed[place : place + HASH_BYTES] != leaf:
                self._unlike_sealed.append((position, tile))

    def _sealed_leaves(self, number: int) -> tuple[str, bytes]:
        """A tile of leaves, and its file; empty when it is missing."""
        width = min(self._sealed_size - number * WIDTH, WIDTH)
        path = f"{self._log}/tile/{tile_path(0, number, width)}"
        return path, self._files.read(path) or b""

    # The whole.

    @property
    def _is_intact(self) -> bool:
        """Whether the events are those of the last checkpoint, as far as it goes."""
        return self._last is not None and self._tree.roots.get(self._last.size) == self._last.root

    def _judge_the_end(self) -> None:
        told = {"sealed": self._sealed_size, "found": self._tree.size}
        if self._tree.size < self._sealed_size:
            self.faults.append(fault("events-missing-at-the-end", self._log, **told))
        elif self._tree.size > self._sealed_size:
            self.faults.append(fault("events-unsealed", self._log, **told))

    def _judge_prunings(self) -> None:
        for position, subject, topic in self._pruned:
            if topic == ERASED or not subject or subject not in self._erased:
                self.faults.append(fault("pruned-unjustified", self._log, position))

    def _judge_tiles(self) -> None:
        """Where leaves and sealed tiles differ, the signed root says which of them was altered."""
        if self._is_intact:
            for path in sorted({tile for _, tile in self._unlike_sealed}):
                self._compare(path, None)
            self._judge_upper_tiles()
        else:
            altered = self._unlike_sealed[:FAULTS_MAX]
            self.faults += [fault("event-altered", self._log, position) for position, _ in altered]
            for path in self._files.under(f"{self._log}/tile/"):
                self._files.read(path)  # It has its use, though nothing can be said of it.

    def _judge_upper_tiles(self) -> None:
        level = 1
        while hashes := self._sealed_size >> 8 * level:
            tiles = self._tree.tiles(level, hashes)
            for number, tile in enumerate(tiles):
                self._compare(f"{self._log}/tile/{tile_path(level, number, len(tile) // HASH_BYTES)}", tile)
            level += 1

    def _compare(self, path: str, computed: bytes | None) -> None:
        """None: known to differ."""
        tile = self._files.read(path)
        if tile is None:
            self.faults.append(fault("tile-missing", path))
        elif tile != computed:
            self.faults.append(fault("tile-altered", path))


def _instant(microseconds: int) -> datetime | None:
    """None when it is out of range: an altered header may say anything."""
    try:
        return EPOCH + timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def territory_of(log: str) -> bytes:
    return unquote(log).encode()
