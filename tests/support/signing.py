"""A partner's software as it proves who it is: a pair of keys, assertions, proofs of possession."""

import base64
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import uuid4

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey

from application.access import Scope
from application.service_clients import SERVICE_SCOPES, ServiceClient, new_client_id
from application.signed_statements import public_keys
from tests.support.service import CCAS, TERRITORY, Service

ISSUER = "http://127.0.0.1:8000"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Software:
    """Registered with the service; what it sends may be altered by the test."""

    def __init__(self, service: Service, client: ServiceClient, key: ECKey) -> None:
        self.service = service
        self.client = client
        self.key = key
        self.possessed = ECKey.generate_key("P-256")

    @classmethod
    async def register(
        cls, service: Service, agency: str = CCAS, scopes: frozenset[Scope] = SERVICE_SCOPES
    ) -> "Software":
        key = ECKey.generate_key("P-256", {"use": "sig"}, auto_kid=True)
        client = ServiceClient(
            client_id=new_client_id(),
            territory=TERRITORY,
            agency=agency,
            label="",
            scopes=scopes,
            keys=public_keys(_json(key)),
            created_at=service.runtime.clock.now(),
        )
        await service.runtime.clients.add(client)
        return cls(service, client, key)

    @property
    def now(self) -> datetime:
        return self.service.runtime.clock.now()

    def statement(self, *, typ: str = "JWT", key: ECKey | None = None, alg: str = "ES256", **claims: Any) -> str:
        told = {
            "iss": self.client.client_id,
            "sub": self.client.client_id,
            "aud": ISSUER,
            "exp": int(self.now.timestamp()) + 60,
            "jti": str(uuid4()),
        }
        told |= claims
        signing = key or self.key
        header = {"alg": alg, "kid": self.key.kid, "typ": typ}
        return jwt.encode(header, {name: value for name, value in told.items() if value is not None}, signing)

    def proof(self, method: str, path: str, token: str | None = None, **claims: Any) -> str:
        told = {
            "htm": method,
            "htu": ISSUER + path,
            "iat": int(self.now.timestamp()),
            "jti": str(uuid4()),
        }
        if token is not None:
            told["ath"] = base64.urlsafe_b64encode(sha256(token.encode()).digest()).rstrip(b"=").decode()
        header = {"alg": "ES256", "typ": "dpop+jwt", "jwk": self.possessed.as_dict(private=False)}
        return jwt.encode(header, told | claims, self.possessed)

    async def ask(self, *, proof: str | None = None, **form: str) -> httpx2.Response:
        """The answer of /oauth/token; `form` adds to what is usually sent, or replaces it."""
        asked = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION}
        asked["client_assertion"] = form.pop("client_assertion", "") or self.statement()
        client = await self.service.client({} if proof is None else {"DPoP": proof})
        return await client.post("/oauth/token", data=asked | form)

    async def token(self, **form: str) -> str:
        answer = await self.ask(**form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def revoke(self, token: str) -> httpx2.Response:
        form = {"client_assertion_type": ASSERTION, "client_assertion": self.statement(), "token": token}
        return await (await self.service.client()).post("/oauth/revoke", data=form)

    async def me(self, token: str, scheme: str = "Bearer", **headers: str) -> httpx2.Response:
        return await (await self.service.client({"Authorization": f"{scheme} {token}"} | headers)).get("/v1/me")


def _json(key: ECKey) -> str:
    import json

    return json.dumps(key.as_dict(private=False))
