"""HMIS exports become pathways: what each line becomes, what is refused and why, and that a second run adds nothing."""

import asyncio
import csv
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from application.agency_roll import agencies_of
from application.event_log import Appended, AppendInDoubt, Commit
from application.facts_export import export_facts, pathways_of
from application.hmis.importer import import_hmis
from application.importing import ImportImpossible, Report
from application.pathways import fold
from domain.clock import SettableClock
from domain.command import Act, Command
from domain.compartments import Compartment
from domain.correction import CorrectEntry
from domain.facts import Fact, FactState
from domain.opening import PathwayOpened
from domain.pathway import Pathway
from infrastructure.memory_event_log import MemoryEventLog
from tests.support.hmis import CLIENT, ENROLLMENT, Export, during

FR_34 = "FR-34"
PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 7, 1, 9, tzinfo=UTC)
SAMPLE = Path(__file__).parents[2] / "shared" / "data" / "hmis_fy2022_lsa_sample"


class Place:
    """A territory in memory that exports are imported into."""

    def __init__(self, log: MemoryEventLog | None = None) -> None:
        self.clock = SettableClock(NOW)
        self.log = log or MemoryEventLog(clock=self.clock)

    async def take(self, export: Export | Path, *, dry_run: bool = False) -> Report:
        folder = export if isinstance(export, Path) else export.write()
        return await import_hmis(
            folder, FR_34, log=self.log, vault=self.log.vault, clock=self.clock, zone=PARIS, dry_run=dry_run
        )

    async def facts(self, *types: str) -> list[Fact]:
        return [
            fact async for some in export_facts(self.log, FR_34) for fact in some if not types or fact.type in types
        ]

    async def pathway(self) -> Pathway:
        (pathway_id,) = await pathways_of(self.log, FR_34, await self.log.head(FR_34))
        pathway = fold(None, await self.log.read_stream(FR_34, pathway_id))
        assert pathway is not None
        return pathway

    async def act(self, command: Command) -> None:
        """Somebody of the first agency does something here."""
        pathway = await self.pathway()
        agency = pathway.ledger.entries[pathway.id].agency
        version = pathway.version
        command.decide(pathway, Act(agency=agency, agent="zk", at=NOW, today=NOW.date()))
        events = pathway.collect_events()
        await self.log.append(
            FR_34,
            Commit(stream_id=pathway.id, expected_version=version, events=events, subject=pathway.subject),  # type: ignore[arg-type]
        )


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def export(tmp_path: Path) -> Export:
    return Export(tmp_path / "export")


def refusals(report: Report) -> list[tuple[str, int, str | None, str]]:
    return [(one.file, one.line, one.column, one.reason.code) for one in report.refusals]


def told(facts: list[Fact]) -> list[tuple[str, str, str | None]]:
    return [(fact.type, str(fact.start), None if fact.end is None else str(fact.end)) for fact in facts]


# What each line becomes.


