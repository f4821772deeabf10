"""The directory of a territory's agencies: everyone reads it, each agency describes itself."""

from uuid import UUID

import msgspec
from litestar import Router, get, put
from litestar.params import FromPath

from api.bodies import BodyReader
from api.described import described
from api.freshness import shown
from api.queries import Position, QueryReader
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from application.access import Scope
from domain.agency import AddService, AgencyCommand, Code, DescribeAgency, Themes, UnknownAgency
from domain.command import Label
from domain.errors import DomainError
from projections.agency_directory import AgencyDirectory, agencies, services


class NotYourAgency(DomainError):
    """An agency describes itself, and no other."""

    code = "not_your_agency"
    status = 403
    title_fr = "Un service se décrit lui-même, et aucun autre."


class ServiceView(msgspec.Struct, kw_only=True):
    """Something an agency offers."""

    id: UUID
    name: str
    type: str | None
    themes: tuple[str, ...]


class AgencyView(msgspec.Struct, kw_only=True):
    """A partner service of the territory."""

    agency: str
    name: str
    network: str | None
    capabilities: tuple[str, ...]
    """Kinds of intervention that it is able to act on."""
    zones: tuple[str, ...]
    """Empty: the whole territory."""
    services: list[ServiceView]


class Agencies(msgspec.Struct, kw_only=True):
    items: list[AgencyView]


class DirectoryQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    at_least: Position | None = None


class AgencyDescribed(msgspec.Struct, kw_only=True):
    """The agency is described so; durable."""

    agency: str
    position: int
    """Of the last event; 0 when nothing changed."""


class ServiceBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service that an agency offers."""

    name: Label
    type: Code | None = None
    themes: Themes = ()


DIRECTORY_QUERY = QueryReader(DirectoryQuery)
DESCRIPTION = BodyReader(DescribeAgency)
SERVICE = BodyReader(ServiceBody)


@get("/", name="list-agencies", opt=described(answer=Agencies, query=DirectoryQuery, waits=True))
async def list_agencies(request: ApiRequest) -> Reply:
    """List the agencies of the territory, what each is able to act on, and the services they offer."""
    headers = await shown(request, [AgencyDirectory.name], DIRECTORY_QUERY.read(request).at_least)
    return reply(Agencies(items=await directory(request)), headers=headers)


@get("/{agency:str}", name="read-agency", opt=described(answer=AgencyView, query=DirectoryQuery, waits=True))
async def read_agency(request: ApiRequest, agency: FromPath[str]) -> Reply:
    """Read one agency of the territory."""
    headers = await shown(request, [AgencyDirectory.name], DIRECTORY_QUERY.read(request).at_least)
    found = next((each for each in await directory(request) if each.agency == agency), None)
    if found is None:
        raise UnknownAgency
    return reply(found, headers=headers)


@put(
    "/{agency:str}",
    name="describe-agency",
    opt=described(Scope.MANAGE, answer=AgencyDescribed, body=DescribeAgency, refusals=(NotYourAgency,)),
)
async def describe_agency(request: ApiRequest, agency: FromPath[str]) -> Reply:
    """Describe the calling agency. The whole description is replaced; the same again changes nothing."""
    command, _ = await DESCRIPTION.read(request)
    return await carry_out(request, agency, command)


@put(
    "/{agency:str}/services/{service_id:uuid}",
    name="put-service",
    opt=described(Scope.MANAGE, answer=AgencyDescribed, body=ServiceBody, refusals=(NotYourAgency, UnknownAgency)),
)
async def put_service(request: ApiRequest, agency: FromPath[str], service_id: FromPath[UUID]) -> Reply:
    """Add a service of the calling agency, or replace its description. The same again changes nothing."""
    body, _ = await SERVICE.read(request)
    return await carry_out(
        request, agency, AddService(id=service_id, name=body.name, type=body.type, themes=body.themes)
    )


async def directory(request: ApiRequest) -> list[AgencyView]:
    territory = request.user.territory
    offered: dict[str, list[ServiceView]] = {}
    for service in await services(request.runtime.pool, territory):
        offered.setdefault(service.agency, []).append(as_view(service, ServiceView, id=service.service_id))
    rows = await agencies(request.runtime.pool, territory)
    return [as_view(row, AgencyView, services=offered.get(row.agency, [])) for row in rows]


async def carry_out(request: ApiRequest, agency: str, command: AgencyCommand) -> Reply:
    caller = request.user
    if agency != caller.agency:
        raise NotYourAgency
    position = await request.runtime.agencies.carry_out(caller.territory, agency, command, agent=caller.agent)
    return reply(AgencyDescribed(agency=agency, position=position), headers={"X-Position": str(position)})


routes = Router(
    "/agencies", route_handlers=[list_agencies, read_agency, describe_agency, put_service], tags=["agencies"]
)
