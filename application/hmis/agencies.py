"""Which agency acts: the organisation that runs the project of an enrolment. Its projects are its services."""

import re
import unicodedata
from collections.abc import Iterator

from application.agency_import import AgencyTelling
from application.hmis import codes
from application.hmis.export import Enrollment, Export
from application.hmis.reader import Row
from application.pathway_telling import Ids
from domain.accompaniment import AccompanimentKind
from domain.agency import AddService, DescribeAgency

UNSPECIFIED = "hmis-unspecified-provider"
"""Whom a referral was addressed to when the file does not say it in a way that can be recognised."""
SLUG_LENGTH_MAX = 63


class Agencies:
    """Short names of the organisations of one export."""

    def __init__(self, export: Export) -> None:
        self._export = export
        self._slugs: dict[str, str] = {}
        self._projects_by_name: dict[str, str] = {}
        self._names: dict[str, str] = {}
        for row in export.organizations.values():
            self._add(row.id, row["OrganizationName"])
        for project in export.projects.values():
            self._projects_by_name.setdefault(_folded(project["ProjectName"]), project["OrganizationID"])

    def _add(self, organization_id: str, name: str) -> str:
        slug = slug_of(name)
        if slug in self._names:  # Two organisations of the same name.
            slug = slug_of(f"{slug[:40]}-{organization_id}")
        self._names[slug] = name
        self._slugs[organization_id] = slug
        return slug

    def tellings(self, ids: Ids) -> Iterator[AgencyTelling]:
        """Every agency of the export and those that its lines made known: ask once all of them have been mapped."""
        services: dict[str, list[AddService]] = {}
        capabilities: dict[str, set[str]] = {}
        for project in self._export.projects.values():
            slug, kind = self._slug(project["OrganizationID"]), codes.PROJECT_TYPES[project["ProjectType"]]
            service = AddService(id=ids.of("service", project.id), name=_label(project["ProjectName"]))
            services.setdefault(slug, []).append(service)
            if kind is not AccompanimentKind.OTHER:
                capabilities.setdefault(slug, set()).add(kind.value)
        for slug, name in self._names.items():
            description = DescribeAgency(name=_label(name), capabilities=tuple(sorted(capabilities.get(slug, ()))))
            yield AgencyTelling(slug=slug, description=description, services=tuple(services.get(slug, ())))

    def project_of(self, enrollment: Enrollment) -> Row | None:
        return self._export.projects.get(enrollment.row["ProjectID"])

    def of(self, enrollment: Enrollment) -> str:
        """Without Project.csv each project stands for an agency; without Organization.csv, each organisation number."""
        project = self.project_of(enrollment)
        return self._slug(project["OrganizationID"] if project else f"project-{enrollment.row['ProjectID']}")

    def asked(self, event: Row) -> str:
        """The organisation of the project that the event names, by its number or its name."""
        place = event["LocationCrisisOrPHHousing"]
        project = self._export.projects.get(place) if place else None
        organization = project["OrganizationID"] if project else self._projects_by_name.get(_folded(place or ""))
        if organization is None:
            self._names.setdefault(UNSPECIFIED, "HMIS: unspecified provider")
            return UNSPECIFIED
        return self._slug(organization)

    def _slug(self, organization: str) -> str:
        return self._slugs.get(organization) or self._add(organization, f"HMIS {organization}")


def _label(name: str) -> str:
    """As the domain wants it: no control character, not too long."""
    return " ".join("".join(character if character.isprintable() else " " for character in name).split())[:200] or "?"


def slug_of(name: str) -> str:
    """Letters and digits without accents, joined by hyphens."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:SLUG_LENGTH_MAX].strip("-")
    return slug if len(slug) > 1 else f"hmis-{slug or 'organisation'}"


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
