"""A role is asked for, given by somebody who answers for it, reviewed, and ended; nobody decides on their own."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.command import Act
from domain.errors import DomainError
from domain.membership import (
    LAPSES_AFTER,
    REVIEW_EVERY,
    Member,
    MembershipState,
    NotAsked,
    NotHeld,
    NotOneself,
    NotYoursToGive,
    WhoAnswers,
    introduce,
    member_id_of,
    must_answer_for,
)
from domain.roles import OF_AN_AGENCY, Role

CCAS, MISSION = "ccas-montpellier", "mission-locale"
NOW = datetime(2026, 3, 10, 9, tzinfo=UTC)
ADA = member_id_of("https://identity.example", "ada")
LEAD = WhoAnswers(agency=CCAS, roles=frozenset({Role.LEAD}), member_id=uuid4())
OPERATOR = WhoAnswers(agency=MISSION, roles=frozenset({Role.OPERATOR}), member_id=uuid4())
Decision = Callable[[Member, str, Role, WhoAnswers, Act], None]


def at(days: int = 0) -> Act:
    now = NOW + timedelta(days=days)
    return Act(agency=CCAS, agent=str(ADA), at=now, today=now.date())


def today(days: int = 0) -> date:
    return at(days).today


def ada(*roles: Role, agency: str = CCAS) -> Member:
    member = introduce("FR-34", ADA, {"issuer": "i", "sub": "s", "name": "Ada", "email": None}, at())
    for role in roles:
        member.request(agency, role, at())
        member.approve(agency, role, OPERATOR if role not in OF_AN_AGENCY else LEAD, at())
    return member


def state(member: Member, role: Role = Role.WORKER) -> MembershipState:
    return member.memberships[CCAS, role].state


def test_a_role_counts_once_it_is_given() -> None:
    member = ada()
    member.request(CCAS, Role.WORKER, at())
    assert member.roles_in(CCAS, today()) == frozenset()
    member.approve(CCAS, Role.WORKER, LEAD, at())
    assert member.roles_in(CCAS, today()) == {Role.WORKER}
    assert member.roles_in(MISSION, today()) == frozenset()


def test_a_refused_role_may_be_asked_for_again() -> None:
    member = ada()
    member.request(CCAS, Role.WORKER, at())
    member.refuse(CCAS, Role.WORKER, LEAD, at())
    assert state(member) is MembershipState.REFUSED
    with pytest.raises(NotAsked):
        member.approve(CCAS, Role.WORKER, LEAD, at())
    member.request(CCAS, Role.WORKER, at(1))
    assert state(member) is MembershipState.REQUESTED


def test_saying_the_same_again_adds_nothing() -> None:
    member = ada(Role.WORKER)
    member.collect_events()
    member.request(CCAS, Role.WORKER, at())
    member.approve(CCAS, Role.WORKER, LEAD, at())
    member.rename("Ada", None, at())
    member.review(CCAS, Role.WORKER, LEAD, at())
    assert member.collect_events() == []
    member.end(CCAS, Role.WORKER, LEAD, at())
    member.end(CCAS, Role.WORKER, LEAD, at())
    assert len(member.collect_events()) == 1


def test_a_role_lapses_a_month_after_its_review_was_due() -> None:
    member = ada(Role.WORKER)
    last = (REVIEW_EVERY + LAPSES_AFTER).days
    assert member.roles_in(CCAS, today(last)) == {Role.WORKER}
    assert member.roles_in(CCAS, today(last + 1)) == frozenset()
    with pytest.raises(NotHeld):
        member.review(CCAS, Role.WORKER, LEAD, at(last + 1))
    member.request(CCAS, Role.WORKER, at(last + 1))
    assert state(member) is MembershipState.REQUESTED


def test_a_review_puts_the_next_one_off_by_six_months() -> None:
    member = ada(Role.WORKER)
    member.review(CCAS, Role.WORKER, LEAD, at(100))
    assert member.memberships[CCAS, Role.WORKER].review_due == today(100) + REVIEW_EVERY


@pytest.mark.parametrize("decision", [Member.approve, Member.refuse, Member.review])
def test_nobody_decides_on_their_own_roles(decision: Decision) -> None:
    herself = WhoAnswers(agency=CCAS, roles=frozenset(Role), member_id=ADA)
    with pytest.raises(NotOneself):
        decision(ada(Role.WORKER), CCAS, Role.WORKER, herself, at())


def test_one_may_give_up_a_role_of_ones_own() -> None:
    member = ada(Role.WORKER)
    member.end(CCAS, Role.WORKER, WhoAnswers(agency=CCAS, roles=frozenset({Role.WORKER}), member_id=ADA), at())
    assert state(member) is MembershipState.ENDED


@pytest.mark.parametrize("decision", [Member.approve, Member.refuse, Member.review, Member.end])
def test_what_nobody_asked_for_is_not_decided(decision: Decision) -> None:
    with pytest.raises(NotAsked):
        decision(ada(), CCAS, Role.WORKER, LEAD, at())


ROLES = st.sampled_from(Role)
AGENCIES = st.sampled_from([CCAS, MISSION])


@given(role=ROLES, agency=AGENCIES, theirs=AGENCIES, roles=st.frozensets(ROLES), member_id=st.none() | st.uuids())
def test_a_lead_answers_for_an_agency_and_an_operator_for_leads_and_the_territory(
    role: Role, agency: str, theirs: str, roles: frozenset[Role], member_id: UUID | None
) -> None:
    who = WhoAnswers(agency=theirs, roles=roles, member_id=member_id)
    of_the_agency = role in {Role.WORKER, Role.CARE_WORKER, Role.LEAD}
    allowed = (of_the_agency and Role.LEAD in roles and theirs == agency) or (
        Role.OPERATOR in roles and role not in {Role.WORKER, Role.CARE_WORKER}
    )
    assert refusal(lambda: must_answer_for(role, agency, who, ADA)) is (None if allowed else NotYoursToGive)


def refusal(act: Callable[[], Any]) -> type[DomainError] | None:
    try:
        act()
    except DomainError as error:
        return type(error)
    return None
