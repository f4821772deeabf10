"""Signed notes as others write and read them, and what is not one."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st

from api.verify import notes as verifier
from application.checkpoints import (
    COSIGNATURE,
    Checkpoint,
    NotANote,
    NotSigned,
    SignedNote,
    SigningKey,
    VerifierKey,
    cosigned_at,
    read_checkpoint,
)

# From the documentation of Go's golang.org/x/mod/sumdb/note.
NEUMANN = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
NOTE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
"""
KEY = SigningKey("unisson-1/FR-34", Ed25519PrivateKey.from_private_bytes(bytes(32)))
OTHER = SigningKey("unisson-1/FR-34", Ed25519PrivateKey.from_private_bytes(b"\x01" * 32))
WITNESS = SigningKey("witness-1", Ed25519PrivateKey.from_private_bytes(b"\x02" * 32), COSIGNATURE)
CHECKPOINT = Checkpoint("unisson-1/FR-34", 42, b"\x07" * 32)
SIGNED = str(KEY.sign(CHECKPOINT))
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def test_a_note_signed_by_the_go_library_is_read() -> None:
    key = VerifierKey.parse(NEUMANN)
    assert str(key) == NEUMANN
    note = SignedNote.parse(NOTE)
    assert str(note) == NOTE
    assert note.signed_by(key)
    assert not note.signed_by(KEY.verifier)


def test_a_checkpoint_is_read_back_by_both_readers() -> None:
    assert read_checkpoint(SIGNED, [KEY.verifier]) == CHECKPOINT
    note = verifier.read_note(SIGNED.encode())
    assert (note.origin, note.size, note.root) == (CHECKPOINT.origin, 42, CHECKPOINT.root)
    assert verifier.is_signed(note, verifier.read_key(str(KEY.verifier)))


def test_another_key_of_the_same_name_signs_nothing() -> None:
    with pytest.raises(NotSigned):
        read_checkpoint(SIGNED, [OTHER.verifier])
    assert not verifier.is_signed(verifier.read_note(SIGNED.encode()), verifier.read_key(str(OTHER.verifier)))


def test_a_witness_adds_a_line_that_dates_what_it_saw() -> None:
    line = WITNESS.cosign(CHECKPOINT.text, NOW)
    both = SignedNote.parse(SIGNED + line.line)
    assert both.signed_by(KEY.verifier)
    assert both.signed_by(WITNESS.verifier)
    assert cosigned_at(line) == NOW
    assert verifier.is_signed(verifier.read_note(str(both).encode()), verifier.read_key(str(KEY.verifier)))


def test_a_cosignature_does_not_move_to_another_checkpoint() -> None:
    line = WITNESS.cosign(CHECKPOINT.text, NOW)
    other = KEY.sign(Checkpoint(CHECKPOINT.origin, 43, CHECKPOINT.root))
    assert not SignedNote.parse(str(other) + line.line).signed_by(WITNESS.verifier)


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\n\n",
        SIGNED.replace("42", "042"),
        SIGNED.replace("42", "-1"),
        SIGNED.replace("42\n", "42\nextension\n"),
        SIGNED.replace("BwcH", "BwcI", 1)[:60],
        SIGNED.removesuffix("\n"),
        SIGNED.replace("— ", "- "),
        SIGNED + "garbage\n",
        SIGNED.replace("=\n", "\n", 1),
        SIGNED.replace("\n", "\r\n"),
    ],
)
def test_what_is_not_a_checkpoint_is_refused_by_both_readers(note: str) -> None:
    with pytest.raises(NotANote):
        read_checkpoint(note, [KEY.verifier])
    with pytest.raises(verifier.Damaged):
        verifier.read_note(note.encode())


@given(st.integers(0, len(SIGNED.encode()) - 1), st.integers(1, 255))
def test_any_altered_byte_is_noticed_by_both_readers(place: int, change: int) -> None:
    raw = bytearray(SIGNED.encode())
    raw[place] ^= change
    try:
        ours = read_checkpoint(raw.decode(), [KEY.verifier])
    except (UnicodeDecodeError, NotANote, NotSigned):
        ours = None
    try:
        note = verifier.read_note(bytes(raw))
        theirs = verifier.is_signed(note, verifier.read_key(str(KEY.verifier)))
    except verifier.Damaged:
        theirs = False
    assert ours is None
    assert not theirs


@given(st.binary(max_size=300))
def test_the_verifier_reads_any_bytes_without_failing(raw: bytes) -> None:
    for read in (verifier.read_note, lambda each: verifier.read_key(each.decode("latin-1"))):
        with pytest.raises(verifier.Damaged):
            read(raw)


@pytest.mark.parametrize("key", ["", "a+b+c", NEUMANN.replace("c74f", "c74e"), NEUMANN[:-4], f"a b{NEUMANN[12:]}"])
def test_what_is_not_a_key_is_refused_by_both_readers(key: str) -> None:
    with pytest.raises(NotANote):
        VerifierKey.parse(key)
    with pytest.raises(verifier.Damaged):
        verifier.read_key(key)
