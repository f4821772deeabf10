"""The whole service in the test's own loop, on a database of its own, with clients that hold API keys."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any
from uuid import UUID, uuid4

import httpx2
from litestar import Litestar

from api.app import create_app
from api.browser import SESSION_COOKIE
from api.limits import Limits
from api.runtime import Runtime
from application.access import Scope
from application.api_keys import issue
from application.memberships import Identity
from application.service_clients import SERVICE_SCOPES, ServiceClient, new_client_id
from domain.clock import Clock, SettableClock
from domain.membership import Member, WhoAnswers
from domain.roles import Role
from infrastructure.settings import Settings

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TERRITORY = "FR-34"
CCAS = "ccas-montpellier"
MISSION_LOCALE = "mission-locale"
HOUSING = "logement-hebergement--acheter-un-logement"


class Agency(httpx2.AsyncClient):
    """An agency's own software: sends its key, and an idempotency key with each POST unless told otherwise."""

    async def command(self, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        sent = {"Idempotency-Key": str(uuid4())} | {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.post(path, json={} if body is None else body, headers=sent)

    async def opened(self, **body: Any) -> str:
        """A new pathway's address."""
        response = await self.command("/v1/pathways", body)
        assert response.status_code == 201, response.text
        return str(response.headers["location"])


class Service:
    """A running application."""

    def __init__(self, app: Litestar, stack: AsyncExitStack) -> None:
        self.app = app
        self._stack = stack

    @property
    def runtime(self) -> Runtime:
        runtime = self.app.state.runtime
        assert isinstance(runtime, Runtime)
        return runtime

    async def token(self, agency: str = CCAS, **fields: Any) -> str:
        key, token = issue(territory=TERRITORY, agency=agency, now=self.runtime.clock.now(), **fields)
        await self.runtime.keys.add(key)
        return token

    async def agency(self, agency: str = CCAS, scopes: frozenset[Scope] | None = None, **fields: Any) -> Agency:
        if scopes is not None:
            fields["scopes"] = scopes
        return await self.client({"Authorization": f"Bearer {await self.token(agency, **fields)}"})

    async def partner(
        self, agency: str = CCAS, scopes: frozenset[Scope] = SERVICE_SCOPES, *, member_id: UUID | None = None
    ) -> Agency:
        """An agency's software with an access token; with `member_id`, on behalf of a member of the agency."""
        client = ServiceClient(
            client_id=new_client_id(),
            territory=TERRITORY,
            agency=agency,
            label="",
            scopes=scopes,
            keys='{"keys":[]}',
            created_at=self.runtime.clock.now(),
        )
        await self.runtime.clients.add(client)
        _, token = await self.runtime.tokens.issue(client, scopes, member_id=member_id)
        return await self.client({"Authorization": f"Bearer {token}"})

    async def person(self, *roles: Role, agency: str = CCAS, sub: str | None = None) -> Agency:
        """A person with these roles in the agency, signed in. Their `member_id` is in `agent`, as /v1/me tells it."""
        member_id = await self.member(*roles, agency=agency, sub=sub)
        shown = await self.runtime.sessions.open(TERRITORY, agency, member_id)
        return await self.client({"Cookie": f"{SESSION_COOKIE}={shown}", "X-Unisson-Request": "1"})

    async def member(self, *roles: Role, agency: str = CCAS, sub: str | None = None) -> UUID:
        """Somebody whose roles were approved; without `sub`, somebody new."""
        identity = Identity(issuer="https://identity.example", sub=sub or str(uuid4()))
        members, member_id = self.runtime.members, await self.runtime.members.introduce(TERRITORY, agency, identity)
        lead = WhoAnswers(agency=agency, roles=frozenset({Role.LEAD, Role.OPERATOR}), member_id=uuid4())
        for role in roles:
            await members.request(TERRITORY, member_id, agency, role)
            await members.decide(TERRITORY, member_id, agency, role, Member.approve, lead)
        return member_id

    async def end(self, member_id: UUID, role: Role, agency: str = CCAS) -> None:
        """Take a role back."""
        lead = WhoAnswers(agency=agency, roles=frozenset({Role.LEAD, Role.OPERATOR}), member_id=uuid4())
        await self.runtime.members.decide(TERRITORY, member_id, agency, role, Member.end, lead)

    async def client(self, headers: dict[str, str] | None = None) -> Agency:
        """Without a key unless `headers` hold one."""
        transport = httpx2.ASGITransport(app=self.app)  # type: ignore[arg-type]
        return await self._stack.enter_async_context(
            Agency(transport=transport, base_url="http://test", headers={"Accept-Language": "en"} | (headers or {}))
        )


@asynccontextmanager
async def running(
    database_url: str,
    folder: Path,
    *,
    clock: Clock | None = None,
    limits: Limits | None = None,
    allowed_origins: str | None = None,
    chosen: Mapping[str, Any] = MappingProxyType({}),
    **options: Any,
) -> AsyncIterator[Service]:
    settings = Settings(data_dir=folder, database_url=database_url, allowed_origins=allowed_origins, **chosen)
    app = create_app(settings, clock=clock or SettableClock(NOW), limits=limits, **options)
    async with _in_a_task_of_its_own(app.lifespan()), AsyncExitStack() as stack:
        yield Service(app, stack)


@asynccontextmanager
async def _in_a_task_of_its_own(lifespan: AbstractAsyncContextManager[None]) -> AsyncIterator[None]:
    """The framework's lifespan must end in the task where it began; the two halves of a fixture are two tasks."""
    ready, over = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with lifespan:
            ready.set()
            await over.wait()

    task = asyncio.create_task(live())
    started = asyncio.create_task(ready.wait())
    await asyncio.wait({task, started}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        started.cancel()
        await task
    try:
        yield
    finally:
        over.set()
        await task
