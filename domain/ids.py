"""Identifiers: UUIDv7, so that what is created together is stored together; UUIDv8 for what always has the same."""

import hashlib
import os
import time
from uuid import UUID


def uuid7() -> UUID:
    """A new UUIDv7 (RFC 9562): 48 bits of Unix milliseconds, 74 random bits. The time only helps storage: no date."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10), "big")
    high = (milliseconds << 16) | 0x7000 | (random >> 68)
    low = (0b10 << 62) | (random & ((1 << 62) - 1))
    return UUID(int=(high << 64) | low)


def uuid8_of(*parts: str) -> UUID:
    """The same parts always give the same UUIDv8 (RFC 9562: bits of one's own), from a SHA-256."""
    bits = int.from_bytes(hashlib.sha256("|".join(parts).encode()).digest()[:16], "big")
    return UUID(int=bits & ~(0xF000 << 64) & ~(0xC000 << 48) | (0x8000 << 64) | (0x8000 << 48))
