"""Use cases on members: introduce a person, ask for a role, give it, refuse it, review it, end it.

Roles are read from the log at each use, and believed for a second at most: an ended role opens nothing after that.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import date, tzinfo
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

import msgspec

from application.access import Scope
from application.believed import Believed
from application.civil_time import PARIS
from application.event_log import Commit, EventLog, StaleVersion
from domain.aggregate import Event
from domain.clock import Clock
from domain.command import Act
from domain.errors import DomainError
from domain.membership import Member, Membership, MembershipState, WhoAnswers, introduce, member_id_of
from domain.pathway import SYSTEM
from domain.roles import Role

ATTEMPTS = 4
AT_THE_MACHINE = WhoAnswers(agency=SYSTEM, roles=frozenset({Role.OPERATOR}))
"""Whoever may run commands on the installation itself."""

CASE_WORK = frozenset({Scope.READ, Scope.WRITE, Scope.IDENTITY, Scope.HEALTH, Scope.NOTES, Scope.SHARE, Scope.MATCH})
SCOPES_OF_ROLE: Mapping[Role, frozenset[Scope]] = MappingProxyType(
    {
        # What each may ever ask for; whether it is granted on a given pathway is for the decision table.
        Role.WORKER: CASE_WORK,
        Role.CARE_WORKER: CASE_WORK,
        Role.LEAD: frozenset({Scope.READ, Scope.WRITE, Scope.MANAGE, Scope.ERASE}),  # Writes answers to alerts only.
        Role.COORDINATOR: CASE_WORK,
        Role.STEERING: frozenset(),
        Role.DPO: frozenset(
            {Scope.READ, Scope.IDENTITY, Scope.HEALTH, Scope.NOTES, Scope.ERASE, Scope.AUDIT_INTEGRITY}
        ),
        Role.INTEGRITY_AUDITOR: frozenset({Scope.AUDIT_INTEGRITY}),
        Role.STATISTICS_AUDITOR: frozenset(),
        Role.CASE_AUDITOR: frozenset({Scope.AUDIT_CASE}),
        Role.OPERATOR: frozenset({Scope.STEER, Scope.AUDIT_INTEGRITY}),
    }
)


def scopes_of(roles: frozenset[Role]) -> frozenset[Scope]:
    return frozenset().union(*(SCOPES_OF_ROLE[role] for role in roles))


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """A person, as told by the identity provider."""

    issuer: str
    sub: str
    name: str | None = None
    email: str | None = None

    @property
    def member_id(self) -> UUID:
        return member_id_of(self.issuer, self.sub)

    def __repr__(self) -> str:
        return f"Identity(member_id={self.member_id!r})"


class MemberIndex(Protocol):
    """Who has a stream of their own in a territory."""

    async def add(self, territory: str, member_id: UUID) -> None:
        """Again is a no-op."""

    async def of_territory(self, territory: str) -> Sequence[UUID]: ...


class UnknownMember(DomainError):
    """Nobody with this identifier has come in here."""

    code = "unknown_member"
    status = 404
    title_fr = "Personne n'est venu ici sous cet identifiant."


class Members:
    """The people of every territory, straight from the log."""

    def __init__(
        self,
        log: EventLog,
        clock: Clock,
        index: MemberIndex,
        *,
        zone: tzinfo = PARIS,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        self._log = log
        self._clock = clock
        self._index = index
        self._zone = zone
        look_up = self._load_known
        self._believed = Believed(look_up) if monotonic is None else Believed(look_up, monotonic)

    async def introduce(self, territory: str, agency: str, identity: Identity) -> UUID:
        """Note who came in, or that the provider tells their name otherwise. Returns who they are here."""
        fields = {"name": identity.name, "email": identity.email}

        def decide(member: Member | None, act: Act) -> Member:
            if member is None:
                whole = {"issuer": identity.issuer, "sub": identity.sub} | fields
                return introduce(territory, identity.member_id, whole, act)
            member.rename(**fields, act=act)
            return member

        await self._index.add(territory, identity.member_id)  # First: an entry without a stream hurts nobody.
        await self._carry_out(territory, identity.member_id, agency, str(identity.member_id), decide)
        return identity.member_id

    async def request(self, territory: str, member_id: UUID, agency: str, role: Role) -> None:
        """Ask for a role, for oneself."""

        def decide(member: Member | None, act: Act) -> Member:
            known(member).request(agency, role, act)
            return known(member)

        await self._carry_out(territory, member_id, agency, str(member_id), decide)

    async def decide(
        self,
        territory: str,
        member_id: UUID,
        agency: str,
        role: Role,
        decision: Callable[[Member, str, Role, WhoAnswers, Act], None],
        who: WhoAnswers,
    ) -> None:
        """Carry out `Member.approve`, `refuse`, `review` or `end`. Raises UnknownMember and what they raise."""

        def decide(member: Member | None, act: Act) -> Member:
            decision(known(member), agency, role, who, act)
            return known(member)

        actor = str(who.member_id) if who.member_id else None
        await self._carry_out(territory, member_id, who.agency, actor, decide)

    async def roles(self, territory: str, member_id: UUID, agency: str) -> frozenset[Role]:
        """What the person may be for this agency, now."""
        member = await self._believed.get((territory, member_id))
        return frozenset() if member is None else member.roles_in(agency, self.today())

    async def read(self, territory: str, member_id: UUID) -> Member:
        """Raises UnknownMember."""
        return known(await self._load(territory, member_id))

    async def of_territory(self, territory: str, agency: str | None = None) -> list[tuple[Member, Membership]]:
        """Every role asked for or held, by what waits for somebody first; of one agency, when one is named."""
        streams = await self._log.read_streams(territory, await self._index.of_territory(territory))
        found = []
        for history in streams.values():
            member: Member | None = None
            for stored in history:
                member = stored.event.mutate(member)
            held = known(member).memberships.values()
            found += [(known(member), each) for each in held if agency in {None, each.agency}]
        return sorted(found, key=_by_urgency)

    async def _carry_out(
        self,
        territory: str,
        member_id: UUID,
        agency: str,
        actor: str | None,
        decide: Callable[[Member | None, Act], Member],
    ) -> None:
        for attempt in range(ATTEMPTS):
            member = decide(await self._load(territory, member_id), self._act(agency, actor))
            try:
                await self._append(territory, member)
            except StaleVersion:
                if attempt == ATTEMPTS - 1:
                    raise
                continue
            self._believed.forget((territory, member_id))
            return

    async def _append(self, territory: str, member: Member) -> None:
        events = [event for event in member.collect_events() if isinstance(event, Event)]
        if events:
            expected = member.version - len(events)
            commit = Commit(stream_id=member.id, expected_version=expected, events=events, subject=member.id)
            await self._log.append(territory, commit)

    async def _load_known(self, key: tuple[str, UUID]) -> Member | None:
        return await self._load(*key)

    async def _load(self, territory: str, member_id: UUID) -> Member | None:
        member: Member | None = None
        for stored in await self._log.read_stream(territory, member_id):
            member = stored.event.mutate(member)
        return member if isinstance(member, Member) else None  # Ids come from callers: it may be of something else.

    def today(self) -> date:
        return self._clock.now().astimezone(self._zone).date()

    def _act(self, agency: str, actor: str | None) -> Act:
        return Act(agency=agency, agent=actor, at=self._clock.now(), today=self.today())


def known(member: Member | None) -> Member:
    """Raises UnknownMember."""
    if member is None:
        raise UnknownMember
    return member


def _by_urgency(found: tuple[Member, Membership]) -> tuple[bool, date, str, UUID, str]:
    member, held = found
    due = held.review_due or date.max
    return held.state is not MembershipState.REQUESTED, due, held.agency, member.id, held.role
