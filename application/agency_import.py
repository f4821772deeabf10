"""Brings agencies and their services, as another system tells them, into the directory.

An agency that is registered already keeps its description: people may have completed it.
"""

from uuid import UUID

import msgspec

from application.agencies import Agencies
from application.importing import IMPORTER, Report
from domain.agency import AddService, Agency, DescribeAgency, Service, UnknownAgency


class AgencyTelling(msgspec.Struct, frozen=True, kw_only=True):
    """One agency as the source tells it."""

    slug: str
    description: DescribeAgency
    services: tuple[AddService, ...] = ()


async def import_agency(agencies: Agencies, territory: str, telling: AgencyTelling, report: Report) -> None:
    """Register what is missing; counted in the report, and nothing more when that is dry."""
    known = await _services(agencies, territory, telling.slug)
    news = [service for service in telling.services if known is None or known.get(service.id) != _offered(service)]
    commands = [*([telling.description] if known is None else []), *news]
    report.agencies += known is None
    report.services += len(news)
    report.events += len(commands)
    if not report.dry_run:
        for command in commands:
            await agencies.carry_out(territory, telling.slug, command, agent=IMPORTER)


async def _services(agencies: Agencies, territory: str, slug: str) -> dict[UUID, Service] | None:
    """What a registered agency offers, None when it is not registered."""
    try:
        agency: Agency = await agencies.read(territory, slug)
    except UnknownAgency:
        return None
    return agency.services


def _offered(service: AddService) -> Service:
    return Service(name=service.name, type=service.type, themes=tuple(sorted(set(service.themes))))
