"""The first operator of an installation: let in by a link that works once, within the hour. There is no password."""

from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from application.credentials import BOOTSTRAP, digest_of, is_credential, new_credential
from application.memberships import AT_THE_MACHINE, Identity, Members
from domain.clock import Clock
from domain.errors import DomainError
from domain.membership import Member
from domain.roles import Role

GOOD_FOR = timedelta(hours=1)
FIRST_ROLES = (Role.OPERATOR, Role.LEAD)


class BootstrapLinks(Protocol):
    """Where links are stored: by the SHA-256 of their code."""

    async def add(self, digest: bytes, made_at: datetime, expires_at: datetime) -> None:
        """Forgets those that are too old."""

    async def is_good(self, digest: bytes, now: datetime) -> bool: ...

    async def use(self, digest: bytes, now: datetime) -> bool:
        """True for one caller only, and within its time. The other links that wait stop working then."""

    async def any_used(self) -> bool:
        """Whether an operator came in by one already."""


class InvalidBootstrap(DomainError):
    """This link was used, is too old, or never was one: make another with "unisson bootstrap"."""

    code = "invalid_bootstrap"
    status = 403
    title_fr = (
        "Ce lien a servi, est trop ancien, ou n'en a jamais été un : faites-en un autre par « unisson bootstrap »."
    )


class Bootstrap:
    """Makes links, and the operator who comes by one."""

    def __init__(self, links: BootstrapLinks, members: Members, clock: Clock) -> None:
        self._links = links
        self._members = members
        self._clock = clock

    async def offer(self) -> str | None:
        """A code while no operator ever came in; None afterwards."""
        return None if await self._links.any_used() else await self.make()

    async def make(self) -> str:
        """The code: shown once, to whoever may run commands on this installation."""
        code, now = new_credential(BOOTSTRAP), self._clock.now()
        await self._links.add(digest_of(code), now, now + GOOD_FOR)
        return code

    async def must_be_good(self, code: str) -> None:
        """Raises InvalidBootstrap; uses nothing up."""
        if not is_credential(BOOTSTRAP, code) or not await self._links.is_good(digest_of(code), self._clock.now()):
            raise InvalidBootstrap

    async def use(self, code: str, territory: str, agency: str, identity: Identity) -> UUID:
        """Make this person an operator, and the agency's lead. Raises InvalidBootstrap, and makes nobody anything."""
        if not is_credential(BOOTSTRAP, code) or not await self._links.use(digest_of(code), self._clock.now()):
            raise InvalidBootstrap
        member_id = await self._members.introduce(territory, agency, identity)
        for role in FIRST_ROLES:
            await self._members.request(territory, member_id, agency, role)
            await self._members.decide(territory, member_id, agency, role, Member.approve, AT_THE_MACHINE)
        return member_id
