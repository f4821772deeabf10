"""Small HMIS exports, written line by line as each version names its columns."""

import csv
import io
from collections.abc import Mapping
from pathlib import Path

ORGANIZATION = {"OrganizationID": "7", "OrganizationName": "Maison des Solidarités"}
PROJECT = {"ProjectID": "70", "OrganizationID": "7", "ProjectName": "Rebond", "ProjectType": "13"}
CLIENT = {
    "PersonalID": "1",
    "FirstName": "Zoé",
    "MiddleName": "",
    "LastName": "Martin",
    "NameSuffix": "",
    "NameDataQuality": "1",
    "SSN": "000217679",
    "DOB": "1990-05-17",
    "DOBDataQuality": "1",
}
ENROLLMENT = {
    "EnrollmentID": "10",
    "PersonalID": "1",
    "ProjectID": "70",
    "EntryDate": "2024-01-08",
    "MoveInDate": "",
    "LivingSituation": "116",
}
ALWAYS = {"DateCreated": "2024-01-08 10:00:00", "DateDeleted": "", "ExportID": "X"}

Line = Mapping[str, str]


def during(**values: str) -> dict[str, str]:
    """A line of the enrolment above."""
    return {
        **{name: value for name, value in values.items() if name.endswith("ID")},
        "EnrollmentID": "10",
        "PersonalID": "1",
        **{name: value for name, value in values.items() if not name.endswith("ID")},
    }


class Export:
    """One folder of files. Each table is a list of lines that a test changes before writing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.tables: dict[str, list[dict[str, str]]] = {
            "Organization": [dict(ORGANIZATION)],
            "Project": [dict(PROJECT)],
            "Client": [dict(CLIENT)],
            "Enrollment": [dict(ENROLLMENT)],
        }

    def add(self, table: str, *lines: Line) -> "Export":
        self.tables.setdefault(table, []).extend(dict(line) for line in lines)
        return self

    def write(self, encoding: str = "utf-8") -> Path:
        self.folder.mkdir(exist_ok=True)
        for table, lines in self.tables.items():
            text = io.StringIO()
            columns = list(dict.fromkeys(name for line in lines for name in {**line, **ALWAYS}))
            writer = csv.DictWriter(text, columns, restval="")
            writer.writeheader()
            writer.writerows({**ALWAYS, **line} for line in lines)
            (self.folder / f"{table}.csv").write_bytes(text.getvalue().encode(encoding))
        return self.folder

    def append_raw(self, table: str, raw: bytes) -> None:
        """Bytes after the last line of a file already written."""
        with (self.folder / f"{table}.csv").open("ab") as file:
            file.write(raw)
