"""Any command in any state: refused or carried out, never an accident, and the state is always that of a replay."""

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.accompaniment import AccompanimentKind, AccompanimentStatus, MoveAccompaniment, RecordAccompaniment
from domain.aggregate import Event
from domain.appointment import AppointmentOutcome, BookAppointment, ConcludeAppointment
from domain.catalogue import COMMANDS
from domain.clearance import GiveMedicalClearance, Restriction
from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.command import Command
from domain.consent import GiveConsent, Purpose, WithdrawConsent
from domain.contact import Channel, RecordContact
from domain.contract import ContractKind, EndContract, SignContract
from domain.correction import CorrectEntry, RetractEntry
from domain.decision import DecisionKind, DecisionOutcome, MakeDecision, NotifyDecision
from domain.diagnosis import FoundNeed, RecordDiagnosis, WithdrawNeed
from domain.errors import DomainError
from domain.evaluation import EvaluateTraining, EvaluationOutcome
from domain.ledger import point_order
from domain.opening import CorrectIdentity, OpenPathway
from domain.orientation import DecideOrientation, Track
from domain.pathway import Pathway
from domain.referent import AcknowledgeHandover, AssignReferent
from domain.referral import MoveReferral, ReferralStatus, RequestReferral, Urgency
from domain.relocation import MoveRelocation, RecordRelocation, RelocationStatus
from domain.restriction import ContestEntry, ContestOutcome, SettleContest
from domain.review import ReviewAccompaniment, ReviewOutcome, SummaryOutcome, SumUpAccompaniment
from domain.situation import RecordSituation, SituationValue, Topic
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from domain.training import MoveTraining, PhysicalDemand, RecordTraining, TrainingKind, TrainingStatus
from domain.transfer import MoveTransfer, RequestTransfer, TransferStatus
from tests.support.pathways import CCAS, MISSION_LOCALE, NOW, SIAO, act_of, ago, opened, replay, timeless
from tests.support.stories import EVENTFUL

Drawn = TypeVar("Drawn")


def mostly(likely: st.SearchStrategy[Drawn], rarely: st.SearchStrategy[Any]) -> st.SearchStrategy[Drawn]:
    """Four times in five the first (a union of strategies forgets repeated branches)."""
    return st.integers(0, 4).flatmap(lambda number: rarely if number == 3 else likely)


AGENCIES = st.sampled_from([CCAS, MISSION_LOCALE, SIAO])
KNOWN_THEMES = st.sampled_from(
    [
        "se-former--trouver-sa-formation",
        "logement-hebergement--louer-un-logement",
        "sante--addictions",
        "sante--acces-aux-soins",
    ]
)
THEMES = mostly(KNOWN_THEMES, st.just("no-such--theme"))
LIKELY_DAYS = st.integers(1, 60).map(ago)
ODD_DAYS = st.sampled_from([date(1899, 12, 31), date(1990, 1, 1), date(9999, 12, 31), date(2026, 3, 20)])
DAYS = mostly(LIKELY_DAYS, ODD_DAYS)
MAYBE_DAY = mostly(st.none(), DAYS)
INSTANTS = st.integers(-9_000, 3_000).map(lambda minutes: NOW + timedelta(minutes=minutes))
MAYBE_TEXT = st.none() | st.just("a note")
ENDED = {"closed", "referent", "suspension"}
WHEN_CLOSED = (
    ReopenPathway,
    CorrectEntry,
    RetractEntry,
    CorrectIdentity,
    WithdrawConsent,
    SumUpAccompaniment,
    ContestEntry,
    SettleContest,
)


NOTHING = UUID("01900000-0000-7000-8000-0000000000ff")


class Ids:
    """Draws ids of what is recorded in a pathway, most often of one fact type."""

    def __init__(self, pathway: Pathway) -> None:
        self._entries = pathway.ledger.entries

    def of(self, *types: str) -> st.SearchStrategy[UUID]:
        fitting = [entry.id for entry in self._entries.values() if entry.type in types or not types]
        likely = st.sampled_from(fitting or [NOTHING])
        return mostly(likely, st.sampled_from([*self._entries, NOTHING]))

    def maybe(self, *types: str) -> st.SearchStrategy[UUID | None]:
        known = any(entry.type in types for entry in self._entries.values())
        return st.none() | self.of(*types) if known else mostly(st.none(), self.of(*types))


