"""Signed statements (JWT, RFC 7519) that a partner's software shows: who it is, for whom it acts, which key it holds.

What is checked here needs no store; that each is shown once only is for whoever asks (`ServiceClients.show`).
"""

import base64
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key

from application.service_clients import ALGORITHMS

RSA_BITS_LEAST = 2048  # Six to each character of its modulus.
KEYS_MOST = 4
LONGEST = timedelta(minutes=5)
SKEW = timedelta(seconds=30)
"""How much a partner's clock may differ from ours."""
BYTES_MOST = 8 * 1024
ID_MOST = 128
CLIENT_ASSERTION = "JWT"
AGENT_ASSERTION = "agent+jwt"
PROOF = "dpop+jwt"
PROOF_FRESH = timedelta(seconds=60)
KINDS_OF_FAILURE = (
    JoseError,
    UnsupportedAlgorithm,
    ValueError,
    TypeError,
    KeyError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
"""What libraries raise on bytes that anyone may send."""


class NotGenuine(Exception):
    """The statement is not what it should be; the message says why, and repeats nothing of it."""


class UnusableKeys(ValueError):
    """This is no set of public keys that a partner may be known by; the message says why."""

    def __init__(self, reason: str, reason_fr: str) -> None:
        super().__init__(reason)
        self.reason_fr = reason_fr


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """What a genuine statement says."""

    id: str
    expires_at: datetime
    claims: dict[str, Any]


def public_keys(text: str) -> str:
    """A JSON Web Key, or a set of them, as the set to store. Raises UnusableKeys, as for a private part."""
    try:
        given = json.loads(text)
        keys = [_public_key(each) for each in given.get("keys", [given])]
    except UnusableKeys:
        raise
    except KINDS_OF_FAILURE:
        raise UnusableKeys(
            "not a JSON Web Key, nor a set of them", "ni une clé JSON Web Key, ni un ensemble de clés"
        ) from None
    if not 0 < len(keys) <= KEYS_MOST:
        raise UnusableKeys(f"expected 1 to {KEYS_MOST} keys", f"de 1 à {KEYS_MOST} clés attendues")
    return json.dumps({"keys": keys}, sort_keys=True)


def _public_key(given: dict[str, Any]) -> dict[str, Any]:
    if given.get("kty") == "RSA" and len(given["n"]) * 6 < RSA_BITS_LEAST:
        raise UnusableKeys(
            f"an RSA key needs at least {RSA_BITS_LEAST} bits", f"une clé RSA a au moins {RSA_BITS_LEAST} bits"
        )
    key = import_key(given)
    if key.key_type not in {"RSA", "EC", "OKP"}:
        raise UnusableKeys(
            "a secret shared with us proves nothing: make a pair of keys",
            "un secret partagé ne prouve rien : faites une paire de clés",
        )
    if key.is_private:
        raise UnusableKeys(
            "it holds the private key, which must stay with its owner: send the public part only",
            "elle contient la clé privée, qui reste chez son propriétaire : n'envoyez que la partie publique",
        )
    if given.get("use", "sig") != "sig":
        raise UnusableKeys("it is not for signing", "elle ne sert pas à signer")
    key.ensure_kid()
    return dict(key.as_dict(private=False))


def client_named_by(statement: str) -> str:
    """Whom an unverified statement claims to come from: only to know whose keys to check it with."""
    try:
        return str(json.loads(jws.extract_compact(_bounded(statement)).payload)["iss"])
    except KINDS_OF_FAILURE:
        raise NotGenuine("not a signed statement") from None


def read(statement: str, keys: str, *, kind: str, issuer: str, audience: tuple[str, ...], now: datetime) -> Statement:
    """A statement signed with one of these keys, for us, for the next five minutes. Raises NotGenuine."""
    try:
        key_set = KeySet.import_key_set(json.loads(keys))
        token = jwt.decode(_bounded(statement), key_set, list(ALGORITHMS))
        _must_be_of_kind(token.header, kind)
        registry = jwt.JWTClaimsRegistry(
            now=int(now.timestamp()),
            leeway=int(SKEW.total_seconds()),
            iss={"essential": True, "value": issuer},
            aud={"essential": True, "values": list(audience)},
            exp={"essential": True},
            jti={"essential": True},
        )
        registry.validate(token.claims)
        return _within_time(token.claims, now)
    except KINDS_OF_FAILURE:
        raise NotGenuine("not signed by this client for us, or out of its time") from None


def read_proof(proof: str, *, method: str, url: str, token: str | None, now: datetime) -> tuple[Statement, str]:
    """A proof of possession (RFC 9449) made for this very request. Returns it with its key's thumbprint (RFC 7638)."""
    try:
        header = jws.extract_compact(_bounded(proof)).headers()
        key = import_key(_public_key(header["jwk"]))
        decoded = jwt.decode(_bounded(proof), key, list(ALGORITHMS))
        _must_be_of_kind(decoded.header, PROOF)
        claims = decoded.claims
        issued_at = datetime.fromtimestamp(claims["iat"], UTC)
        if claims["htm"] != method or claims["htu"] != url or not abs(now - issued_at) <= PROOF_FRESH:
            raise NotGenuine("made for another request, or long ago")
        if token is not None and claims["ath"] != _base64url(sha256(token.encode()).digest()):
            raise NotGenuine("made for another token")
        return _within_time(claims | {"exp": claims["iat"] + PROOF_FRESH.total_seconds()}, now), key.thumbprint()
    except KINDS_OF_FAILURE:
        raise NotGenuine("not a proof of possession") from None


def _must_be_of_kind(header: Mapping[str, Any], kind: str) -> None:
    """So that none serves as another: the usual kind need not be told."""
    if header.get("typ", CLIENT_ASSERTION).lower() != kind.lower():
        raise NotGenuine("a statement of another kind")


def _within_time(claims: dict[str, Any], now: datetime) -> Statement:
    expires_at = datetime.fromtimestamp(claims["exp"], UTC)
    if not now - SKEW < expires_at <= now + LONGEST + SKEW:
        raise NotGenuine("it must expire within five minutes")
    if not isinstance(claims["jti"], str) or not 0 < len(claims["jti"]) <= ID_MOST:
        raise NotGenuine("it must have an identifier")
    return Statement(id=claims["jti"], expires_at=expires_at + SKEW, claims=claims)


def _bounded(statement: str) -> bytes:
    if len(statement) > BYTES_MOST:
        raise NotGenuine("too long")
    return statement.encode("ascii", errors="strict")


def _base64url(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
