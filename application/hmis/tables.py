"""The files of an HMIS CSV export that are read, with the columns that matter, from FY2022 to FY2026.

Columns are found by name, whatever their order or case; all others are ignored and never kept.
"""

from collections.abc import Mapping
from enum import Enum, auto

import msgspec

from application.hmis import codes


class Kind(Enum):
    ID = auto()
    DATE = auto()
    CODE = auto()
    TEXT = auto()


class Column(msgspec.Struct, frozen=True):
    name: str
    kind: Kind
    required: bool = False
    """The header must have it and every line must fill it."""
    known: frozenset[int] | None = None
    """Codes that may stand here; None takes any whole number."""
    aliases: tuple[str, ...] = ()
    """Names of the same column in other versions."""


class Table(msgspec.Struct, frozen=True):
    """One file. Its first column is the identifier of its lines."""

    file: str
    columns: tuple[Column, ...]
    required: bool = False


def _id(name: str, *aliases: str) -> Column:
    return Column(name, Kind.ID, required=True, aliases=aliases)


def _date(name: str, *, required: bool = False) -> Column:
    return Column(name, Kind.DATE, required=required)


def _code(name: str, known: frozenset[int] | None = None, *aliases: str, required: bool = False) -> Column:
    return Column(name, Kind.CODE, required=required, known=known, aliases=aliases)


def _text(name: str, *, required: bool = False) -> Column:
    return Column(name, Kind.TEXT, required=required)


def _numbers(meanings: Mapping[int | None, object]) -> frozenset[int]:
    return frozenset(code for code in meanings if code is not None)


DELETED = _date("DateDeleted")
ENROLLMENT = (_id("EnrollmentID"), _id("PersonalID"))

ORGANIZATION = Table("Organization.csv", (_id("OrganizationID"), _text("OrganizationName", required=True), DELETED))
PROJECT = Table(
    "Project.csv",
    (
        _id("ProjectID"),
        _id("OrganizationID"),
        _text("ProjectName", required=True),
        _code("ProjectType", _numbers(codes.PROJECT_TYPES)),
        DELETED,
    ),
)
CLIENT = Table(
    "Client.csv",
    (
        _id("PersonalID"),
        _text("FirstName"),
        _text("MiddleName"),
        _text("LastName"),
        _text("NameSuffix"),
        _code("NameDataQuality", codes.DATA_QUALITY),
        _date("DOB"),
        _code("DOBDataQuality", codes.DATA_QUALITY),
        DELETED,
    ),
    required=True,
)
ENROLLMENTS = Table(
    "Enrollment.csv",
    (
        *ENROLLMENT,
        _id("ProjectID"),
        _date("EntryDate", required=True),
        _date("MoveInDate"),
        _code("LivingSituation", frozenset(codes.LIVING_SITUATIONS)),
        DELETED,
    ),
    required=True,
)
EXIT = Table(
    "Exit.csv",
    (
        _id("ExitID"),
        *ENROLLMENT,
        _date("ExitDate", required=True),
        _code("Destination", frozenset(codes.LIVING_SITUATIONS)),
        DELETED,
    ),
)
ASSESSMENT = Table(
    "Assessment.csv",
    (
        _id("AssessmentID"),
        *ENROLLMENT,
        _date("AssessmentDate", required=True),
        _code("AssessmentType", codes.ASSESSMENT_TYPES),
        _code("AssessmentLevel", frozenset({1, 2})),
        _code("PrioritizationStatus", codes.PRIORITIZATION_STATUSES),
        DELETED,
    ),
)
EVENT = Table(
    "Event.csv",
    (
        _id("EventID"),
        *ENROLLMENT,
        _date("EventDate", required=True),
        _code("Event", frozenset(codes.EVENT_THEMES), "EventType", required=True),
        _text("LocationCrisisOrPHHousing"),
        _code("ReferralResult", frozenset(codes.REFERRAL_RESULTS)),
        _date("ResultDate"),
        DELETED,
    ),
)
LIVING_SITUATION = Table(
    "CurrentLivingSituation.csv",
    (
        _id("CurrentLivingSitID", "CurrentLivingSituationID"),
        *ENROLLMENT,
        _date("InformationDate", required=True),
        _code("CurrentLivingSituation", frozenset(codes.LIVING_SITUATIONS), required=True),
        DELETED,
    ),
)
EMPLOYMENT = Table(
    "EmploymentEducation.csv",
    (
        _id("EmploymentEducationID"),
        *ENROLLMENT,
        _date("InformationDate", required=True),
        _code("SchoolStatus", codes.SCHOOL_STATUSES),
        _code("Employed", codes.EMPLOYED),
        _code("EmploymentType", _numbers(codes.EMPLOYMENT_TYPES)),
        _code("NotEmployedReason", _numbers(codes.NOT_EMPLOYED_REASONS)),
        DELETED,
    ),
)
SERVICE = Table(
    "Services.csv",
    (
        _id("ServicesID", "ServiceID"),
        *ENROLLMENT,
        _date("DateProvided", required=True),
        _code("RecordType", codes.SERVICE_RECORDS, required=True),
        _code("TypeProvided"),
        DELETED,
    ),
)
