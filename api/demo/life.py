"""One pathway's year, written piece by piece: each piece by itself is in step with every rule."""

from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from api.demo.script import Call, Expected, Story
from api.demo.territory import ABLE_TO, COMMUNES, OTHER_THEMES, REFERENTS, TRAINING_THEMES, invent_person

DAYS_MAX, DAYS_MIN = 355, 215
"""How long before the last day a pathway is opened."""
FIRST_HOUR = time(7)
MORNING = (20, 240)  # Minutes after 7:00 UTC; what answers something of the same day comes in the afternoon.
AFTERNOON = (241, 479)
EVENING = 480
MEETING = timedelta(minutes=45)
HOUSING = "logement-hebergement--changer-de-logement"
CARE = "sante--acces-aux-soins"


class Referral(NamedTuple):
    id: UUID
    theme: str
    to_agency: str
    answered: date


class Life:
    """Calls are kept in any order; those after the last day are left out."""

    def __init__(self, random: Random, number: int, last_day: date) -> None:
        self.random = random
        self.number = number
        self.last_day = last_day
        self.opener = random.choice(REFERENTS)
        self.person = invent_person(random, number)
        self.opened = last_day - timedelta(days=random.randint(DAYS_MIN, DAYS_MAX))
        self._referents = [(date.min, self.opener)]
        self._told_by_consent: set[str] = set()
        self._meetings: dict[date, int] = {}
        self._calls: list[Call] = []
        self._expected: list[Expected] = []

    def story(self) -> Story:
        calls = sorted(self._calls, key=lambda call: call.at)
        return Story(self.number, self.person, self.opener, calls, self._expected)

    def expect(self, rule: str, *, cleared: bool, told: set[str]) -> None:
        self._expected.append(Expected(rule, cleared, frozenset(told)))

    def day(self, since_opening: int) -> date:
        return self.opened + timedelta(days=since_opening)

    def ago(self, days: int) -> date:
        """So many days before the last one."""
        return self.last_day - timedelta(days=days)

    def between(self, least: int, most: int) -> int:
        return self.random.randint(least, most)

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def referent_on(self, day: date) -> str:
        return next(agency for since, agency in reversed(self._referents) if since <= day)

    # A whole life in step.

    def live_in_step(self) -> None:
        kind = self.random.random()
        themes = [self.random.choice(OTHER_THEMES)]
        if kind < 0.45:
            themes.append(self.random.choice(TRAINING_THEMES))
        elif kind < 0.75 and HOUSING not in themes:
            themes.append(HOUSING)
        is_social = self.random.random() < 0.15
        self.begin(track="social" if is_social else "sociopro")
        referrals = self.diagnose_and_refer(themes)
        ends = [self.day(90)]
        if is_social:
            self.decide("reexamination", self.day(85), told=3)
        if kind < 0.35:
            ends.append(self.train(referrals[-1], start=self.day(60), days=self.between(30, 60)))
        elif 0.45 <= kind < 0.75:
            ends.append(self.move_house(self.day(self.between(60, 80))))
        if kind > 0.9:
            self.hand_over(self.day(75), confirmed=6)
        closed = max(ends) + timedelta(days=self.between(10, 25)) if self.random.random() < 0.2 else None
        self.keep_in_touch(until=closed or self.last_day)
        if closed is not None and closed <= self.last_day:
            self.close(closed)

    def begin(self, *, named: bool = True, contract: bool = True, track: str = "sociopro") -> None:
        """Opened, met, oriented, under contract."""
        person, day = self.person, self.opened
        opening = {
            "on": str(day),
            "given_name": person.given_name,
            "family_name": person.family_name,
            "birth_date": person.birth_date,
        }
        self.call(day, self.opener, "open-pathway", opening, minute=0)
        if named:
            self.call(day, self.opener, "assign-referent", {"on": str(day)}, minute=5)
        first_contact = {"channel": "in_person", "on": str(day), "note": person.note}
        self.call(day, self.opener, "record-contact", first_contact, minute=10)
        oriented = self.day(self.between(2, 6))
        orientation = {"track": track, "to_agency": self.opener, "on": str(oriented)}
        self.call(oriented, self.opener, "decide-orientation", orientation)
        if contract:
            self.sign_contract(self.day(self.between(15, 40)))

    def sign_contract(self, day: date, *, until: date | None = None) -> None:
        contract = {"kind": "contrat-engagement", "on": str(day)}
        if until is not None:
            contract["until"] = str(until)
        self.call(day, self.referent_on(day), "sign-contract", contract)

    def diagnose_and_refer(self, themes: list[str]) -> list[Referral]:
        day = self.diagnose(themes)
        return [self.refer(theme, day + timedelta(days=self.between(3, 20))) for theme in themes]

    def diagnose(
        self, themes: list[str], *, day: date | None = None, by: str | None = None, entry: UUID | None = None
    ) -> date:
        """Returns its day, in the second week unless told otherwise."""
        day = day or self.day(self.between(7, 12))
        diagnosis: dict[str, Any] = {
            "needs": [{"theme": theme} for theme in themes],
            "on": str(day),
            "valid_until": str(day + timedelta(days=180)),
            "note": self.person.note,
        }
        if entry is not None:
            diagnosis["id"] = str(entry)
        self.call(day, by or self.referent_on(day), "record-diagnosis", diagnosis)
        return day

    # Referrals and what follows.

    def refer(
        self,
        theme: str,
        day: date,
        *,
        to: str | None = None,
        met: bool = True,
        started: bool = True,
        completed: bool = True,
    ) -> Referral:
        """Agreed to by the person, accepted, followed by an appointment and by action."""
        target = to or ABLE_TO[theme]
        self.agree(self.referent_on(day), target, day)
        referral = self.request(theme, target, day)
        answered = day + timedelta(days=self.between(0, 2))
        self.move_referral(referral, answered, target, "accepted")
        if met:
            self.meet(answered + timedelta(days=self.between(3, 10)), target, referral=referral)
        if started:
            begun = answered + timedelta(days=self.between(12, 22))
            self.move_referral(referral, begun, target, "in-progress")
            if completed:
                self.move_referral(referral, begun + timedelta(days=self.between(10, 35)), target, "completed")
        return Referral(referral, theme, target, answered)

    def agree(self, agency: str, to_agency: str, day: date, *, recorded: date | None = None) -> None:
        """The person agrees, once, that an agency may be told."""
        if agency != to_agency and to_agency not in self._told_by_consent:
            self._told_by_consent.add(to_agency)
            consent = {"purpose": "sharing", "to_agency": to_agency, "on": str(day)}
            self.call(recorded or day, agency, "give-consent", consent, minute=MORNING[0])

    def request(self, theme: str, target: str, day: date, *, by: str | None = None, urgency: str = "routine") -> UUID:
        referral = self.new_id()
        body = {"to_agency": target, "theme": theme, "on": str(day), "urgency": urgency, "id": str(referral)}
        self.call(day, by or self.referent_on(day), "request-referral", body)
        return referral

    def move_referral(self, referral: UUID, day: date, agency: str, status: str, *, reason: str | None = None) -> None:
        body = {"status": status, "on": str(day)} | ({"reason": reason} if reason else {})
        self.call(day, agency, "move-referral", body, entry=referral, afternoon=True)

    # Meetings and contacts.

    def keep_in_touch(self, *, since: int = 20, until: date, meetings: bool = True) -> None:
        """Every few weeks, by turns a contact and an appointment."""
        day, turn = self.day(since + self.between(0, 15)), 0
        while day < until:
            agency = self.referent_on(day)
            if meetings and turn % 2:
                booked = day - timedelta(days=2)
                self.meet(day, agency, booked=booked if self.referent_on(booked) == agency else day)
            else:
                self.contact(day)
            day += timedelta(days=self.between(34, 43))
            turn += 1

    def contact(self, day: date) -> None:
        contact = {"channel": self.random.choice(["phone", "in_person", "video"]), "on": str(day)}
        if self.random.random() < 0.3:
            contact["note"] = self.person.note
        self.call(day, self.referent_on(day), "record-contact", contact)

    def meet(
        self,
        day: date,
        agency: str,
        *,
        referral: UUID | None = None,
        outcome: str | None = "present",
        start: datetime | None = None,
        booked: date | None = None,
    ) -> UUID:
        """An appointment at an hour of its own, booked some days before, its outcome noted the same day."""
        appointment = self.new_id()
        if start is None:
            taken = self._meetings[day] = self._meetings.get(day, -1) + 1
            start = datetime.combine(day, FIRST_HOUR, tzinfo=UTC) + taken * timedelta(hours=1)
        body = {"start": start.isoformat(), "end": (start + MEETING).isoformat(), "id": str(appointment)}
        if referral is not None:
            body["referral_id"] = str(referral)
        self.call(booked or day - timedelta(days=2), agency, "book-appointment", body, afternoon=True)
        if outcome is not None:
            self.conclude(appointment, day, agency, outcome, start + MEETING)
        return appointment

    def conclude(
        self,
        appointment: UUID,
        day: date,
        agency: str,
        outcome: str,
        at: datetime | None = None,
        entry: UUID | None = None,
    ) -> None:
        body = {"outcome": outcome}
        if at is not None:
            body["at"] = at.isoformat()
        if entry is not None:
            body["id"] = str(entry)
        self.call(day, agency, "conclude-appointment", body, entry=appointment, minute=EVENING)

    # Trainings, moves, accompaniments.

    def train(
        self,
        referral: Referral,
        start: date,
        days: int,
        *,
        physical: str = "light",
        evaluated: bool = True,
        entry: UUID | None = None,
    ) -> date:
        """Enrolled, started, completed, evaluated; returns the day on which all that is over."""
        training, end, agency = entry or self.new_id(), start + timedelta(days=days), referral.to_agency
        enrolled = start - timedelta(days=5)
        body = {
            "theme": referral.theme,
            "kind": "pre_qualifying",
            "status": "enrolled",
            "physical": physical,
            "start": str(start),
            "end": str(end),
            "referral_id": str(referral.id),
            "id": str(training),
        }
        self.call(enrolled, agency, "record-training", body)
        self.call(start, agency, "move-training", {"status": "started", "on": str(start)}, entry=training)
        self.call(end, agency, "move-training", {"status": "completed", "on": str(end)}, entry=training)
        if evaluated:
            self.evaluate(training, end + timedelta(days=4), agency)
        return end + timedelta(days=5)

    def evaluate(self, training: UUID, day: date, agency: str) -> None:
        evaluation = {"outcome": "acquired", "on": str(day)}
        self.call(day, agency, "evaluate-training", evaluation, entry=training)

    def move_house(self, day: date, *, accompanied: int | None = -10, to: str | None = None) -> date:
        """A relocation, accompanied from some days before it; returns the day on which all that is over."""
        origin, destination = self.random.sample(COMMUNES, k=2)
        move = {"from_zone": origin, "to_zone": to or destination, "on": str(day)}
        self.call(day, ABLE_TO[HOUSING], "record-relocation", move)
        if accompanied is None:
            return day
        return self.accompany(day + timedelta(days=accompanied), days=80)

    def accompany(
        self,
        start: date,
        *,
        days: int | None = None,
        kind: str = "socio_professional",
        by: str | None = None,
        reviewed: bool = True,
        summed_up: bool = True,
        entry: UUID | None = None,
    ) -> date:
        """Reviewed every few months while it lasts, summed up at its end; returns the day on which all that is over."""
        accompaniment, agency = entry or self.new_id(), by or self.referent_on(start)
        body = {"kind": kind, "start": str(start), "id": str(accompaniment)}
        self.call(start, agency, "record-accompaniment", body)
        end = start + timedelta(days=days) if days is not None else self.last_day
        review = start + timedelta(days=self.between(50, 75))
        while reviewed and review < end:
            self.review(accompaniment, review, agency)
            review += timedelta(days=self.between(60, 85))
        if days is None:
            return end
        self.call(end, agency, "move-accompaniment", {"status": "ended", "on": str(end)}, entry=accompaniment)
        if summed_up:
            self.sum_up(accompaniment, end + timedelta(days=3), agency)
        return end + timedelta(days=4)

    def review(self, accompaniment: UUID, day: date, agency: str) -> None:
        self.call(day, agency, "review-accompaniment", {"on": str(day)}, entry=accompaniment)

    def sum_up(self, accompaniment: UUID, day: date, agency: str) -> None:
        summary = {"outcome": "partly_reached", "on": str(day)}
        self.call(day, agency, "sum-up-accompaniment", summary, entry=accompaniment)

    def decide(self, kind: str, day: date, *, told: int | None, recorded: date | None = None) -> UUID:
        """A decision, of which the person is told so many days later."""
        decision, agency = self.new_id(), self.referent_on(day)
        body = {"kind": kind, "outcome": "favourable", "on": str(day), "id": str(decision)}
        self.call(recorded or day, agency, "make-decision", body, afternoon=recorded is not None)
        if told is not None:
            self.notify(decision, day + timedelta(days=told))
        return decision

    def notify(self, decision: UUID, day: date) -> None:
        self.call(day, self.referent_on(day), "notify-decision", {"on": str(day)}, entry=decision)

    # The referent, and the end.

    def hand_over(self, day: date, *, confirmed: int | None) -> str:
        """Another referent is named, and confirms so many days later; returns who."""
        old = self.referent_on(day)
        new = self.random.choice([agency for agency in REFERENTS if agency != old])
        referent = self.new_id()
        body = {"to_agency": new, "on": str(day), "id": str(referent)}
        self.call(day, old, "assign-referent", body, minute=MORNING[0])
        self._referents.append((day + timedelta(days=1), new))
        if confirmed is not None:
            on = day + timedelta(days=confirmed)
            self.call(on, new, "acknowledge-handover", {"on": str(on)}, entry=referent)
        return new

    def close(self, day: date) -> None:
        closing = {"outcome": "goals_reached", "on": str(day)}
        self.call(day, self.referent_on(day), "close-pathway", closing, minute=EVENING)

    def retract(self, entry: UUID, day: date, agency: str) -> None:
        self.call(day, agency, "retract-entry", {}, entry=entry)

    def call(
        self,
        day: date,
        by: str,
        command: str,
        body: dict[str, Any],
        *,
        minute: int | None = None,
        afternoon: bool = False,
        entry: UUID | None = None,
    ) -> None:
        """One request on one day, in the morning unless told otherwise."""
        if day > self.last_day:
            return
        drawn = self.between(*(AFTERNOON if afternoon else MORNING))
        at = datetime.combine(day, FIRST_HOUR, tzinfo=UTC) + timedelta(minutes=drawn if minute is None else minute)
        self._calls.append(Call(at, by, command, body, entry))
