"""An export as a whole: lines tied to the person and the enrolment they belong to, the untied ones refused."""

from collections.abc import Iterator
from datetime import date
from pathlib import Path

import msgspec

from application.hmis import codes, reasons, tables
from application.hmis.reader import Row, find, read
from application.hmis.tables import Kind, Table
from application.importing import Reason, Refusal


class Enrollment(msgspec.Struct, kw_only=True):
    """A person's stay in a project, with what the project recorded during it."""

    row: Row
    exit: Row | None = None
    rows: dict[str, list[Row]] = msgspec.field(default_factory=dict)
    """Lines of the other files, by file name."""

    def lines(self, table: Table) -> list[Row]:
        return self.rows.get(table.file, [])


class Person(msgspec.Struct, kw_only=True):
    client: Row
    enrollments: list[Enrollment] = msgspec.field(default_factory=list)
    deleted: list[Row] = msgspec.field(default_factory=list)
    """Lines that the source marks as deleted: what an earlier import made of them is taken back."""


class Export(msgspec.Struct, kw_only=True):
    """What could be read of a folder."""

    organizations: dict[str, Row] = msgspec.field(default_factory=dict)
    projects: dict[str, Row] = msgspec.field(default_factory=dict)
    people: dict[str, Person] = msgspec.field(default_factory=dict)
    lines_read: int = 0
    lines_deleted: int = 0
    refusals: list[Refusal] = msgspec.field(default_factory=list)


DURING_ENROLLMENT = (
    tables.ASSESSMENT,
    tables.EVENT,
    tables.LIVING_SITUATION,
    tables.EMPLOYMENT,
    tables.SERVICE,
)


def load(folder: Path, today: date) -> Export:
    """Read a whole export. Raises ImportImpossible when a file that is required is missing or cannot be read."""
    return _Loading(folder, today).load()


class _Loading:
    def __init__(self, folder: Path, today: date) -> None:
        self._folder = folder
        self._today = today
        self._export = Export()
        self._enrollments: dict[str, Enrollment] = {}

    def load(self) -> Export:
        for table in (tables.CLIENT, tables.ENROLLMENTS):
            find(self._folder, table)  # Refuses at once a folder that lacks them.
        self._organizations_and_projects()
        for row in self._rows(tables.CLIENT):
            self._export.people[row.id] = Person(client=row)
        for row in self._rows(tables.ENROLLMENTS):
            self._enroll(row)
        for row in self._rows(tables.EXIT):
            self._exit(row)
        for table in DURING_ENROLLMENT:
            for row in self._rows(table):
                enrollment = self._enrollment_of(row)
                if enrollment is not None and (table is not tables.EVENT or self._is_answered_in_order(row)):
                    enrollment.rows.setdefault(table.file, []).append(row)
        return self._export

    def _organizations_and_projects(self) -> None:
        export = self._export
        for row in self._rows(tables.ORGANIZATION):
            export.organizations[row.id] = row
        has_organizations = find(self._folder, tables.ORGANIZATION) is not None
        for row in self._rows(tables.PROJECT):
            if has_organizations and row["OrganizationID"] not in export.organizations:
                self._refuse(row, reasons.UNKNOWN_ORGANIZATION, "OrganizationID")
            else:
                export.projects[row.id] = row

    def _enroll(self, row: Row) -> None:
        person = self._export.people.get(row["PersonalID"])
        if person is None:
            self._refuse(row, reasons.UNKNOWN_PERSON, "PersonalID")
        elif self._export.projects and row["ProjectID"] not in self._export.projects:
            self._refuse(row, reasons.UNKNOWN_PROJECT, "ProjectID")
        elif _born_after(person, row["EntryDate"]):
            self._refuse(row, reasons.BEFORE_BIRTH, "EntryDate")
        else:
            enrollment = self._enrollments[row.id] = Enrollment(row=row)
            person.enrollments.append(enrollment)
            if row["MoveInDate"] is not None and row["MoveInDate"] < row["EntryDate"]:
                self._refuse(row, reasons.END_BEFORE_START, "MoveInDate")
                row.values["MoveInDate"] = None  # The stay is sure; only the move is not.

    def _exit(self, row: Row) -> None:
        enrollment = self._enrollment_of(row)
        if enrollment is None:
            return
        if enrollment.exit is not None:
            self._refuse(row, reasons.DUPLICATE_ID, "EnrollmentID")
        elif row["ExitDate"] < enrollment.row["EntryDate"]:
            self._refuse(row, reasons.END_BEFORE_START, "ExitDate")
        else:
            enrollment.exit = row

    def _is_answered_in_order(self, row: Row) -> bool:
        """A referral without the answer that its line gives would look unanswered: the line goes as a whole."""
        if row["ReferralResult"] is None:
            return True
        if row["ResultDate"] is None:
            self._refuse(row, reasons.MISSING_VALUE, "ResultDate")
        elif row["ResultDate"] < row["EventDate"]:
            self._refuse(row, reasons.END_BEFORE_START, "ResultDate")
        else:
            return True
        return False

    def _enrollment_of(self, row: Row) -> Enrollment | None:
        """The enrolment that a line belongs to, None when it is refused."""
        enrollment = self._enrollments.get(row["EnrollmentID"])
        if enrollment is None:
            self._refuse(row, reasons.UNKNOWN_ENROLLMENT, "EnrollmentID")
        elif enrollment.row["PersonalID"] != row["PersonalID"]:
            self._refuse(row, reasons.PERSON_MISMATCH, "PersonalID")
        else:
            return enrollment
        return None

    def _rows(self, table: Table) -> Iterator[Row]:
        """The lines of one file that are neither broken, nor deleted, nor said twice."""
        path = find(self._folder, table)
        seen: set[str] = set()
        for line in read(path, table) if path else ():
            self._export.lines_read += 1
            if isinstance(line, Refusal):
                self._export.refusals.append(line)
            elif line["DateDeleted"] is not None:
                self._delete(line)
            elif (future := self._future(line, table)) is not None:
                self._refuse(line, reasons.IN_THE_FUTURE, future)
            elif line.id in seen:
                self._refuse(line, reasons.DUPLICATE_ID, table.columns[0].name)
            else:
                seen.add(line.id)
                yield line

    def _delete(self, row: Row) -> None:
        self._export.lines_deleted += 1
        person = self._export.people.get(row.values.get("PersonalID") or "")
        if person is not None:
            person.deleted.append(row)

    def _future(self, row: Row, table: Table) -> str | None:
        """The column of a date that has not come yet: an export tells what has happened."""
        dates = (column.name for column in table.columns if column.kind is Kind.DATE)
        return next((name for name in dates if row[name] is not None and row[name] > self._today), None)

    def _refuse(self, row: Row, reason: Reason, column: str) -> None:
        self._export.refusals.append(row.refused(reason, column))


def _born_after(person: Person, day: date) -> bool:
    birth = person.client["DOB"] if person.client["DOBDataQuality"] in codes.RELIABLE else None
    return birth is not None and bool(birth > day)
