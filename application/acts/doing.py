"""How a fact of each type is made to come about: the commands that record one, with what is already known of them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from uuid import UUID

from application.acts.sketch import Asks, Blank, Sketch, Way, code, day, text
from application.acts.wanted import Wanted
from domain import themes_v1
from domain.accompaniment import AccompanimentKind
from domain.appointment import AppointmentOutcome
from domain.clearance import Restriction
from domain.consent import EVERYTHING, Purpose
from domain.contact import Channel
from domain.contract import ContractKind
from domain.decision import DecisionKind, DecisionOutcome
from domain.evaluation import EvaluationOutcome
from domain.facts import Fact, FactState
from domain.ledger import point_order
from domain.needs import ACTIVE
from domain.orientation import Track
from domain.referral import REASON_REQUIRED, ReferralStatus
from domain.review import ReviewOutcome, SummaryOutcome
from domain.situation import VALUES, SituationValue, Topic
from domain.themes import family_of, kind_of
from domain.transfer import TransferStatus

Sketches = Iterator[Sketch]
S = ReferralStatus
STATUSES: Mapping[str, ReferralStatus] = {status.value: status for status in S}
ACKNOWLEDGED: Mapping[str, ReferralStatus] = {"accepted": S.ACCEPTED, "refused": S.REJECTED}


def doing(fact_type: str, wanted: Wanted) -> Sketches:
    """Acts that record a fact of this type; none for what no act of the catalogue records."""
    builder = BUILDERS.get(fact_type)
    return iter(()) if builder is None else builder(wanted)


def _contact(_wanted: Wanted) -> Sketches:
    yield _do("record-contact", {}, code("/channel", list(Channel)), day())


def _appointment(wanted: Wanted) -> Sketches:
    times = (Blank(pointer=f"/{name}", asks=Asks.INSTANT) for name in ("start", "end"))
    yield _do("book-appointment", _linked(wanted, "referral_id"), *times)


def _appointment_outcome(wanted: Wanted) -> Sketches:
    outcomes = code("/outcome", wanted.among("outcome", list(AppointmentOutcome)))
    if (appointment := wanted.id_of("appointment_id")) is not None:
        yield _do("conclude-appointment", {}, outcomes, entry=appointment)


def _referral(wanted: Wanted) -> Sketches:
    body: dict[str, Any] = {}
    if wanted.situation.activation.type == "diagnosis" and wanted.situation.activation.attrs.get("status") == ACTIVE:
        body["need_id"] = wanted.situation.activation.fact_id
    theme = _theme(body, wanted, "theme", "/theme")
    agency = Blank(pointer="/to_agency", asks=Asks.AGENCY, choices=wanted.situation.able, is_closed=False)
    yield _do("request-referral", body, agency, *theme, day())


def _referral_answer(wanted: Wanted) -> Sketches:
    """Where nobody was asked yet, somebody must be asked first."""
    outcomes, referrals = wanted.among("outcome", list(ACKNOWLEDGED)), _referrals(wanted)
    for referral in referrals:
        for outcome in outcomes:
            yield from _referral_move(referral, ACKNOWLEDGED[outcome])
    if not referrals:
        yield from _referral(wanted)


def _referral_step(wanted: Wanted) -> Sketches:
    named = [status for name in wanted.named("outcome") if (status := STATUSES.get(name)) is not None]
    for referral in _referrals(wanted):
        for status in named or [S.IN_PROGRESS, S.COMPLETED]:
            yield from _referral_move(referral, status)


def _referrals(wanted: Wanted) -> list[UUID]:
    """The one named, or those about the theme asked for."""
    named, theme = wanted.id_of("referral_id"), wanted.text("theme")
    if named is not None:
        return [named]
    referrals = wanted.situation.of_type("referral")
    return [UUID(each.fact_id) for each in referrals if theme is not None and each.attrs.get("theme") == theme]


def _referral_move(referral: UUID, status: ReferralStatus) -> Sketches:
    reason = (text(),) if status in REASON_REQUIRED else ()
    yield _do("move-referral", {"status": status.value}, *reason, day(), entry=referral)


def _diagnosis(wanted: Wanted) -> Sketches:
    need: dict[str, Any] = {}
    theme = _theme(need, wanted, "theme", "/needs/0/theme")
    yield _do("record-diagnosis", {"needs": [need]}, *theme, day())


def _need_withdrawn(wanted: Wanted) -> Sketches:
    theme = wanted.text("theme")
    for need in wanted.situation.of_type("diagnosis"):
        if need.attrs.get("status") == ACTIVE and (theme is None or need.attrs.get("theme") == theme):
            yield _do("withdraw-need", {}, day(), entry=UUID(need.fact_id))


def _orientation(wanted: Wanted) -> Sketches:
    agency = Blank(
        pointer="/to_agency",
        asks=Asks.AGENCY,
        choices=tuple(sorted(wanted.situation.pathway.participants)),
        is_closed=False,
    )
    yield _do("decide-orientation", {}, code("/track", list(Track)), agency, day())


def _decision(wanted: Wanted) -> Sketches:
    body: dict[str, Any] = {}
    kinds = wanted.among("kind", list(DecisionKind))
    blanks = _or_prefilled(body, "kind", kinds)
    if wanted.situation.activation.type == "referral":
        body["referral_id"] = wanted.situation.activation.fact_id
    yield _do("make-decision", body, *blanks, code("/outcome", list(DecisionOutcome)), day())


def _decision_notified(wanted: Wanted) -> Sketches:
    if (decision := wanted.id_of("decision_id")) is not None:
        yield _do("notify-decision", {}, day(), entry=decision)


def _consent(wanted: Wanted) -> Sketches:
    """The narrowest scope that will do stands first."""
    body: dict[str, Any] = {"to_agency": wanted.text("to_agency")}
    purposes = _or_prefilled(body, "purpose", wanted.among("purpose", list(Purpose)))
    scopes = sorted(wanted.named("scope") or [EVERYTHING], key=lambda scope: (scope == EVERYTHING, "--" not in scope))
    yield _do("give-consent", body, *purposes, code("/scope", scopes), day())


def _training(wanted: Wanted) -> Sketches:
    body = _linked(wanted, "referral_id") | {"status": "started"}
    theme = _theme(body, wanted, "theme", "/theme")
    yield _do("record-training", body, *theme, day("/start", required=True))


def _evaluation(wanted: Wanted) -> Sketches:
    if (training := wanted.id_of("training_id")) is not None:
        yield _do("evaluate-training", {}, code("/outcome", list(EvaluationOutcome)), day(), entry=training)


def _medical_clearance(wanted: Wanted) -> Sketches:
    body: dict[str, Any] = {}
    blanks = _or_prefilled(body, "restriction", wanted.among("restriction", list(Restriction)))
    yield _do("give-medical-clearance", body, *blanks, day())


def _accompaniment(wanted: Wanted) -> Sketches:
    body = _linked(wanted, "referral_id")
    blanks = _or_prefilled(body, "kind", wanted.among("kind", list(AccompanimentKind)))
    yield _do("record-accompaniment", body, *blanks, day("/start", required=True))


def _review(wanted: Wanted) -> Sketches:
    """Of the accompaniment named, or of any that lasts."""
    named = wanted.id_of("accompaniment_id")
    lasting = [UUID(each.fact_id) for each in wanted.situation.of_type("accompaniment") if _lasts(each)]
    for accompaniment in lasting if named is None else [named]:
        yield _do("review-accompaniment", {}, code("/outcome", list(ReviewOutcome)), day(), entry=accompaniment)


def _summary(wanted: Wanted) -> Sketches:
    if (accompaniment := wanted.id_of("accompaniment_id")) is not None:
        yield _do("sum-up-accompaniment", {}, code("/outcome", list(SummaryOutcome)), day(), entry=accompaniment)


def _contract(_wanted: Wanted) -> Sketches:
    yield _do("sign-contract", {}, code("/kind", list(ContractKind)), day(), day("/until"))


def _situation(wanted: Wanted) -> Sketches:
    for topic in wanted.among("topic", list(Topic)):
        values = wanted.among("value", [value for value in SituationValue if value in VALUES[Topic(topic)]])
        yield _do("record-situation", {"topic": topic}, code("/value", values), day())


def _referent(_wanted: Wanted) -> Sketches:
    yield _do("assign-referent", {}, day())


def _handover(wanted: Wanted) -> Sketches:
    """Whoever was named confirms, or accepts the transfer; else somebody must be named first."""
    transfer = wanted.id_of("transfer_id")
    if transfer is None:
        for referent in wanted.situation.of_type("referent"):
            if referent.attrs.get("handed_over") is False:
                yield _do("acknowledge-handover", {}, day(), entry=UUID(referent.fact_id))
    for asked in wanted.situation.of_type("transfer"):
        if asked.attrs["status"] == TransferStatus.REQUESTED and transfer in (None, UUID(asked.fact_id)):
            entry, accepted = UUID(asked.fact_id), TransferStatus.ACCEPTED.value
            yield _do("move-transfer", {"status": accepted}, day(), entry=entry)
    if transfer is None:
        yield _do("assign-referent", {}, Blank(pointer="/to_agency", asks=Asks.AGENCY, is_closed=False), day())


Builder = Callable[[Wanted], Sketches]
BUILDERS: Mapping[str, Builder] = {
    "accompaniment": _accompaniment,
    "appointment": _appointment,
    "appointment_outcome": _appointment_outcome,
    "consent": _consent,
    "contact": _contact,
    "decision": _decision,
    "decision_notified": _decision_notified,
    "diagnosis": _diagnosis,
    "engagement_contract": _contract,
    "evaluation": _evaluation,
    "handover": _handover,
    "medical_clearance": _medical_clearance,
    "need_withdrawn": _need_withdrawn,
    "orientation": _orientation,
    "referent": _referent,
    "referral": _referral,
    "referral_ack": _referral_answer,
    "referral_step": _referral_step,
    "review": _review,
    "situation": _situation,
    "summary": _summary,
    "training": _training,
}


def _do(command: str, body: Mapping[str, Any], *blanks: Blank, entry: UUID | None = None) -> Sketch:
    return Sketch(command=command, way=Way.DO, entry=entry, body=body, blanks=blanks)


def _linked(wanted: Wanted, *fields: str) -> dict[str, Any]:
    return {field: value for field in fields if (value := wanted.text(field)) is not None}


def _or_prefilled(body: dict[str, Any], field: str, choices: list[str]) -> tuple[Blank, ...]:
    """The only value that will do goes into the body; of several, people choose."""
    if len(choices) == 1:
        body[field] = choices[0]
        return ()
    return (code(f"/{field}", choices),)


def _theme(body: dict[str, Any], wanted: Wanted, field: str, pointer: str) -> tuple[Blank, ...]:
    """A theme is prefilled where the facts tell it; of a health need they tell the family only."""
    theme, kind = wanted.text("theme"), wanted.text("kind")
    if theme in themes_v1.NEEDS:
        body[field] = theme
        return ()
    narrowed = [
        each
        for each in themes_v1.NEEDS
        if (theme is None or family_of(each) == theme) and (kind is None or kind_of(each) == kind)
    ]
    choices = () if len(narrowed) == len(themes_v1.NEEDS) else tuple(narrowed)
    return (Blank(pointer=pointer, asks=Asks.THEME, choices=choices),)


def _lasts(fact: Fact) -> bool:
    return fact.state is FactState.DONE and (fact.end is None or point_order(fact.end) > point_order(fact.start))
