"""Signing people in with OpenID Connect: authorisation code, PKCE, and a second factor that the provider vouches for.

Authlib speaks to the provider; every answer is bounded in time and in bytes, and no redirection is followed.
"""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import httpx2
import msgspec
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from application.identity_provider import ProviderUnreachable, SignIn, SignInRefused, WeakSignIn
from application.memberships import Identity
from application.service_clients import ALGORITHMS
from domain.clock import Clock
from infrastructure.settings import Settings

TIMEOUT_SECONDS = 10.0
KEPT_SECONDS = 3600.0
ASKED_AGAIN_SECONDS = 60.0
"""A key that we do not know makes us ask for the keys again, but not more often than this."""
BYTES_MOST = 128 * 1024
TEXT_MOST = 255  # OpenID Connect Core 2: of an issuer's identifier for a person.
SKEW_SECONDS = 60
NAME = re.compile(r"[^\u0000-\u001f\u007f]{1,200}")
LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost)[:/]")


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """What the provider publishes of itself (OpenID Connect Discovery)."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None = None
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class OpenIdProvider:
    """See `application.identity_provider.IdentityProvider`."""

    def __init__(self, settings: Settings, clock: Clock, monotonic: Callable[[], float] = time.monotonic) -> None:
        assert settings.oidc_issuer is not None
        self._issuer = settings.oidc_issuer.rstrip("/")
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic
        self._configuration: tuple[float, Configuration] | None = None
        self._keys: tuple[float, KeySet] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def address(self, sign_in: SignIn, redirect_uri: str) -> str:
        known = await self._configured()
        async with self._client(known, redirect_uri) as client:
            address, _ = client.create_authorization_url(
                known.authorization_endpoint,
                state=sign_in.state,
                code_verifier=sign_in.verifier,
                nonce=sign_in.nonce,
                claims=json.dumps({"id_token": {"amr": None, "acr": None}}),
                **({"acr_values": " ".join(self._levels)} if self._levels else {}),
            )
        return str(address)

    async def identity(self, sign_in: SignIn, redirect_uri: str, code: str) -> Identity:
        known = await self._configured()
        async with self._client(known, redirect_uri) as client:
            token = await _asked(
                client.fetch_token(
                    known.token_endpoint, code=code, code_verifier=sign_in.verifier, grant_type="authorization_code"
                )
            )
            claims = await self._claims(known, token, sign_in.nonce)
            self._must_be_strong(claims)
            if "name" not in claims and "given_name" not in claims and known.userinfo_endpoint is not None:
                claims = await self._with_name(known, client, claims)
        return _identity(known.issuer, claims)

    @property
    def _levels(self) -> list[str]:
        return [level for level in (self._settings.oidc_acr or "").split(",") if level]

    def _must_be_strong(self, claims: Mapping[str, Any]) -> None:
        ways = set(self._settings.oidc_amr.split(",")) - {""}
        told = claims.get("amr")
        if claims.get("acr") not in self._levels and not (isinstance(told, list) and ways & set(map(str, told))):
            raise WeakSignIn

    async def _claims(self, known: Configuration, answer: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """What the provider signed, for us, in answer to this very sign-in. Raises SignInRefused."""
        token = await self._verified(known, str(answer.get("id_token") or ""))
        checked = CodeIDToken(
            token.claims,
            token.header,
            {"iss": {"essential": True, "value": known.issuer}, "aud": {"essential": True, "value": self._client_id}},
            {"nonce": nonce, "client_id": self._client_id, "access_token": answer.get("access_token")},
        )
        try:
            checked.validate(now=int(self._clock.now().timestamp()), leeway=SKEW_SECONDS)
        except (JoseError, ValueError, TypeError):
            raise SignInRefused from None
        return dict(checked)

    async def _verified(self, known: Configuration, token: str) -> jwt.Token:
        """Tried again once with fresh keys: the provider may just have changed them."""
        for again in (False, True):
            keys = await self._key_set(known, again=again)
            try:
                return jwt.decode(token, keys, list(ALGORITHMS))
            except (JoseError, ValueError, TypeError, KeyError):
                continue
        raise SignInRefused

    async def _with_name(
        self, known: Configuration, client: AsyncOAuth2Client, claims: dict[str, Any]
    ) -> dict[str, Any]:
        """Some providers tell names at another address only, as a signed statement or as JSON (Core 5.3)."""
        assert known.userinfo_endpoint is not None
        answer = await _asked(client.get(known.userinfo_endpoint))
        if answer.headers.get("content-type", "").startswith("application/jwt"):
            told = (await self._verified(known, answer.text)).claims
        else:
            told = _json(answer)
        if told.get("sub") != claims["sub"]:
            raise SignInRefused
        return told | claims

    async def _configured(self) -> Configuration:
        async with self._one_at_a_time:
            if self._configuration is None or self._monotonic() - self._configuration[0] > KEPT_SECONDS:
                async with self._plain() as client:
                    answer = await _asked(client.get(f"{self._issuer}/.well-known/openid-configuration"))
                try:
                    known = msgspec.convert(_json(answer), Configuration)
                except msgspec.ValidationError:
                    raise ProviderUnreachable from None
                if known.issuer.rstrip("/") != self._issuer or not all(map(_is_safe, _addresses(known))):
                    raise ProviderUnreachable
                self._configuration = (self._monotonic(), known)
            return self._configuration[1]

    async def _key_set(self, known: Configuration, *, again: bool) -> KeySet:
        async with self._one_at_a_time:
            age = KEPT_SECONDS + 1 if self._keys is None else self._monotonic() - self._keys[0]
            if self._keys is None or age > (ASKED_AGAIN_SECONDS if again else KEPT_SECONDS):
                async with self._plain() as client:
                    answer = await _asked(client.get(known.jwks_uri))
                try:
                    keys = KeySet.import_key_set(_json(answer))  # type: ignore[arg-type]
                except (JoseError, ValueError, TypeError, KeyError):
                    raise ProviderUnreachable from None
                self._keys = (self._monotonic(), keys)
            return self._keys[1]

    @property
    def _client_id(self) -> str:
        assert self._settings.oidc_client_id is not None
        return self._settings.oidc_client_id

    def _plain(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    def _client(self, known: Configuration, redirect_uri: str) -> AsyncOAuth2Client:
        secret_file = self._settings.oidc_client_secret_file
        basic = "client_secret_basic" in known.token_endpoint_auth_methods_supported
        method = "none" if secret_file is None else "client_secret_basic" if basic else "client_secret_post"
        return AsyncOAuth2Client(
            self._client_id,
            None if secret_file is None else secret_file.read_text("utf-8").strip(),
            token_endpoint_auth_method=method,
            scope=self._settings.oidc_scope,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            leeway=0,
            timeout=TIMEOUT_SECONDS,
            follow_redirects=False,
        )


async def _asked(answer: Awaitable[Any]) -> Any:
    """Raises SignInRefused when the provider says no, ProviderUnreachable when it does not answer as it should."""
    try:
        async with asyncio.timeout(TIMEOUT_SECONDS):
            return await answer
    except OAuthError:
        raise SignInRefused from None
    except (TimeoutError, OSError, ValueError, httpx2.HTTPError):
        raise ProviderUnreachable from None


def _json(answer: httpx2.Response) -> dict[str, Any]:
    if answer.status_code != 200 or len(answer.content) > BYTES_MOST:
        raise ProviderUnreachable
    try:
        told = answer.json()
    except (ValueError, RecursionError):
        raise ProviderUnreachable from None
    if not isinstance(told, dict):
        raise ProviderUnreachable
    return told


def _addresses(known: Configuration) -> list[str]:
    addresses = [known.authorization_endpoint, known.token_endpoint, known.jwks_uri]
    return addresses + ([known.userinfo_endpoint] if known.userinfo_endpoint else [])


def _is_safe(address: str) -> bool:
    return address.startswith("https://") or LOOPBACK.match(address) is not None


def _identity(issuer: str, claims: Mapping[str, Any]) -> Identity:
    sub = claims["sub"]
    if not isinstance(sub, str) or not 0 < len(sub) <= TEXT_MOST:
        raise SignInRefused
    family = claims.get("usual_name") or claims.get("family_name")
    parts = [part for part in (claims.get("given_name"), family) if isinstance(part, str)]
    return Identity(
        issuer=issuer, sub=sub, name=_text(claims.get("name") or " ".join(parts)), email=_text(claims.get("email"))
    )


def _text(told: object) -> str | None:
    return told if isinstance(told, str) and NAME.fullmatch(told) else None
