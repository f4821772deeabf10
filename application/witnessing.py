"""What a witness of a log promises, as C2SP tlog-witness has it: it never signs a tree that does not extend the last.

Two auditors who trust one witness are shown one history, or one of them sees that the witness refused.
"""

import base64
import binascii
import re
from typing import Protocol

import msgspec

from application.checkpoints import Checkpoint
from application.merkle import HASH_BYTES, is_consistent

PROOF_HASHES_MAX = 63
REQUEST_BYTES_MAX = 64 * 1024
_OLD = re.compile(r"old (0|[1-9][0-9]{0,18})", re.ASCII)


class WitnessRefusal(Exception):
    """Nothing was signed. `status` is what it is over HTTP."""

    status = 400


class IllFormed(WitnessRefusal):
    """Not the body of an add-checkpoint request, or of a tree smaller than the old one."""


class UnknownLog(WitnessRefusal):
    """This witness does not watch a log of this origin."""

    status = 404


class NotSignedByTheLog(WitnessRefusal):
    """None of the log's keys that this witness trusts signed this."""

    status = 403


class OtherSize(WitnessRefusal):
    """The last tree that was signed has another size: prove from that one."""

    status = 409

    def __init__(self, size: int) -> None:
        super().__init__(str(size))
        self.size = size


class Forked(WitnessRefusal):
    """The tree that was signed at this size has another root."""

    status = 409


class NotAnExtension(WitnessRefusal):
    """The proof does not show that this tree extends the last one that was signed."""

    status = 422


class Submission(msgspec.Struct, frozen=True):
    """A checkpoint, with the proof that it extends the one that the witness signed last."""

    old_size: int
    proof: tuple[bytes, ...]
    note: str

    def encoded(self) -> bytes:
        lines = [f"old {self.old_size}", *(base64.b64encode(each).decode() for each in self.proof), "", self.note]
        return "\n".join(lines).encode()

    @classmethod
    def parse(cls, body: bytes) -> "Submission":
        """Raises IllFormed."""
        try:
            head, separator, note = body.decode().partition("\n\n")
            first, *lines = head.split("\n")
            proof = tuple(base64.b64decode(line, validate=True) for line in lines)
        except (UnicodeDecodeError, binascii.Error, ValueError):
            raise IllFormed from None
        match = _OLD.fullmatch(first)
        too_long = len(body) > REQUEST_BYTES_MAX or len(proof) > PROOF_HASHES_MAX
        if match is None or not separator or too_long or any(len(each) != HASH_BYTES for each in proof):
            raise IllFormed
        return cls(int(match[1]), proof, note)


class Witness(Protocol):
    name: str

    async def add(self, submission: Submission) -> str:
        """The witness's signature line, once it remembers this checkpoint. Raises WitnessRefusal."""


def must_extend(last: Checkpoint | None, submission: Submission, new: Checkpoint) -> None:
    """Raises whatever a witness that signed `last` must answer to this."""
    if submission.old_size > new.size:
        raise IllFormed
    last_size = 0 if last is None else last.size
    if submission.old_size != last_size:
        raise OtherSize(last_size)
    if last is None:
        if submission.proof:
            raise NotAnExtension
    elif new.size == last.size and new.root != last.root:
        raise Forked
    elif not is_consistent(last.size, last.root, new.size, new.root, submission.proof):
        raise NotAnExtension
