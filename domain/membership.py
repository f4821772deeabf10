"""The member: a person who works for an agency, and the roles that agency's lead gave them. Names are sealed apart.

A role is asked for by the person, given by somebody who answers for it and never by oneself, and lapses unless it is
reviewed every six months.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID

import msgspec
from eventsourcing.domain import Aggregate

from domain.aggregate import Created, Event, stored
from domain.command import Act
from domain.compartments import Case, Identity
from domain.errors import DomainError
from domain.ids import uuid8_of
from domain.roles import OF_AN_AGENCY, Role

REVIEW_EVERY = timedelta(days=182)
LAPSES_AFTER = timedelta(days=30)
"""A role whose review is so late is no longer one: fail closed."""


class MembershipState(StrEnum):
    REQUESTED = "requested"
    GIVEN = "given"
    REFUSED = "refused"
    ENDED = "ended"


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """One role of one person in one agency."""

    agency: str
    role: Role
    state: MembershipState
    since: datetime
    review_due: date | None = None

    def holds(self, today: date) -> bool:
        return self.state is MembershipState.GIVEN and not self.is_lapsed(today)

    def is_lapsed(self, today: date) -> bool:
        return self.review_due is not None and today > self.review_due + LAPSES_AFTER


class WhoAnswers(msgspec.Struct, frozen=True, kw_only=True):
    """Who decides on somebody's role, as proved at this very moment. No member: an operator at the machine itself."""

    agency: str
    roles: frozenset[Role]
    member_id: UUID | None = None


def member_id_of(issuer: str, sub: str) -> UUID:
    """The same person, as told by the same provider, is always the same member; never found by an e-mail address."""
    return uuid8_of("member", issuer, sub)


@stored
class MemberIntroduced(Created, frozen=True, kw_only=True):
    """A person came in for the first time."""

    TOPIC: ClassVar[str] = "member.introduced"
    ORIGINATOR: ClassVar[str] = "domain.membership:Member"

    territory: Case[str]
    issuer: Identity[str] = None
    sub: Identity[str] = None
    name: Identity[str] = None
    email: Identity[str] = None

    def apply(self, member: "Member") -> None:
        member.territory = self.territory
        member.name, member.email = _known(self.name), _known(self.email)


@stored
class MemberRenamed(Event, frozen=True, kw_only=True):
    """The provider tells the person's name or address otherwise than before."""

    TOPIC: ClassVar[str] = "member.renamed"

    name: Identity[str] = None
    email: Identity[str] = None

    def apply(self, member: "Member") -> None:
        member.name, member.email = _known(self.name), _known(self.email)


class RoleEvent(Event, frozen=True, kw_only=True):
    """Something that happened to one role of one person in one agency."""

    of_agency: Case[str]
    role: Case[Role]

    STATE: ClassVar[MembershipState]

    def apply(self, member: "Member") -> None:
        member.memberships[self.of_agency, self.role] = Membership(
            agency=self.of_agency,
            role=self.role,
            state=self.STATE,
            since=self.timestamp,
            review_due=getattr(self, "review_due", None),
        )


@stored
class RoleRequested(RoleEvent, frozen=True, kw_only=True):
    """A person asked for a role."""

    TOPIC: ClassVar[str] = "member.role-requested"
    STATE: ClassVar[MembershipState] = MembershipState.REQUESTED


@stored
class RoleGiven(RoleEvent, frozen=True, kw_only=True):
    """Somebody who answers for it gave the role."""

    TOPIC: ClassVar[str] = "member.role-given"
    STATE: ClassVar[MembershipState] = MembershipState.GIVEN

    review_due: Case[date]


@stored
class RoleRefused(RoleEvent, frozen=True, kw_only=True):
    """Somebody who answers for it refused the role."""

    TOPIC: ClassVar[str] = "member.role-refused"
    STATE: ClassVar[MembershipState] = MembershipState.REFUSED


@stored
class RoleReviewed(RoleEvent, frozen=True, kw_only=True):
    """Somebody who answers for it found that the role is still needed."""

    TOPIC: ClassVar[str] = "member.role-reviewed"
    STATE: ClassVar[MembershipState] = MembershipState.GIVEN

    review_due: Case[date]


@stored
class RoleEnded(RoleEvent, frozen=True, kw_only=True):
    """The role ended: given up by the person, or taken back."""

    TOPIC: ClassVar[str] = "member.role-ended"
    STATE: ClassVar[MembershipState] = MembershipState.ENDED


MEMBER_TOPICS = frozenset(
    each.TOPIC
    for each in (MemberIntroduced, MemberRenamed, RoleRequested, RoleGiven, RoleRefused, RoleReviewed, RoleEnded)
)