async def test_a_person_becomes_a_pathway_opened_on_the_first_entry(place: Place, export: Export) -> None:
    export.add("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "2023-03-02"})
    report = await place.take(export)
    assert (report.pathways, report.refusals) == (1, [])
    (opened,) = await place.facts("opened")
    assert (opened.start, opened.agency) == (date(2023, 3, 2), "maison-des-solidarites")


async def test_a_persons_name_and_birth_are_sealed_apart_and_the_rest_is_not_kept(place: Place, export: Export) -> None:
    await place.take(export)
    pathway = await place.pathway()
    (opened, *_) = await place.log.read_stream(FR_34, pathway.id)
    assert isinstance(opened.event, PathwayOpened)
    assert (opened.event.given_name, opened.event.family_name) == ("Zoé", "Martin")
    assert opened.event.birth_date == date(1990, 5, 17)
    assert pathway.subject is not None
    await place.log.vault.destroy(FR_34, pathway.subject, [Compartment.IDENTITY])
    (opened, *_) = await place.log.read_stream(FR_34, pathway.id)
    assert "Martin" not in repr(opened)


async def test_a_birth_date_that_was_not_collected_is_not_taken(place: Place, export: Export) -> None:
    export.tables["Client"][0] |= {"DOB": "2024-06-01", "DOBDataQuality": "99"}
    assert (await place.take(export)).refusals == []
    assert (await place.pathway()).birth_date is None


async def test_an_enrolment_is_an_accompaniment_that_ends_with_its_exit(place: Place, export: Export) -> None:
    await place.take(export.add("Exit", during(ExitID="20", ExitDate="2024-05-30", Destination="116")))
    (stay,) = await place.facts("accompaniment")
    assert (stay.start, stay.end, stay.attrs["kind"]) == (date(2024, 1, 8), date(2024, 5, 30), "housing")


@pytest.mark.parametrize("destination", ["410", "435", "421", "422", "426", "3", "10", "19", "31", "33", "34"])
async def test_an_exit_to_a_permanent_home_is_a_relocation(place: Place, export: Export, destination: str) -> None:
    await place.take(export.add("Exit", during(ExitID="20", ExitDate="2024-05-30", Destination=destination)))
    (move,) = await place.facts("relocation")
    assert (move.start, move.state) == (date(2024, 5, 30), FactState.DONE)


@pytest.mark.parametrize("destination", ["116", "101", "312", "329", "29", "24", "30", "17", "8", "9", "99", ""])
async def test_any_other_exit_is_no_relocation(place: Place, export: Export, destination: str) -> None:
    await place.take(export.add("Exit", during(ExitID="20", ExitDate="2024-05-30", Destination=destination)))
    assert await place.facts("relocation") == []


async def test_moving_in_is_a_relocation(place: Place, export: Export) -> None:
    export.tables["Enrollment"][0]["MoveInDate"] = "2024-02-14"
    await place.take(export)
    assert told(await place.facts("relocation")) == [("relocation", "2024-02-14", "2024-02-14")]


@pytest.mark.parametrize(
    ("destination", "outcome"),
    [("435", "housed"), ("24", "deceased"), ("30", "lost_contact"), ("99", "unknown"), ("116", "other")],
)
async def test_a_pathway_is_closed_once_every_enrolment_has_ended(
    place: Place, export: Export, destination: str, outcome: str
) -> None:
    export.add("Exit", during(ExitID="20", ExitDate="2024-05-30", Destination=destination))
    await place.take(export)
    (closed,) = await place.facts("closed")
    assert (closed.start, closed.attrs["outcome"]) == (date(2024, 5, 30), outcome)


async def test_a_pathway_with_an_open_enrolment_stays_open(place: Place, export: Export) -> None:
    export.add("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "2023-03-02"})
    await place.take(export.add("Exit", during(ExitID="20", ExitDate="2024-05-30", Destination="435")))
    assert await place.facts("closed") == []


@pytest.mark.parametrize(("level", "family"), [("1", "rechercher-une-solution"), ("2", "louer-un-logement")])
async def test_an_assessment_is_a_diagnosis_of_a_housing_need(
    place: Place, export: Export, level: str, family: str
) -> None:
    await place.take(
        export.add("Assessment", during(AssessmentID="30", AssessmentDate="2024-01-09", AssessmentLevel=level))
    )
    (need,) = await place.facts("diagnosis")
    assert (need.start, need.attrs["kind"]) == (date(2024, 1, 9), "housing")
    assert family in need.attrs["theme"]


@pytest.mark.parametrize(
    ("result", "outcome", "reason"),
    [("1", "accepted", None), ("2", "refused", "hmis:person-refused"), ("3", "refused", "hmis:provider-refused")],
)
async def test_a_coordinated_entry_event_is_a_referral_with_its_answer(
    place: Place, export: Export, result: str, outcome: str, reason: str | None
) -> None:
    line = during(EventID="40", EventDate="2024-01-10", Event="13", ReferralResult=result, ResultDate="2024-01-12")
    await place.take(export.add("Event", line))
    referral, answer = await place.facts("referral", "referral_ack")
    assert (referral.start, referral.attrs["to_agency"]) == (date(2024, 1, 10), "hmis-unspecified-provider")
    assert (answer.start, answer.attrs["outcome"]) == (date(2024, 1, 12), outcome)
    assert answer.attrs["referral_id"] == referral.fact_id
    history = await place.log.read_stream(FR_34, UUID(referral.pathway))
    assert getattr(history[-1].event, "reason", None) == reason


@pytest.mark.parametrize("named", ["71", "Chez Paul", "  CHEZ  paul "])
async def test_a_referral_goes_to_the_organisation_of_the_project_that_it_names(
    place: Place, export: Export, named: str
) -> None:
    export.add("Organization", {"OrganizationID": "8", "OrganizationName": "Toit & Cie"})
    export.add("Project", {"ProjectID": "71", "OrganizationID": "8", "ProjectName": "Chez Paul", "ProjectType": "3"})
    export.add("Event", during(EventID="40", EventDate="2024-01-10", Event="14", LocationCrisisOrPHHousing=named))
    await place.take(export)
    (referral,) = await place.facts("referral")
    assert referral.attrs["to_agency"] == "toit-cie"
    assert referral.attrs["cross_agency"] is True


@pytest.mark.parametrize(
    ("code", "value"),
    [("116", "homeless"), ("16", "homeless"), ("101", "emergency_shelter"), ("435", "housed"), ("8", "unknown"),
     ("9", "declined"), ("99", "not_asked"), ("37", "unknown"), ("336", "hosted"), ("207", "institution")],
)  # fmt: skip
async def test_a_living_situation_is_a_housing_situation_and_a_contact(
    place: Place, export: Export, code: str, value: str
) -> None:
    line = during(CurrentLivingSitID="50", InformationDate="2024-01-15", CurrentLivingSituation=code)
    await place.take(export.add("CurrentLivingSituation", line))
    contact, situation = sorted(await place.facts("situation", "contact"), key=lambda fact: fact.type)
    assert (contact.start, contact.state) == (date(2024, 1, 15), FactState.DONE)
    assert situation.attrs == {"topic": "housing", "value": value}


@pytest.mark.parametrize(
    ("columns", "value"),
    [
        ({"Employed": "1", "EmploymentType": "1"}, "employed"),
        ({"Employed": "1", "EmploymentType": "2"}, "part_time"),
        ({"Employed": "0", "NotEmployedReason": "1"}, "job_seeking"),
        ({"Employed": "0", "NotEmployedReason": "2"}, "inactive"),
        ({"Employed": "0", "NotEmployedReason": "1", "SchoolStatus": "1"}, "in_training"),
        ({"Employed": "0"}, "no"),
        ({"Employed": "8"}, "unknown"),
        ({"Employed": "9"}, "declined"),
        ({"Employed": "99"}, "not_asked"),
    ],
)
async def test_employment_keeps_no_unknown_declined_and_not_asked_apart(
    place: Place, export: Export, columns: dict[str, str], value: str
) -> None:
    line = during(EmploymentEducationID="60", InformationDate="2024-01-15", **columns)
    await place.take(export.add("EmploymentEducation", line))
    (situation,) = await place.facts("situation")
    assert situation.attrs == {"topic": "employment", "value": value}


@pytest.mark.parametrize(
    ("record", "provided", "kind"),
    [("141", "6", "socio_professional"), ("144", "2", "socio_professional"), ("142", "6", "socio_professional"),
     ("152", "1", "budget"), ("200", "200", "housing"), ("141", "1", "social"), ("143", "10", "health")],
)  # fmt: skip
async def test_a_service_is_an_accompaniment_of_one_day(
    place: Place, export: Export, record: str, provided: str, kind: str
) -> None:
    line = during(ServicesID="70", DateProvided="2024-01-20", RecordType=record, TypeProvided=provided)
    await place.take(export.add("Services", line))
    (service,) = [fact for fact in await place.facts("accompaniment") if fact.start == date(2024, 1, 20)]
    assert (service.end, service.attrs["kind"]) == (date(2024, 1, 20), kind)


async def test_organisations_become_agencies_and_projects_their_services(place: Place, export: Export) -> None:
    report = await place.take(export)
    (agency,) = await agencies_of(place.log, FR_34)
    assert (report.agencies, report.services) == (1, 1)
    assert (agency.slug, agency.description.name) == ("maison-des-solidarites", "Maison des Solidarités")
    assert [service.name for service in agency.services.values()] == ["Rebond"]


# Versions and encodings.


async def test_columns_are_found_by_name_in_any_order_and_case(place: Place, export: Export) -> None:
    export.tables["Enrollment"] = [{name.upper(): value for name, value in reversed(ENROLLMENT.items())}]
    assert (await place.take(export)).refusals == []
    assert len(await place.facts("accompaniment")) == 1


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "windows-1252"])
async def test_names_are_read_in_the_encodings_that_exports_come_in(
    place: Place, export: Export, encoding: str
) -> None:
    await place.take(export.write(encoding))
    pathway = await place.pathway()
    (opened, *_) = await place.log.read_stream(FR_34, pathway.id)
    assert isinstance(opened.event, PathwayOpened)
    assert opened.event.given_name == "Zoé"


