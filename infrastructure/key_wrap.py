"""Wrapping of persons' keys, bound to their place, with a commitment: GCM alone does not tell one key from another."""

import hmac
import os
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.compartments import Compartment
from infrastructure.event_header import text_field, uuid_field

NONCE_BYTES = 12


class KeyUnwrapFailed(Exception):
    """A stored key does not open with this key-encryption key, or is not the one that was stored there."""


def key_place(territory: str, subject: UUID, compartment: Compartment, generation: int) -> bytes:
    return text_field(territory) + uuid_field(subject) + text_field(compartment) + generation.to_bytes(2, "big")


def wrap(wrapping_key: bytes, secret: bytes, place: bytes) -> tuple[bytes, bytes]:
    """Returns the wrapped key and its commitment."""
    return wrap_again(AESGCM(wrapping_key), secret, place), _commitment(secret, place)


def wrap_again(cipher: AESGCM, secret: bytes, place: bytes) -> bytes:
    """A key whose commitment is known already."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + cipher.encrypt(nonce, secret, place)


def unwrap(wrapping_key: bytes, wrapped: bytes, commitment: bytes, place: bytes) -> bytes:
    return unwrap_with(AESGCM(wrapping_key), wrapped, commitment, place)


def unwrap_with(cipher: AESGCM, wrapped: bytes, commitment: bytes, place: bytes) -> bytes:
    """Raises KeyUnwrapFailed."""
    try:
        secret = cipher.decrypt(wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:], place)
    except InvalidTag:
        raise KeyUnwrapFailed("A stored key does not open: wrong key-encryption key, or altered row.") from None
    if not hmac.compare_digest(_commitment(secret, place), commitment):
        raise KeyUnwrapFailed("A stored key does not match its commitment: altered row.")
    return secret


def _commitment(secret: bytes, place: bytes) -> bytes:
    return hmac.digest(secret, b"unisson key commitment v1" + place, "sha256")