class Member(Aggregate):
    """A person, and every role they asked for or had in a territory."""

    def __init__(self) -> None:
        self.territory = ""
        self.name: str | None = None
        self.email: str | None = None
        self.memberships: dict[tuple[str, Role], Membership] = {}

    def roles_in(self, agency: str, today: date) -> frozenset[Role]:
        return frozenset(held.role for held in self.memberships.values() if held.agency == agency and held.holds(today))

    def rename(self, name: str | None, email: str | None, act: Act) -> None:
        """What the provider no longer tells is forgotten; the same again is a no-op."""
        if (name, email) != (self.name, self.email):
            self._record(MemberRenamed, act, name=name, email=email)

    def request(self, agency: str, role: Role, act: Act) -> None:
        """Ask for a role. Already asked for, or held, it is a no-op."""
        held = self.memberships.get((agency, role))
        if held is None or not (held.state is MembershipState.REQUESTED or held.holds(act.today)):
            self._record(RoleRequested, act, of_agency=agency, role=role)

    def approve(self, agency: str, role: Role, who: WhoAnswers, act: Act) -> None:
        """Give a role that was asked for. Given already, it is a no-op. Raises NotAsked, NotOneself, NotYoursToGive."""
        must_answer_for(role, agency, who, self.id)
        held = self._asked(agency, role)
        if held.state is MembershipState.REQUESTED:
            self._record(RoleGiven, act, of_agency=agency, role=role, review_due=act.today + REVIEW_EVERY)
        elif held.state is not MembershipState.GIVEN:
            raise NotAsked

    def refuse(self, agency: str, role: Role, who: WhoAnswers, act: Act) -> None:
        """Refuse a role that was asked for. Refused already, it is a no-op."""
        must_answer_for(role, agency, who, self.id)
        held = self._asked(agency, role)
        if held.state is MembershipState.REQUESTED:
            self._record(RoleRefused, act, of_agency=agency, role=role)
        elif held.state is not MembershipState.REFUSED:
            raise NotAsked

    def review(self, agency: str, role: Role, who: WhoAnswers, act: Act) -> None:
        """Say that a role is still needed; it is due again in six months. A lapsed one must be asked for again."""
        must_answer_for(role, agency, who, self.id)
        held = self._asked(agency, role)
        if not held.holds(act.today):
            raise NotHeld
        if held.review_due != act.today + REVIEW_EVERY:
            self._record(RoleReviewed, act, of_agency=agency, role=role, review_due=act.today + REVIEW_EVERY)

    def end(self, agency: str, role: Role, who: WhoAnswers, act: Act) -> None:
        """Take a role back, or give up one's own. Ended already, it is a no-op."""
        if who.member_id != self.id:
            must_answer_for(role, agency, who, self.id)
        held = self._asked(agency, role)
        if held.state is not MembershipState.ENDED:
            self._record(RoleEnded, act, of_agency=agency, role=role)

    def _asked(self, agency: str, role: Role) -> Membership:
        held = self.memberships.get((agency, role))
        if held is None:
            raise NotAsked
        return held

    def _record(self, event_type: type[Event], act: Act, **fields: Any) -> None:
        self.trigger_event(event_type, agency=act.agency, actor=act.agent, timestamp=act.at, **fields)


def introduce(territory: str, member_id: UUID, identity: Mapping[str, str | None], act: Act) -> Member:
    """The new member, with its first event pending. `identity`: issuer, sub, name, email."""
    return Member._create(  # noqa: SLF001 (the library's way to create an aggregate from a given event type)
        MemberIntroduced,
        id=member_id,
        timestamp=act.at,
        agency=act.agency,
        actor=act.agent,
        territory=territory,
        **identity,
    )


def must_answer_for(role: Role, agency: str, who: WhoAnswers, member_id: UUID) -> None:
    """The agency's lead answers for its own people; an operator for leads and for roles of the whole territory."""
    if who.member_id == member_id:
        raise NotOneself
    by_lead = role in OF_AN_AGENCY and Role.LEAD in who.roles and who.agency == agency
    by_operator = (role is Role.LEAD or role not in OF_AN_AGENCY) and Role.OPERATOR in who.roles
    if not (by_lead or by_operator):
        raise NotYoursToGive


def _known(value: Any) -> str | None:
    return value if isinstance(value, str) else None


class NotOneself(DomainError):
    """Nobody decides on their own roles."""

    code = "not_oneself"
    status = 403
    title_fr = "Personne ne décide de ses propres rôles."


class NotYoursToGive(DomainError):
    """This role is for the agency's lead, or for an operator, to give or to end."""

    code = "not_yours_to_give"
    status = 403
    title_fr = "Ce rôle est donné et retiré par le responsable du service, ou par un exploitant."


class NotAsked(DomainError):
    """This person has not asked for this role."""

    code = "role_not_asked"
    title_fr = "Cette personne n'a pas demandé ce rôle."


class NotHeld(DomainError):
    """This person does not hold this role, or it has lapsed: it must be asked for again."""

    code = "role_not_held"
    title_fr = "Cette personne n'a pas ce rôle, ou il est échu : il faut le demander de nouveau."
