"""`unisson agencies`: the partner services of a territory."""

from typing import Annotated

import msgspec
from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure, Status
from api.cli.language import say
from api.cli.output import Agency, Json, Territory, write_json, write_line
from application.agencies import Agencies
from application.agency_roll import agencies_of
from domain.agency import Agency as AgencyStream
from domain.agency import DescribeAgency
from domain.clock import SystemClock
from domain.errors import DomainError

app = group("agencies")


@app.command(
    name="register",
    help=say(
        "Inscrire un service, ou remplacer sa description.",
        "Register an agency, or replace its description.",
    ),
)
def register(
    *,
    territory: Territory,
    agency: Agency,
    name: Annotated[str, Parameter(help=say("Son nom complet.", "Its full name."))],
    network: Annotated[
        str | None, Parameter(help=say("Son réseau : ccas-cias, france-travail…", "Its network: ccas-cias…"))
    ] = None,
    capabilities: Annotated[
        str,
        Parameter(help=say("Ce sur quoi il agit : housing,training…", "What it acts on: housing,training…")),
    ] = "",
    zones: Annotated[
        str, Parameter(help=say("Communes ou territoires, sinon tout.", "Communes or territories; all otherwise."))
    ] = "",
    json: Json = False,
) -> None:
    fields = {"name": name, "network": network, "capabilities": _split(capabilities), "zones": _split(zones)}
    try:
        description = msgspec.convert(fields, DescribeAgency)
    except msgspec.ValidationError as error:
        raise Failure(f"description refusée : {error}", f"description refused: {error}", Status.USAGE) from None
    installation.run(_register(territory, agency, description))
    if json:
        write_json({"territory": territory, "agency": agency})


@app.command(name="list", help=say("Les services d'un territoire.", "The agencies of a territory."))
def list_(*, territory: Territory, json: Json = False) -> None:
    agencies = installation.run(_list(territory))
    if json:
        write_json({"agencies": [_told(agency) for agency in agencies]})
        return
    for agency in agencies:
        write_line(f"{agency.slug:<32}  {agency.description.name}")


async def _register(territory: str, slug: str, description: DescribeAgency) -> None:
    async with installation.opened() as here:
        try:
            await Agencies(here.log, SystemClock()).carry_out(territory, slug, description)
        except DomainError as error:
            raise Failure(f"{error.field} : {error.title_fr}", f"{error.field}: {error.detail}") from error


async def _list(territory: str) -> list[AgencyStream]:
    async with installation.opened() as here:
        return await agencies_of(here.log, territory)


def _told(agency: AgencyStream) -> dict[str, object]:
    described = agency.description
    return {
        "agency": agency.slug,
        "name": described.name,
        "network": described.network,
        "capabilities": described.capabilities,
        "zones": described.zones,
        "services": [service.name for service in agency.services.values()],
    }


def _split(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())
