"""`unisson members`: who asked for which role, and decisions taken at the machine, where no lead can take them yet."""

from collections.abc import Callable
from datetime import date
from typing import Annotated
from uuid import UUID

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure
from api.cli.language import say
from api.cli.output import Agency, Json, Territory, write_json, write_line
from application.memberships import AT_THE_MACHINE, Members
from domain.clock import SystemClock
from domain.command import Act
from domain.errors import DomainError
from domain.membership import Member, Membership, WhoAnswers
from domain.roles import Role
from infrastructure.sessions import PostgresMemberIndex

app = group("members")

MemberId = Annotated[UUID, Parameter(help=say("Ce que donne « members list ».", 'What "members list" shows.'))]
RoleOption = Annotated[
    Role, Parameter(name="--role", help=say("Le rôle : lead, worker, dpo…", "The role: lead, worker, dpo…"))
]


@app.command(
    name="list",
    help=say(
        "Les rôles demandés et tenus, ceux qui attendent une décision d'abord.",
        "The roles asked for and held, those that wait for a decision first.",
    ),
)
def list_(
    *,
    territory: Territory,
    due: Annotated[
        bool,
        Parameter(negative="", help=say("Ceux dont la revue est due seulement.", "Only those whose review is due.")),
    ] = False,
    json: Json = False,
) -> None:
    found, today = installation.run(_list(territory))
    shown = [each for each in found if not due or (each[1].review_due is not None and each[1].review_due <= today)]
    if json:
        write_json({"memberships": [_told(member, held, today) for member, held in shown]})
        return
    for member, held in shown:
        until = f"{held.review_due:%Y-%m-%d}" if held.review_due else "-" * 10
        write_line(f"{member.id}  {held.state:<9}  {until}  {held.agency}  {held.role}")


@app.command(
    name="approve",
    help=say(
        "Donner un rôle demandé : responsable d'un service, ou rôle de tout le territoire.",
        "Give a role that was asked for: lead of an agency, or of the whole territory.",
    ),
)
def approve(member: MemberId, /, *, territory: Territory, agency: Agency, role: RoleOption) -> None:
    installation.run(_decide(territory, member, agency, role, Member.approve))


@app.command(name="review", help=say("Dire qu'un rôle est encore utile.", "Say that a role is still needed."))
def review(member: MemberId, /, *, territory: Territory, agency: Agency, role: RoleOption) -> None:
    installation.run(_decide(territory, member, agency, role, Member.review))


@app.command(name="end", help=say("Retirer un rôle ; il n'ouvre plus rien.", "Take a role back; it opens nothing."))
def end(member: MemberId, /, *, territory: Territory, agency: Agency, role: RoleOption) -> None:
    installation.run(_decide(territory, member, agency, role, Member.end))


async def _list(territory: str) -> tuple[list[tuple[Member, Membership]], date]:
    async with installation.opened() as here:
        members = Members(here.log, SystemClock(), PostgresMemberIndex(here.pool))
        return await members.of_territory(territory), members.today()


async def _decide(
    territory: str,
    member_id: UUID,
    agency: str,
    role: Role,
    decision: Callable[[Member, str, Role, WhoAnswers, Act], None],
) -> None:
    async with installation.opened() as here:
        members = Members(here.log, SystemClock(), PostgresMemberIndex(here.pool))
        try:
            await members.decide(territory, member_id, agency, role, decision, AT_THE_MACHINE)
        except DomainError as error:
            raise Failure(error.title_fr, error.title()) from error


def _told(member: Member, held: Membership, today: date) -> dict[str, object]:
    """Without the name: what a command prints may end up anywhere."""
    return {
        "member_id": member.id,
        "agency": held.agency,
        "role": held.role,
        "state": held.state,
        "since": held.since,
        "review_due": held.review_due,
        "lapsed": held.is_lapsed(today),
    }
