"""Whatever anyone sends in place of a signed statement, of a proof or of keys is refused: nothing else ever happens."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from joserfc import jwt
from joserfc.jwk import ECKey

from application.signed_statements import (
    NotGenuine,
    UnusableKeys,
    client_named_by,
    public_keys,
    read,
    read_proof,
)

NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
KEY = ECKey.generate_key("P-256", auto_kid=True)
KEYS = public_keys(json.dumps(KEY.as_dict(private=False)))
CLAIMS: dict[str, Any] = {"iss": "c", "sub": "c", "aud": "us", "exp": int(NOW.timestamp()) + 60, "jti": "1"}
PROOF_CLAIMS: dict[str, Any] = {"htm": "GET", "htu": "u", "iat": int(NOW.timestamp()), "jti": "1"}

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([1e300, -1e300, ""])
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
)
MEMBERS = st.sampled_from(["kty", "crv", "x", "y", "n", "e", "d", "k", "kid", "alg", "use", "key_ops", "oth"])
JWKS = st.dictionaries(MEMBERS, VALUES | st.sampled_from(["EC", "RSA", "OKP", "oct", "P-256", "Ed25519", "AQAB"]))


def is_refused(statement: str) -> bool:
    """By each reader; any other exception fails the test."""
    readers = (
        lambda: client_named_by(statement),
        lambda: read(statement, KEYS, kind="JWT", issuer="c", audience=("us",), now=NOW),
        lambda: read_proof(statement, method="GET", url="u", token=None, now=NOW),
    )
    refused = 0
    for reader in readers:
        try:
            reader()
        except NotGenuine:
            refused += 1
    return refused >= 2  # Whom a statement claims to come from may be read before it is checked.


def part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def test_a_genuine_statement_and_a_genuine_proof_are_read() -> None:
    statement = jwt.encode({"alg": "ES256", "kid": KEY.kid}, dict(CLAIMS), KEY)
    assert client_named_by(statement) == "c"
    assert read(statement, KEYS, kind="JWT", issuer="c", audience=("us",), now=NOW).id == "1"
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": KEY.as_dict(private=False)}
    proof, thumbprint = read_proof(
        jwt.encode(header, dict(PROOF_CLAIMS), KEY), method="GET", url="u", token=None, now=NOW
    )
    assert (proof.id, thumbprint) == ("1", KEY.thumbprint())


@given(st.text() | st.text(alphabet=st.sampled_from('eyJ0.{}[]"=_-A'), max_size=200))
def test_any_text_is_refused(text: str) -> None:
    assert is_refused(text)


@given(header=VALUES, claims=VALUES, signature=st.text(alphabet=st.sampled_from("AB_-"), max_size=90))
def test_any_unsigned_statement_is_refused(header: Any, claims: Any, signature: str) -> None:
    assert is_refused(f"{part(header)}.{part(claims)}.{signature}")


@given(st.dictionaries(st.sampled_from(sorted(CLAIMS)), VALUES, min_size=1))
def test_a_signed_statement_of_anything_else_is_refused(altered: dict[str, Any]) -> None:
    same = {name: value for name, value in altered.items() if name in {"sub", "jti"} and isinstance(value, str)}
    statement = jwt.encode({"alg": "ES256", "kid": KEY.kid}, CLAIMS | altered, KEY)
    assert is_refused(statement) or same == altered


@given(jwk=JWKS, claims=st.dictionaries(st.sampled_from(sorted(PROOF_CLAIMS)), VALUES))
def test_a_proof_with_any_other_key_is_refused(jwk: dict[str, Any], claims: dict[str, Any]) -> None:
    header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": jwk}
    assert is_refused(f"{part(header)}.{part(PROOF_CLAIMS | claims)}.{'A' * 86}")


@given(JWKS | VALUES | st.lists(JWKS).map(lambda keys: {"keys": keys}))
def test_keys_are_usable_or_refused(keys: Any) -> None:
    try:
        stored = json.loads(public_keys(json.dumps(keys)))
    except UnusableKeys:
        return
    assert all(set(key) <= {"kty", "crv", "x", "y", "n", "e", "kid", "alg", "use", "key_ops"} for key in stored["keys"])
