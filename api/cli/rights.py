"""`unisson rights`: restrict a pathway, hold it by law, put together what is known of a person for them to read."""

from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.files import write_document, written
from api.cli.language import say
from api.cli.output import Agency, Agent, Territory
from domain.restriction import LiftRestriction, RestrictionGround, RestrictPathway
from domain.retention import HoldGround, LiftHold, PlaceHold
from domain.rights import Measure

app = group("rights")
Pathway = Annotated[UUID, Parameter(help=say("L'identifiant du parcours.", "The pathway's id."))]


@app.command(
    name="restrict",
    help=say("Conserver les données d'une personne sans les utiliser.", "Keep a person's data without using them."),
)
def restrict(
    pathway: Pathway,
    /,
    *,
    territory: Territory,
    agency: Agency,
    ground: Annotated[RestrictionGround, Parameter(help=say("Pourquoi.", "Why."))],
    agent: Agent = None,
) -> None:
    installation.run(_measure(territory, pathway, RestrictPathway(ground=ground), agency, agent))


@app.command(name="lift", help=say("Lever cette limitation.", "Lift this restriction."))
def lift(pathway: Pathway, /, *, territory: Territory, agency: Agency, agent: Agent = None) -> None:
    installation.run(_measure(territory, pathway, LiftRestriction(), agency, agent))


@app.command(
    name="hold",
    help=say("Interdire l'effacement tant que la loi l'exige.", "Forbid the erasure while the law asks for it."),
)
def hold(
    pathway: Pathway,
    /,
    *,
    territory: Territory,
    agency: Agency,
    ground: Annotated[HoldGround, Parameter(help=say("Pourquoi.", "Why."))],
    agent: Agent = None,
) -> None:
    installation.run(_measure(territory, pathway, PlaceHold(ground=ground), agency, agent))


@app.command(name="release", help=say("Lever ce gel légal.", "Lift this legal hold."))
def release(pathway: Pathway, /, *, territory: Territory, agency: Agency, agent: Agent = None) -> None:
    installation.run(_measure(territory, pathway, LiftHold(), agency, agent))


@app.command(
    name="export",
    help=say(
        "Tout ce qui est connu d'une personne, à relire avant de le lui remettre.",
        "All that is known of a person, to be read over before it is handed to them.",
    ),
)
def export(
    pathway: Pathway,
    /,
    *,
    territory: Territory,
    agency: Agency,
    agent: Annotated[
        str, Parameter(help=say("Pseudonyme de la personne qui relit.", "Pseudonym of the person who reads it over."))
    ],
    html: Annotated[bool, Parameter(negative="", help=say("Une page en français.", "A page in French."))] = False,
    output: Annotated[
        Path | None, Parameter(help=say("Fichier ; sinon la sortie standard.", "File; standard output otherwise."))
    ] = None,
) -> None:
    page, document = installation.run(_export(territory, pathway, agency, agent))
    if not html:
        write_document(output, document)
        return
    with written(output) as file:
        file.write(page)


async def _measure(territory: str, pathway_id: UUID, measure: Measure, agency: str, agent: str | None) -> None:
    from application.rights import Asked

    async with installation.composed() as runtime:
        await runtime.rights.carry_out(territory, pathway_id, measure, Asked(agency=agency, agent=agent))


async def _export(territory: str, pathway_id: UUID, agency: str, agent: str) -> tuple[bytes, object]:
    """As a data-protection officer would: the access log says so. The one who runs this has the keys' file anyway."""
    from api.subject_access import document_view
    from application.access import Caller, Means, Scope
    from application.subject_names import names_in
    from application.subject_page import page_of
    from domain.roles import Role

    officer = Caller(
        territory=territory,
        agency=agency,
        agent=agent,
        key_id="command-line",
        means=Means.PERSON,
        roles=frozenset({Role.DPO}),
        scopes=frozenset(Scope),
    )
    async with installation.composed() as runtime:
        access = await runtime.subject_accesses.prepare(officer, pathway_id, str(uuid4()))
        document = await runtime.subject_accesses.read(officer, pathway_id, access.id)
        names = await names_in(territory, runtime.log, runtime.rulebooks)
        return page_of(document, runtime.calendars.of(territory).tz, names), document_view(document)
