"""A witness in a folder: best on another disk, another machine, or in the hands of another agency.

key          what it signs with; the folder is nobody else's business
logs         keys of the logs that it watches, one a line
last/        the last checkpoint that it signed, of each log
evidence/    checkpoints that contradict each other, both signed by the log
"""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from application.checkpoints import (
    COSIGNATURE,
    Checkpoint,
    NotANote,
    NotSigned,
    SignedNote,
    VerifierKey,
    read_checkpoint,
)
from application.witnessing import (
    Forked,
    IllFormed,
    NotAnExtension,
    NotSignedByTheLog,
    OtherSize,
    Submission,
    UnknownLog,
    must_extend,
)
from domain.clock import Clock
from infrastructure import durable_file
from infrastructure.note_folder import NoteFolder
from infrastructure.signing_key import LogKey


class WitnessFolder:
    """See `Witness`. Several processes may share one: they sign one at a time."""

    def __init__(self, folder: Path, clock: Clock) -> None:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._folder = folder
        self._clock = clock
        self._key = LogKey.load_or_create(folder / "key", prefix="witness").as_witness(COSIGNATURE)
        self._last = NoteFolder(folder / "last")
        self.name = self._key.verifier.name

    @property
    def key(self) -> str:
        """What checks its signatures."""
        return str(self._key.verifier)

    def logs(self) -> list[VerifierKey]:
        try:
            lines = (self._folder / "logs").read_text("utf-8").splitlines()
        except FileNotFoundError:
            return []
        return [VerifierKey.parse(line) for line in lines if line and not line.startswith("#")]

    def watch(self, key: str) -> None:
        """Raises NotANote. A log has one origin and may have several keys."""
        with self._alone():
            known = [str(each) for each in self.logs()]
            text = str(VerifierKey.parse(key))
            if text not in known:
                durable_file.replace(self._folder / "logs", "".join(f"{each}\n" for each in [*known, text]))

    async def add(self, submission: Submission) -> str:
        try:
            signed = SignedNote.parse(submission.note)
            checkpoint = Checkpoint.parse(signed.text)
        except NotANote:
            raise IllFormed from None
        with self._alone():
            keys = [key for key in self.logs() if key.name == checkpoint.origin]
            if not keys:
                raise UnknownLog
            if not any(signed.signed_by(key) for key in keys):
                raise NotSignedByTheLog
            self._must_extend(submission, checkpoint, keys)
            self._last.remember(checkpoint.origin, submission.note)  # Before it is signed.
        return self._key.cosign(checkpoint.text, self._clock.now()).line

    def _must_extend(self, submission: Submission, checkpoint: Checkpoint, keys: list[VerifierKey]) -> None:
        note = self._last.last(checkpoint.origin)
        try:
            last = None if note is None else read_checkpoint(note, keys)
        except (NotANote, NotSigned):
            raise OSError("the last checkpoint of this witness is damaged") from None
        try:
            must_extend(last, submission, checkpoint)
        except (Forked, NotAnExtension):
            self._keep_evidence(checkpoint, note or "", submission.note)
            raise
        except OtherSize:
            if last is not None and checkpoint.size == last.size and checkpoint.root != last.root:
                self._keep_evidence(checkpoint, note or "", submission.note)
            raise

    def _keep_evidence(self, checkpoint: Checkpoint, known: str, shown: str) -> None:
        """Two notes that one log should never have signed both; whoever has its key can see that."""
        name = f"{durable_file.safe_name(checkpoint.origin)}-{checkpoint.size}-{checkpoint.root.hex()[:16]}"
        durable_file.create(self._folder / "evidence" / name, f"{known}\n{shown}")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Comparing with the last checkpoint and replacing it is one step."""
        descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)