async def test_without_the_optional_files_each_project_stands_for_an_agency(place: Place, export: Export) -> None:
    del export.tables["Organization"], export.tables["Project"]
    assert (await place.take(export)).refusals == []
    assert [agency.slug for agency in await agencies_of(place.log, FR_34)] == ["hmis-project-70"]


@pytest.mark.parametrize("file", ["Client", "Enrollment"])
async def test_a_required_file_that_is_missing_stops_the_import_and_is_named(
    place: Place, export: Export, file: str
) -> None:
    del export.tables[file]
    with pytest.raises(ImportImpossible) as refused:
        await place.take(export)
    assert refused.value.file.endswith(f"{file}.csv")
    assert await place.log.head(FR_34) == 0


async def test_a_required_column_that_is_missing_stops_the_import_and_is_named(place: Place, export: Export) -> None:
    del export.tables["Enrollment"][0]["EntryDate"]
    with pytest.raises(ImportImpossible) as refused:
        await place.take(export)
    assert refused.value.file.endswith("Enrollment.csv: EntryDate")


# Broken lines: each is told by file, line and column, and the others are imported.


@pytest.mark.parametrize(
    ("table", "line", "column", "code"),
    [
        ("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "2024-02-30"}, "EntryDate", "bad_date"),
        ("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "08/01/2024"}, "EntryDate", "bad_date"),
        ("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": ""}, "EntryDate", "missing_value"),
        ("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "9999-01-01"}, "EntryDate", "in_the_future"),
        ("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "1989-01-01"}, "EntryDate", "before_birth"),
        ("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "PersonalID": "404"}, "PersonalID", "unknown_person"),
        ("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "ProjectID": "404"}, "ProjectID", "unknown_project"),
        ("Enrollment", ENROLLMENT, "EnrollmentID", "duplicate_id"),
        ("Client", CLIENT, "PersonalID", "duplicate_id"),
        ("Project", {"ProjectID": "71", "OrganizationID": "404", "ProjectName": "P", "ProjectType": "1"},
         "OrganizationID", "unknown_organization"),
    ],
)  # fmt: skip
async def test_a_broken_line_is_refused_and_the_others_are_imported(
    place: Place, export: Export, table: str, line: dict[str, str], column: str, code: str
) -> None:
    export.add(table, line)
    report = await place.take(export)
    assert refusals(report) == [(f"{table}.csv", 3, column, code)]
    assert report.pathways == 1


@pytest.mark.parametrize(
    ("table", "line", "column", "code"),
    [
        ("Exit", during(ExitID="20", ExitDate="2024-01-07", Destination="410"), "ExitDate", "end_before_start"),
        ("Exit", during(ExitID="20", ExitDate="2024-02-07", Destination="777"), "Destination", "unknown_code"),
        ("Exit", during(ExitID="20", ExitDate="2024-02-07", Destination="x"), "Destination", "unknown_code"),
        ("Exit", {"ExitID": "20", "EnrollmentID": "404", "PersonalID": "1", "ExitDate": "2024-02-07"},
         "EnrollmentID", "unknown_enrollment"),
        ("Exit", {"ExitID": "20", "EnrollmentID": "10", "PersonalID": "2", "ExitDate": "2024-02-07"},
         "PersonalID", "person_mismatch"),
        ("Event", during(EventID="40", EventDate="2024-01-10", Event="19"), "Event", "unknown_code"),
        ("Event", during(EventID="40", EventDate="2024-01-10", Event="5", ReferralResult="1", ResultDate=""),
         "ResultDate", "missing_value"),
        ("Event", during(EventID="40", EventDate="2024-01-10", Event="5", ReferralResult="1", ResultDate="2024-01-09"),
         "ResultDate", "end_before_start"),
        ("Services", during(ServicesID="70", DateProvided="2024-01-20", RecordType="9"), "RecordType", "unknown_code"),
        ("CurrentLivingSituation",
         during(CurrentLivingSitID="50", InformationDate="1980-01-01", CurrentLivingSituation="116"),
         "InformationDate", "before_birth"),
    ],
)  # fmt: skip
async def test_a_broken_line_of_an_enrolment_is_refused_alone(
    place: Place, export: Export, table: str, line: dict[str, str], column: str, code: str
) -> None:
    export.add(table, line)
    report = await place.take(export)
    assert refusals(report) == [(f"{table}.csv", 2, column, code)]
    assert told(await place.facts("opened", "accompaniment")) == [
        ("opened", "2024-01-08", "2024-01-08"),
        ("accompaniment", "2024-01-08", None),
    ]


async def test_a_move_in_before_the_entry_is_refused_but_the_stay_is_kept(place: Place, export: Export) -> None:
    export.tables["Enrollment"][0]["MoveInDate"] = "2023-12-31"
    report = await place.take(export)
    assert refusals(report) == [("Enrollment.csv", 2, "MoveInDate", "end_before_start")]
    assert [fact.type for fact in await place.facts()] == ["opened", "accompaniment"]


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"2,Ana,\r\n", "column_count"),
        (b'2,"Ana,,,,,,,,,,,\r\n', "bad_csv"),
        (b"2,A\x00na,,,,,,1990-01-01,1,,,\r\n", "nul_byte"),
        (b"2,Zo\xe9,,,,,,1990-01-01,1,,,\r\n", "bad_encoding"),
        (b"2," + b"x" * 200_000 + b",,,,,,1990-01-01,1,,,\r\n", "line_too_long"),
    ],
)
async def test_a_line_that_is_no_line_is_refused_and_the_next_one_is_read(
    place: Place, export: Export, raw: bytes, code: str
) -> None:
    folder = export.write()
    export.append_raw("Client", raw + "3,Ève,,Petit,,,,1991-01-01,1,,,\r\n".encode())
    export.append_raw("Enrollment", b"12,3,70,2024-03-01,,,,,\r\n")
    report = await place.take(folder)
    assert refusals(report) == [("Client.csv", 3, None, code)]
    assert report.pathways == 2


async def test_a_value_may_go_over_several_lines(place: Place, export: Export) -> None:
    export.tables["Client"][0]["NameSuffix"] = 'de\r\nla "Tour"'
    export.add("Client", CLIENT | {"PersonalID": "1"})
    report = await place.take(export)
    assert refusals(report) == [("Client.csv", 4, "PersonalID", "duplicate_id")]


async def test_a_refusal_never_quotes_the_line(place: Place, export: Export) -> None:
    export.add("Client", CLIENT | {"PersonalID": "2", "DOB": "Martin"})
    report = await place.take(export)
    assert "Martin" not in repr(report.told("fr", refusals_max=10))
    assert report.lines_refused == 1


# Again, and otherwise.


def full(export: Export) -> Export:
    export.tables["Enrollment"][0]["MoveInDate"] = "2024-02-14"
    return (
        export.add("Exit", during(ExitID="20", ExitDate="2024-05-30", Destination="435"))
        .add("Assessment", during(AssessmentID="30", AssessmentDate="2024-01-09", AssessmentLevel="2"))
        .add(
            "Event",
            during(EventID="40", EventDate="2024-01-10", Event="13", ReferralResult="1", ResultDate="2024-01-12"),
        )
        .add(
            "CurrentLivingSituation",
            during(CurrentLivingSitID="50", InformationDate="2024-01-15", CurrentLivingSituation="116"),
        )
        .add("EmploymentEducation", during(EmploymentEducationID="60", InformationDate="2024-01-15", Employed="0"))
        .add("Services", during(ServicesID="70", DateProvided="2024-01-20", RecordType="200", TypeProvided="200"))
    )


async def test_a_second_run_adds_nothing(place: Place, export: Export) -> None:
    first = await place.take(full(export))
    head = await place.log.head(FR_34)
    second = await place.take(export)
    assert await place.log.head(FR_34) == head == first.events
    assert (second.events, second.pathways, second.agencies) == (0, 0, 0)
    assert (second.pathways_unchanged, second.facts, second.refusals) == (1, first.facts, [])


async def test_a_line_that_stays_refused_adds_nothing_to_a_closed_pathway(place: Place, export: Export) -> None:
    line = during(CurrentLivingSitID="51", InformationDate="1980-01-01", CurrentLivingSituation="116")
    await place.take(full(export).add("CurrentLivingSituation", line))
    head = await place.log.head(FR_34)
    second = await place.take(export)
    assert refusals(second) == [("CurrentLivingSituation.csv", 3, "InformationDate", "before_birth")]
    assert await place.log.head(FR_34) == head


async def test_a_dry_run_counts_the_same_and_records_nothing(place: Place, export: Export) -> None:
    dry = await place.take(full(export), dry_run=True)
    assert await place.log.head(FR_34) == 0
    wet = await place.take(export)
    counts = [(one.pathways, one.events, one.facts, one.agencies, one.lines_read) for one in (dry, wet)]
    assert counts[0] == counts[1]


async def test_another_territory_knows_the_same_person_under_another_id(place: Place, export: Export) -> None:
    await place.take(export)
    await import_hmis(export.folder, "FR-30", log=place.log, vault=place.log.vault, clock=place.clock, zone=PARIS)
    here = await pathways_of(place.log, FR_34, 10**6)
    assert here != await pathways_of(place.log, "FR-30", 10**6)


async def test_an_exit_that_comes_later_ends_the_stay_and_closes_the_pathway(place: Place, export: Export) -> None:
    await place.take(export)
    export.add("Exit", during(ExitID="20", ExitDate="2024-05-30", Destination="435"))
    report = await place.take(export)
    assert report.pathways_changed == 1
    assert told(await place.facts()) == [
        ("opened", "2024-01-08", "2024-01-08"),
        ("accompaniment", "2024-01-08", "2024-05-30"),
        ("relocation", "2024-05-30", "2024-05-30"),
        ("closed", "2024-05-30", None),
    ]


async def test_something_new_about_a_closed_pathway_takes_the_closure_back_first(place: Place, export: Export) -> None:
    await place.take(full(export))
    export.add("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "2024-09-02"})
    report = await place.take(export)
    assert report.refusals == []
    assert await place.facts("closed") == []
    assert len(await place.facts("accompaniment")) == 3


async def test_dates_told_otherwise_are_corrected_together(place: Place, export: Export) -> None:
    before = await place.take(full(export))
    export.tables["Event"][0] |= {"EventDate": "2024-03-01", "ResultDate": "2024-03-05"}
    export.tables["Exit"][0]["ExitDate"] = "2024-06-15"
    report = await place.take(export)
    assert report.refusals == []
    facts = {fact.type: fact for fact in await place.facts()}
    assert facts["referral"].start == date(2024, 3, 1)
    assert facts["referral_ack"].start == date(2024, 3, 5)
    assert facts["closed"].start == date(2024, 6, 15)
    assert report.facts == before.facts
    assert (await place.take(export)).events == 0


async def test_values_told_otherwise_are_corrected(place: Place, export: Export) -> None:
    await place.take(full(export))
    export.tables["CurrentLivingSituation"][0]["CurrentLivingSituation"] = "435"
    export.tables["Assessment"][0]["AssessmentLevel"] = "1"
    export.tables["Exit"][0]["Destination"] = "422"
    assert (await place.take(export)).refusals == []
    facts = await place.facts("situation", "diagnosis")
    assert {"topic": "housing", "value": "housed"} in [fact.attrs for fact in facts]
    assert any("hebergement-temporaire" in fact.attrs.get("theme", "") for fact in facts)
    assert (await place.take(export)).events == 0


async def test_a_name_told_otherwise_is_corrected(place: Place, export: Export) -> None:
    await place.take(export)
    export.tables["Client"][0]["LastName"] = "Durand"
    assert (await place.take(export)).events == 1
    assert (await place.take(export)).events == 0


async def test_an_answer_told_otherwise_is_reported_not_rewritten(place: Place, export: Export) -> None:
    await place.take(full(export))
    export.tables["Event"][0]["ReferralResult"] = "3"
    report = await place.take(export)
    assert refusals(report) == [("Event.csv", 2, None, "told_otherwise")]
    assert report.events == 0


async def test_what_people_corrected_here_stays_as_they_left_it(place: Place, export: Export) -> None:
    await place.take(export)
    (stay,) = await place.facts("accompaniment")
    await place.act(CorrectEntry(entry_id=UUID(stay.fact_id), start=date(2024, 1, 10)))
    report = await place.take(export)
    assert (report.events, report.entries_kept, report.refusals) == (0, 1, [])
    (stay,) = await place.facts("accompaniment")
    assert stay.start == date(2024, 1, 10)


async def test_a_line_that_the_source_deletes_is_taken_back(place: Place, export: Export) -> None:
    await place.take(full(export))
    for table in ("Exit", "Event"):
        export.tables[table][0]["DateDeleted"] = "2024-07-01 00:00:00"
    report = await place.take(export)
    assert (report.lines_deleted, report.refusals) == (2, [])
    types = Counter(fact.type for fact in await place.facts())
    assert not {"closed", "referral", "referral_ack"} & set(types)
    assert types["relocation"] == 1  # That of moving in.
    assert (await place.take(export)).events == 0


async def test_a_person_erased_here_is_not_brought_back(place: Place, export: Export) -> None:
    await place.take(full(export))
    pathway = await place.pathway()
    head = await place.log.head(FR_34)
    assert pathway.subject is not None
    await place.log.vault.destroy(FR_34, pathway.subject, list(Compartment))
    export.add("Services", during(ServicesID="71", DateProvided="2024-01-21", RecordType="200", TypeProvided="200"))
    report = await place.take(export)
    assert (await place.log.head(FR_34), report.refusals, report.facts) == (head, [], 0)


async def test_two_imports_at_once_record_each_thing_once(place: Place, export: Export) -> None:
    folder = full(export).write()
    await asyncio.gather(place.take(folder), place.take(folder))
    both = await place.facts()
    alone = Place()
    await alone.take(folder)
    assert told(both) == told(await alone.facts())


class Unlucky(MemoryEventLog):
    """Stores what it is given, then loses the connection before it can answer, once for each stream."""

    def __init__(self) -> None:
        super().__init__(clock=SettableClock(NOW))
        self.doubted: set[UUID] = set()

    async def append(self, territory: str, commit: Commit) -> Appended:
        appended = await super().append(territory, commit)
        if commit.subject is not None and commit.stream_id not in self.doubted:
            self.doubted.add(commit.stream_id)
            raise AppendInDoubt
        return appended


async def test_an_answer_that_is_lost_doubles_nothing(export: Export) -> None:
    place = Place(Unlucky())
    report = await place.take(full(export))
    assert (report.pathways, report.refusals) == (1, [])
    assert [fact.type for fact in await place.facts()].count("referral") == 1


# The real thing.


@pytest.mark.skipif(not SAMPLE.is_dir(), reason=f"the FY2022 sample is not at ../shared/data/{SAMPLE.name}")
async def test_the_fy2022_sample_is_imported_whole_but_for_its_four_broken_lines(place: Place) -> None:
    report = await place.take(SAMPLE)
    with (SAMPLE / "Client.csv").open(encoding="utf-8-sig") as file:
        people = sum(1 for _ in csv.DictReader(file))
    assert report.pathways == people == 799
    assert refusals(report) == [
        ("EmploymentEducation.csv", 1114, "InformationDate", "before_birth"),
        ("Enrollment.csv", 230, "MoveInDate", "end_before_start"),
        ("Event.csv", 7, "ResultDate", "end_before_start"),
        ("Exit.csv", 338, "ExitDate", "end_before_start"),
    ]
    types = Counter(fact.type for fact in await place.facts())
    assert types["contact"] == 653
    assert types["accompaniment"] == 819 + 5182
    assert types["referral"] == 12
    assert types["situation"] == 653 + 1283 - 1
    assert (await place.take(SAMPLE)).events == 0
