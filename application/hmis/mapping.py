"""What each line of an HMIS export becomes here: one pathway per person, told in the order in which things happened."""

from collections.abc import Iterator
from datetime import date
from uuid import UUID

from application.hmis import codes, tables
from application.hmis.agencies import Agencies
from application.hmis.export import Enrollment, Export, Person
from application.hmis.reader import Row
from application.pathway_telling import Ids, Opening, Step, Telling
from domain.accompaniment import AccompanimentStatus, MoveAccompaniment, RecordAccompaniment
from domain.closure import ClosePathway
from domain.command import Command
from domain.contact import Channel, RecordContact
from domain.diagnosis import FoundNeed, RecordDiagnosis
from domain.opening import OpenPathway
from domain.referral import MoveReferral, RequestReferral
from domain.relocation import RecordRelocation
from domain.situation import RecordSituation, SituationValue, Topic

SOURCE = "hmis"
PARTS = {
    tables.SERVICE.file: ("service",),
    tables.EMPLOYMENT.file: ("situation",),
    tables.LIVING_SITUATION.file: ("situation", "contact"),
    tables.EVENT.file: ("answer", "referral"),
    tables.ASSESSMENT.file: ("diagnosis",),
    tables.EXIT.file: ("relocation", "end"),
    tables.ENROLLMENTS.file: ("relocation", "stay"),
}
"""The entries that a line of each file may have made, in the order in which they may be taken back."""
NAME_LENGTH_MAX = 200


