"""Opaque credentials: `<prefix>_<256 random bits>_<checksum>`; only their SHA-256 is ever stored.

The prefix and the checksum let a scanner recognise a leaked one, and us refuse a mistyped one without a look-up.
"""

import re
import secrets
import string
import zlib
from hashlib import sha256

ALPHABET = string.ascii_letters + string.digits
SECRET_LENGTH = 43  # 43 characters out of 62 hold 256 bits.
CHECKSUM_LENGTH = 8

ACCESS_TOKEN = "un_at"  # noqa: S105 (what it begins with, not a secret)
SESSION = "un_ss"
BOOTSTRAP = "un_bl"
CALENDAR = "un_cf"
"""The one that stands in an address: calendar programs know no other way. It reads appointments, and nothing else."""
MARKS = ("un_live_", "un_test_", *(f"{prefix}_" for prefix in (ACCESS_TOKEN, SESSION, BOOTSTRAP, CALENDAR)))
"""What every credential of ours begins with."""


def random_text(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def checksum(body: str) -> str:
    return f"{zlib.crc32(body.encode()):08x}"


def new_credential(prefix: str) -> str:
    body = f"{prefix}_{random_text(SECRET_LENGTH)}"
    return f"{body}_{checksum(body)}"


def is_credential(prefix: str, text: str) -> bool:
    """Whether it is well formed, which says nothing of its being known."""
    well_formed = re.fullmatch(rf"{prefix}_[A-Za-z0-9]{{43}}_[0-9a-f]{{8}}", text, re.ASCII)
    return well_formed is not None and checksum(text[: -CHECKSUM_LENGTH - 1]) == text[-CHECKSUM_LENGTH:]


def digest_of(credential: str) -> bytes:
    """What is stored of it, and what it is found by: nobody can make another one with the same."""
    return sha256(credential.encode()).digest()
