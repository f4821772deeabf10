"""An identity provider on this machine: a real HTTP server that speaks OpenID Connect, and lets the test misbehave."""

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from joserfc import jwt
from joserfc.jwk import RSAKey

from domain.clock import Clock
from tests.support.plain_server import PlainServer, Request

CLIENT_ID = "unisson"
SECRET = "a secret that they share"


class LocalProvider:
    """`claims` add to what it says of whoever signs in, or replace it; None leaves a claim out."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.key = RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)
        self.published = self.key
        self.address = ""
        self.sub = "somebody"
        self.claims: dict[str, Any] = {}
        self.userinfo: dict[str, Any] = {}
        self.asked: dict[str, dict[str, str]] = {}
        self.is_down = False
        self.is_public = False
        """Takes whoever has the code and its verifier for the client, without a secret."""

    def sign_in(self, address: str, **claims: Any) -> dict[str, str]:
        """What the person's browser brings back after signing in at this address of the provider."""
        asked = dict(parse_qsl(urlsplit(address).query))
        assert asked["code_challenge_method"] == "S256"
        code = f"code-{len(self.asked)}"
        self.asked[code] = asked
        self.claims = {"sub": self.sub, "amr": ["pwd", "mfa"], "name": "Ada Martin"} | claims
        return {"code": code, "state": asked["state"]}

    def answer(self, request: Request) -> tuple[int, str, str]:
        if self.is_down:
            return 502, "text/html", "<p>Bad gateway"
        match request.path:
            case "/.well-known/openid-configuration":
                return 200, "application/json", json.dumps(self._configuration())
            case "/keys":
                return 200, "application/json", json.dumps({"keys": [self.published.as_dict(private=False)]})
            case "/token":
                return self._token(request)
            case "/userinfo":
                return 200, "application/json", json.dumps(self.userinfo)
        return 404, "text/plain", ""

    def _configuration(self) -> dict[str, str]:
        return {
            "issuer": self.address,
            "authorization_endpoint": f"{self.address}/authorize",
            "token_endpoint": f"{self.address}/token",
            "jwks_uri": f"{self.address}/keys",
            "userinfo_endpoint": f"{self.address}/userinfo",
        }

    def _token(self, request: Request) -> tuple[int, str, str]:
        """As RFC 6749 and RFC 7636 say: the client, its code once, its verifier, its address."""
        form = {name: values[0] for name, values in parse_qs(request.body).items()}
        basic = base64.b64encode(f"{CLIENT_ID}:{SECRET}".encode()).decode()
        asked = self.asked.pop(form.get("code", ""), None)
        challenge = base64.urlsafe_b64encode(sha256(form.get("code_verifier", "").encode()).digest()).rstrip(b"=")
        known = self.is_public or request.headers.get("authorization") == f"Basic {basic}"
        if asked is None or not known or form.get("redirect_uri") != asked["redirect_uri"]:
            return 400, "application/json", json.dumps({"error": "invalid_grant"})
        if challenge.decode() != asked["code_challenge"]:
            return 400, "application/json", json.dumps({"error": "invalid_grant"})
        told = {"access_token": "opaque", "token_type": "Bearer", "expires_in": 60, "id_token": self._id_token(asked)}
        return 200, "application/json", json.dumps(told)

    def _id_token(self, asked: dict[str, str]) -> str:
        now = int(self.clock.now().timestamp())
        told = {"iss": self.address, "aud": CLIENT_ID, "iat": now, "exp": now + 60, "nonce": asked["nonce"]}
        told |= self.claims
        claims = {name: value for name, value in told.items() if value is not None}
        return jwt.encode({"alg": "RS256", "kid": self.key.kid}, claims, self.key)


@asynccontextmanager
async def local_provider(clock: Clock) -> AsyncIterator[LocalProvider]:
    provider = LocalProvider(clock)
    async with PlainServer(provider.answer) as address:
        provider.address = address
        yield provider