class Mapping:
    """From the lines of one export to what is told of each person."""

    def __init__(self, export: Export, ids: Ids, territory: str) -> None:
        self._export = export
        self._ids = ids
        self._territory = territory
        self.agencies = Agencies(export)

    def tellings(self) -> Iterator[Telling]:
        """People without any enrolment have no pathway: nothing is known to have been done for them."""
        for person in self._export.people.values():
            if person.enrollments:
                yield self._telling(person)

    def _telling(self, person: Person) -> Telling:
        enrollments = sorted(
            person.enrollments, key=lambda enrollment: (enrollment.row["EntryDate"], enrollment.row.id)
        )
        dated = [step for enrollment in enrollments for step in self._enrollment(enrollment)]
        dated.sort(key=lambda step: step[0])  # Stable: within a day, in the order in which they are told.
        return Telling(
            subject=self._ids.of("subject", person.client.id),
            opening=self._opening(person, enrollments[0]),
            steps=tuple(step for _, step in dated),
            closing=self._closing(person, enrollments),
            deleted=self._deleted(person),
        )

    def _opening(self, person: Person, first: Enrollment) -> Opening:
        client = person.client
        given = [client["FirstName"], client["MiddleName"]]
        family = [client["LastName"], client["NameSuffix"]]
        command = OpenPathway(
            on=first.row["EntryDate"], given_name=_name(given), family_name=_name(family), birth_date=_birth(client)
        )
        return Opening(
            id=self._ids.of("pathway", client.id),
            command=command,
            agency=self.agencies.of(first),
            file=client.file,
            line=client.line,
            columns={"/birth_date": "DOB"},
        )

    def _deleted(self, person: Person) -> tuple[UUID, ...]:
        """What hangs on an enrolment goes before the enrolment, and an answer before what it answers."""
        files = list(PARTS)
        rows = sorted(person.deleted, key=lambda row: files.index(row.file))
        return tuple(self._entry(row, part) for row in rows for part in PARTS[row.file])

    def _closing(self, person: Person, enrollments: list[Enrollment]) -> Step | None:
        """Once nobody works with the person any more; by the agency that opened the pathway, which alone may."""
        exits = [enrollment.exit for enrollment in enrollments if enrollment.exit is not None]
        if len(exits) < len(enrollments):
            return None
        last = max(exits, key=lambda row: (row["ExitDate"], row.id))
        closure = self._ids.of("closure", person.client.id)
        command = ClosePathway(outcome=codes.OUTCOMES[last["Destination"]], on=last["ExitDate"])
        return self._step(last, command, self.agencies.of(enrollments[0]), closure, {"/on": "ExitDate"})

    def _enrollment(self, enrollment: Enrollment) -> Iterator[tuple[date, Step]]:
        yield from self._stay(enrollment)
        yield from self._move_in(enrollment)
        for row in enrollment.lines(tables.ASSESSMENT):
            yield row["AssessmentDate"], self._diagnosis(row, self.agencies.of(enrollment))
        for row in enrollment.lines(tables.EVENT):
            yield from self._referral(row, enrollment)
        for row in enrollment.lines(tables.SERVICE):
            yield row["DateProvided"], self._service(row, self.agencies.of(enrollment))
        for row in enrollment.lines(tables.LIVING_SITUATION):
            yield from self._living_situation(row, self.agencies.of(enrollment))
        for row in enrollment.lines(tables.EMPLOYMENT):
            yield from self._employment(row, self.agencies.of(enrollment))
        yield from self._exit(enrollment)

    def _stay(self, enrollment: Enrollment) -> Iterator[tuple[date, Step]]:
        """The enrolment itself is an accompaniment; its end is told by the exit."""
        row, project = enrollment.row, self.agencies.project_of(enrollment)
        kind = codes.PROJECT_TYPES[project["ProjectType"] if project else None]
        stay = self._entry(row, "stay")
        command = RecordAccompaniment(id=stay, kind=kind, start=row["EntryDate"])
        yield row["EntryDate"], self._step(row, command, self.agencies.of(enrollment), stay, {"/start": "EntryDate"})

    def _move_in(self, enrollment: Enrollment) -> Iterator[tuple[date, Step]]:
        row = enrollment.row
        if row["MoveInDate"] is not None:
            yield row["MoveInDate"], self._relocation(row, "MoveInDate", self.agencies.of(enrollment))

    def _exit(self, enrollment: Enrollment) -> Iterator[tuple[date, Step]]:
        row, agency = enrollment.exit, self.agencies.of(enrollment)
        if row is None:
            return
        end = self._entry(row, "end")
        command = MoveAccompaniment(
            id=end,
            accompaniment_id=self._entry(enrollment.row, "stay"),
            status=AccompanimentStatus.ENDED,
            on=row["ExitDate"],
        )
        yield row["ExitDate"], self._step(row, command, agency, end, {"/on": "ExitDate"})
        if row["Destination"] in codes.PERMANENT_DESTINATIONS:
            yield row["ExitDate"], self._relocation(row, "ExitDate", agency)

    def _relocation(self, row: Row, column: str, agency: str) -> Step:
        """The file does not say where to, only that it is a home of one's own: the move stays in the territory."""
        entry = self._entry(row, "relocation")
        command = RecordRelocation(id=entry, to_zone=self._territory, on=row[column])
        return self._step(row, command, agency, entry, {"/on": column})

    def _diagnosis(self, row: Row, agency: str) -> Step:
        entry = self._entry(row, "diagnosis")
        theme = codes.ASSESSED_NEEDS.get(row["AssessmentLevel"])
        needs = (FoundNeed(theme=theme, id=self._entry(row, "need")),) if theme else ()
        command = RecordDiagnosis(id=entry, on=row["AssessmentDate"], needs=needs)
        return self._step(row, command, agency, entry, {"/on": "AssessmentDate"})

    def _referral(self, row: Row, enrollment: Enrollment) -> Iterator[tuple[date, Step]]:
        from_agency, to_agency = self.agencies.of(enrollment), self.agencies.asked(row)
        referral = self._entry(row, "referral")
        command = RequestReferral(
            id=referral, to_agency=to_agency, theme=codes.EVENT_THEMES[row["Event"]], on=row["EventDate"]
        )
        yield row["EventDate"], self._step(row, command, from_agency, referral, {"/on": "EventDate"})
        if row["ReferralResult"] is not None:
            yield row["ResultDate"], self._answer(row, referral, to_agency)

    def _answer(self, row: Row, referral: UUID, to_agency: str) -> Step:
        status, reason = codes.REFERRAL_RESULTS[row["ReferralResult"]]
        answer = self._entry(row, "answer")
        command = MoveReferral(id=answer, referral_id=referral, status=status, on=row["ResultDate"], reason=reason)
        return self._step(row, command, to_agency, answer, {"/on": "ResultDate"})

    def _service(self, row: Row, agency: str) -> Step:
        entry, day = self._entry(row, "service"), row["DateProvided"]
        kind = codes.service_kind(row["RecordType"], row["TypeProvided"])
        command = RecordAccompaniment(id=entry, kind=kind, start=day, end=day)
        return self._step(row, command, agency, entry, {"/start": "DateProvided"})

    def _living_situation(self, row: Row, agency: str) -> Iterator[tuple[date, Step]]:
        """Somebody asked the person, so it is a contact too."""
        contact = self._entry(row, "contact")
        seen = RecordContact(id=contact, channel=Channel.OTHER, on=row["InformationDate"])
        yield row["InformationDate"], self._step(row, seen, agency, contact, {"/on": "InformationDate"})
        value = codes.LIVING_SITUATIONS[row["CurrentLivingSituation"]]
        yield row["InformationDate"], self._situation(row, Topic.HOUSING, value, agency)

    def _employment(self, row: Row, agency: str) -> Iterator[tuple[date, Step]]:
        """A line that says nothing of employment says nothing here."""
        if row["Employed"] is not None:
            value = codes.employment(
                row["Employed"], row["EmploymentType"], row["NotEmployedReason"], row["SchoolStatus"]
            )
            yield row["InformationDate"], self._situation(row, Topic.EMPLOYMENT, value, agency)

    def _situation(self, row: Row, topic: Topic, value: SituationValue, agency: str) -> Step:
        entry = self._entry(row, "situation")
        command = RecordSituation(id=entry, topic=topic, value=value, on=row["InformationDate"])
        return self._step(row, command, agency, entry, {"/on": "InformationDate"})

    def _entry(self, row: Row, part: str) -> UUID:
        return self._ids.of(row.file, row.id, part)

    @staticmethod
    def _step(row: Row, command: Command, agency: str, entry: UUID, columns: dict[str, str]) -> Step:
        return Step(id=entry, command=command, agency=agency, file=row.file, line=row.line, columns=columns)


def _birth(client: Row) -> date | None:
    birth: date | None = client["DOB"]
    return birth if client["DOBDataQuality"] in codes.RELIABLE else None


def _name(parts: list[str | None]) -> str | None:
    return " ".join(part for part in parts if part)[:NAME_LENGTH_MAX] or None