def some(values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from(list(values))


def maybe(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | values


def built(command: type[Command], **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Command]:
    return st.builds(command, **fields)


ZONES = st.sampled_from(["34172", "34032", "30189", "FR-30"])
DRAW: Mapping[type[Command], Callable[[Ids], st.SearchStrategy[Command]]] = {
    OpenPathway: lambda _: st.just(OpenPathway()),
    CorrectIdentity: lambda _: built(CorrectIdentity, birth_date=maybe(some([date(1991, 5, 17), date(2026, 1, 8)]))),
    AssignReferent: lambda _: built(AssignReferent, to_agency=AGENCIES, on=MAYBE_DAY),
    AcknowledgeHandover: lambda ids: built(AcknowledgeHandover, referent_id=ids.of("referent"), on=MAYBE_DAY),
    GiveConsent: lambda _: built(
        GiveConsent,
        purpose=some(Purpose),
        scope=some(["all", "sante", "nothing"]),
        to_agency=AGENCIES,
        on=MAYBE_DAY,
    ),
    WithdrawConsent: lambda ids: built(WithdrawConsent, consent_id=ids.of("consent"), on=MAYBE_DAY),
    RecordDiagnosis: lambda ids: built(
        RecordDiagnosis,
        needs=st.lists(st.builds(FoundNeed, theme=THEMES, restriction=maybe(some(Restriction))), max_size=3).map(tuple),
        on=MAYBE_DAY,
        valid_until=MAYBE_DAY,
        replaces=st.lists(ids.of("diagnosis"), max_size=2).map(tuple),
        id=ids.maybe(),
    ),
    WithdrawNeed: lambda ids: built(WithdrawNeed, need_id=ids.of("diagnosis"), on=MAYBE_DAY),
    DecideOrientation: lambda _: built(
        DecideOrientation, track=some(Track), to_agency=AGENCIES, theme=maybe(THEMES), on=MAYBE_DAY
    ),
    RequestReferral: lambda ids: built(
        RequestReferral,
        to_agency=AGENCIES,
        theme=THEMES,
        on=MAYBE_DAY,
        urgency=some(Urgency),
        need_id=ids.maybe("diagnosis"),
        id=ids.maybe(),
    ),
    MoveReferral: lambda ids: built(
        MoveReferral, referral_id=ids.of("referral"), status=some(ReferralStatus), on=MAYBE_DAY, reason=MAYBE_TEXT
    ),
    RecordTraining: lambda ids: built(
        RecordTraining,
        theme=THEMES,
        kind=some(TrainingKind),
        status=some(TrainingStatus),
        start=DAYS,
        end=MAYBE_DAY,
        need_id=ids.maybe("diagnosis"),
        referral_id=ids.maybe("referral"),
        physical=maybe(some(PhysicalDemand)),
    ),
    MoveTraining: lambda ids: built(
        MoveTraining, training_id=ids.of("training"), status=some(TrainingStatus), on=MAYBE_DAY
    ),
    RecordRelocation: lambda _: built(
        RecordRelocation, from_zone=maybe(ZONES), to_zone=ZONES, on=DAYS, planned=st.booleans()
    ),
    MoveRelocation: lambda ids: built(
        MoveRelocation, relocation_id=ids.of("relocation"), status=some(RelocationStatus), on=MAYBE_DAY
    ),
    RecordAccompaniment: lambda _: built(
        RecordAccompaniment, kind=some(AccompanimentKind), start=DAYS, end=MAYBE_DAY, planned=st.booleans()
    ),
    MoveAccompaniment: lambda ids: built(
        MoveAccompaniment, accompaniment_id=ids.of("accompaniment"), status=some(AccompanimentStatus), on=MAYBE_DAY
    ),
    ReviewAccompaniment: lambda ids: built(
        ReviewAccompaniment, accompaniment_id=ids.of("accompaniment"), outcome=some(ReviewOutcome), on=MAYBE_DAY
    ),
    SumUpAccompaniment: lambda ids: built(
        SumUpAccompaniment, accompaniment_id=ids.of("accompaniment"), outcome=some(SummaryOutcome), on=MAYBE_DAY
    ),
    EvaluateTraining: lambda ids: built(
        EvaluateTraining, training_id=ids.of("training"), outcome=some(EvaluationOutcome), on=MAYBE_DAY
    ),
    MakeDecision: lambda ids: built(
        MakeDecision,
        kind=some(DecisionKind),
        outcome=some(DecisionOutcome),
        theme=maybe(THEMES),
        referral_id=ids.maybe("referral"),
        on=MAYBE_DAY,
    ),
    NotifyDecision: lambda ids: built(NotifyDecision, decision_id=ids.of("decision"), on=MAYBE_DAY),
    GiveMedicalClearance: lambda _: built(GiveMedicalClearance, restriction=some(Restriction), on=MAYBE_DAY),
    BookAppointment: lambda ids: built(
        BookAppointment, start=INSTANTS, end=INSTANTS, referral_id=ids.maybe("referral")
    ),
    ConcludeAppointment: lambda ids: built(
        ConcludeAppointment, appointment_id=ids.of("appointment"), outcome=some(AppointmentOutcome), at=maybe(INSTANTS)
    ),
    RecordContact: lambda _: built(
        RecordContact, channel=some(Channel), reached=st.booleans(), on=MAYBE_DAY, at=maybe(INSTANTS)
    ),
    SignContract: lambda _: built(SignContract, kind=some(ContractKind), on=MAYBE_DAY, until=MAYBE_DAY),
    EndContract: lambda ids: built(EndContract, contract_id=ids.of("engagement_contract"), on=MAYBE_DAY),
    RecordSituation: lambda _: built(RecordSituation, topic=some(Topic), value=some(SituationValue), on=MAYBE_DAY),
    SuspendPathway: lambda _: built(SuspendPathway, motive=some(SuspensionMotive), on=MAYBE_DAY),
    ResumePathway: lambda _: built(ResumePathway, on=MAYBE_DAY),
    RequestTransfer: lambda _: built(
        RequestTransfer, to_agency=AGENCIES, to_territory=maybe(some(["FR-34", "FR-30"])), on=MAYBE_DAY
    ),
    MoveTransfer: lambda ids: built(
        MoveTransfer, transfer_id=ids.of("transfer"), status=some(TransferStatus), on=MAYBE_DAY, reason=MAYBE_TEXT
    ),
    ClosePathway: lambda _: built(ClosePathway, outcome=some(ClosureOutcome), on=MAYBE_DAY),
    ReopenPathway: lambda _: built(ReopenPathway, on=MAYBE_DAY),
    CorrectEntry: lambda ids: (
        built(
            CorrectEntry,
            entry_id=ids.of(),
            start=MAYBE_DAY,
            end=MAYBE_DAY,
            start_at=maybe(INSTANTS),
            end_at=maybe(INSTANTS),
            no_end=st.booleans(),
            theme=maybe(THEMES),
            to_zone=maybe(ZONES),
            kind=maybe(some(["cej", "health", "language", "?"])),
            value=maybe(some(SituationValue)),
            urgency=maybe(some(Urgency)),
        )
        | built(CorrectEntry, entry_id=ids.of(), start=DAYS)
    ),
    RetractEntry: lambda ids: built(RetractEntry, entry_id=ids.of()),
    ContestEntry: lambda ids: built(ContestEntry, entry_id=ids.of(), note=MAYBE_TEXT),
    SettleContest: lambda ids: built(SettleContest, entry_id=ids.of(), outcome=some(ContestOutcome)),
}


ACTS_ON: Mapping[type[Command], str] = {
    AcknowledgeHandover: "referent",
    WithdrawConsent: "consent",
    WithdrawNeed: "diagnosis",
    RequestReferral: "diagnosis",
    MoveReferral: "referral",
    MoveTraining: "training",
    MoveRelocation: "relocation",
    MoveAccompaniment: "accompaniment",
    ReviewAccompaniment: "accompaniment",
    SumUpAccompaniment: "accompaniment",
    EvaluateTraining: "training",
    NotifyDecision: "decision",
    ConcludeAppointment: "appointment",
    EndContract: "engagement_contract",
    MoveTransfer: "transfer",
    ResumePathway: "suspension",
    ReopenPathway: "closed",
    CorrectEntry: "opened",
    RetractEntry: "opened",
}


class PathwayMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.events: list[Event] = []
        self.pathway = opened()
        self.now = NOW

    @initialize(length=st.integers(0, len(EVENTFUL)))
    def live_through_a_story(self, length: int) -> None:
        """Start anywhere in a pathway where everything happens, with every agency taking part."""
        for agency in (MISSION_LOCALE, SIAO):
            GiveConsent(purpose=Purpose.CONTACT, to_agency=agency, on=ago(60)).decide(self.pathway, act_of())
        for agency, command in EVENTFUL[:length]:
            command.decide(self.pathway, act_of(agency))
        self._collect()

    @rule(data=st.data(), command_type=st.sampled_from(list(DRAW)))
    def ask(self, data: st.DataObject, command_type: type[Command]) -> None:
        """Anything, however absurd."""
        self._carry_out(data, command_type)

    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        """Something that acts on what is recorded."""
        kinds = {entry.type for entry in self.pathway.ledger.entries.values()}
        likely = [command_type for command_type, kind in ACTS_ON.items() if kind in kinds]
        self._carry_out(data, data.draw(st.sampled_from(likely)))

    @rule(data=st.data(), command_type=st.sampled_from(list(DRAW)))
    def think_again(self, data: st.DataObject, command_type: type[Command]) -> None:
        """Retracted is never recorded, whatever the state."""
        before = timeless(self.pathway.facts())
        recorded_id = self._carry_out(data, command_type)
        if recorded_id is not None:
            self.now += timedelta(minutes=1)
            act = act_of(self.pathway.ledger.entries[recorded_id].recorded_by, self.now)
            RetractEntry(entry_id=recorded_id).decide(self.pathway, act)
            self._collect()
            assert timeless(self.pathway.facts()) == before

    def _carry_out(self, data: st.DataObject, command_type: type[Command]) -> UUID | None:
        command = data.draw(DRAW[command_type](Ids(self.pathway)))
        self.now += timedelta(minutes=1)
        facts, version, closed = self.pathway.facts(), self.pathway.version, self.pathway.is_closed
        act = act_of(data.draw(self._agencies(command)), self.now)
        try:
            self.pathway.must_take_part(act)
            recorded_id = command.decide(self.pathway, act)
        except DomainError:
            assert (self.pathway.facts(), self.pathway.version) == (facts, version)
            return None
        else:
            assert recorded_id is None or recorded_id in self.pathway.ledger
            assert not closed or isinstance(command, WHEN_CLOSED)
            assert self.pathway.version > version
            self._collect()
            return recorded_id

    def _agencies(self, command: Command) -> st.SearchStrategy[str]:
        """Those whom the entry it acts on concerns, or any."""
        ids = {getattr(command, spec.entry_field) for spec in COMMANDS if spec.entry_field in command.__struct_fields__}
        entries = [self.pathway.ledger.entries[entry_id] for entry_id in ids if entry_id in self.pathway.ledger]
        concerned = [agency for entry in entries for agency in (entry.attrs.get("to_agency"), entry.recorded_by)]
        likely = st.sampled_from([agency for agency in concerned if agency] or [CCAS, self.pathway.referent or CCAS])
        return mostly(likely, AGENCIES)

    def _collect(self) -> None:
        self.events += [event for event in self.pathway.collect_events() if isinstance(event, Event)]

    @invariant()
    def a_replay_gives_the_same_state(self) -> None:
        replayed = replay(self.events) if self.events else self.pathway
        assert replayed.facts() == self.pathway.facts()
        assert replayed.participants == self.pathway.participants
        assert (replayed.referent, replayed.is_closed) == (self.pathway.referent, self.pathway.is_closed)

    @invariant()
    def intervals_are_ordered(self) -> None:
        for fact in self.pathway.facts():
            assert fact.end is None or point_order(fact.start) <= point_order(fact.end), fact
        assert self.pathway.ledger.is_consistent()

    @invariant()
    def one_at_a_time(self) -> None:
        for kind in ENDED:
            assert sum(current.end is None for current in self.pathway.ledger.of_type(kind)) <= 1, kind

    @invariant()
    def a_closed_pathway_waits_for_nobody(self) -> None:
        requests = list(self.pathway.ledger.of_type("referral", "transfer"))
        assert not (self.pathway.is_closed and any(request.attrs["status"] == "requested" for request in requests))

    @invariant()
    def only_the_agency_asked_answers(self) -> None:
        referrals = {fact.fact_id: fact for fact in self.pathway.facts() if fact.type == "referral"}
        for fact in self.pathway.facts():
            if fact.type == "referral_ack":
                assert fact.agency == referrals[fact.attrs["referral_id"]].attrs["to_agency"]

    @invariant()
    def health_needs_never_stand_among_facts(self) -> None:
        said = {str(value) for fact in self.pathway.facts() for value in fact.attrs.values()}
        assert not any(value.startswith("sante--") for value in said)


TestPathwayMachine = PathwayMachine.TestCase
TestPathwayMachine.settings = settings(
    max_examples=40, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_the_machine_knows_every_command() -> None:
    assert set(DRAW) == {spec.command_type for spec in COMMANDS}
