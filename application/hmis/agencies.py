"""Which agency acts: the organisation that runs the project of an enrolment."""

import re
import unicodedata

from application.hmis.export import Enrollment, Export
from application.hmis.reader import Row

UNSPECIFIED = "hmis-unspecified-provider"
"""Whom a referral was addressed to when the file does not say it in a way that can be recognised."""
SLUG_LENGTH_MAX = 63


class Agencies:
    """Short names of the organisations of one export."""

    def __init__(self, export: Export) -> None:
        self._projects = export.projects
        self._slugs: dict[str, str] = {}
        self._projects_by_name: dict[str, str] = {}
        self.names: dict[str, str] = {}
        """Name of each agency that the export speaks of, by slug."""
        for row in export.organizations.values():
            self._add(row.id, row["OrganizationName"])
        for project in export.projects.values():
            self._projects_by_name.setdefault(_folded(project["ProjectName"]), project["OrganizationID"])

    def _add(self, organization_id: str, name: str) -> str:
        slug = slug_of(name)
        if slug in self.names:  # Two organisations of the same name.
            slug = slug_of(f"{slug[:40]}-{organization_id}")
        self.names[slug] = name
        self._slugs[organization_id] = slug
        return slug

    def project_of(self, enrollment: Enrollment) -> Row | None:
        return self._projects.get(enrollment.row["ProjectID"])

    def of(self, enrollment: Enrollment) -> str:
        """Without Project.csv each project stands for an agency; without Organization.csv, each organisation number."""
        project = self.project_of(enrollment)
        organization = project["OrganizationID"] if project else f"project-{enrollment.row['ProjectID']}"
        return self._slugs.get(organization) or self._add(organization, f"HMIS {organization}")

    def asked(self, event: Row) -> str:
        """The organisation of the project that the event names, by its number or its name."""
        place = event["LocationCrisisOrPHHousing"]
        project = self._projects.get(place) if place else None
        organization = project["OrganizationID"] if project else self._projects_by_name.get(_folded(place or ""))
        if organization is None:
            self.names.setdefault(UNSPECIFIED, "HMIS: unspecified provider")
            return UNSPECIFIED
        return self._slugs.get(organization) or self._add(organization, f"HMIS {organization}")


def slug_of(name: str) -> str:
    """Letters and digits without accents, joined by hyphens."""
    ascii_name = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", ascii_name).strip("-")[:SLUG_LENGTH_MAX].strip("-")
    return slug if len(slug) > 1 else f"hmis-{slug or 'organisation'}"


def _folded(name: str) -> str:
    return " ".join(name.casefold().split())
