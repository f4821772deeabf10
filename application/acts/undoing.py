"""How what is recorded is ended, cancelled or withdrawn, and how a wrong record of it is put right."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from uuid import UUID

from application.acts.sketch import Asks, Blank, Situation, Sketch, Way, code, day, text
from domain.accompaniment import AccompanimentStatus
from domain.appointment import BOOKED, AppointmentOutcome
from domain.facts import Fact
from domain.referral import ReferralStatus
from domain.relocation import RelocationStatus
from domain.rules.vocabulary import CLOSED, SUSPENSION
from domain.training import TrainingStatus
from domain.transfer import TransferStatus

Sketches = Iterator[Sketch]


def changing(fact: Fact) -> Sketches:
    """Acts that end it, call it off or withdraw it, in the order of the states that it may go to."""
    builder = CHANGES.get(fact.type)
    return iter(()) if builder is None else builder(fact)


def correcting(fact: Fact, situation: Situation) -> Sketches:
    """Its date was recorded wrong. What inherits its dates has those of what it is part of."""
    entry = situation.pathway.ledger.entries[UUID(fact.fact_id)]
    owner = entry.part_of if "start" in entry.inherits and entry.part_of is not None else entry.id
    suffix = "_at" if isinstance(fact.start, datetime) else ""
    asks = Asks.INSTANT if suffix else Asks.DAY
    yield Sketch(
        command="correct-entry",
        way=Way.CORRECT,
        entry=owner,
        blanks=(Blank(pointer=f"/start{suffix}", asks=asks),),
    )
    if fact.end is not None and fact.end != fact.start:
        end = Blank(pointer=f"/end{suffix}", asks=asks)
        yield Sketch(command="correct-entry", way=Way.CORRECT, entry=owner, blanks=(end,))


def retracting(fact: Fact, situation: Situation) -> Sketches:
    """It was recorded by mistake: itself, or the last step that made it what it is."""
    entry = situation.pathway.ledger.entries[UUID(fact.fact_id)]
    owner = entry.part_of if "start" in entry.inherits and entry.part_of is not None else entry.id
    steps = situation.pathway.ledger.live_steps(entry)
    for each in dict.fromkeys([owner, *(step.id for step in steps[-1:])]):
        yield Sketch(command="retract-entry", way=Way.RETRACT, entry=each)


def _diagnosis(fact: Fact) -> Sketches:
    yield _change("withdraw-need", fact, None, day())


def _referral(fact: Fact) -> Sketches:
    yield _change("move-referral", fact, ReferralStatus.CANCELLED, text(), day())


def _training(fact: Fact) -> Sketches:
    yield _change("move-training", fact, TrainingStatus.ABANDONED, day())
    yield _change("move-training", fact, TrainingStatus.COMPLETED, day())


def _relocation(fact: Fact) -> Sketches:
    yield _change("move-relocation", fact, RelocationStatus.CANCELLED, day())


def _accompaniment(fact: Fact) -> Sketches:
    for status in (AccompanimentStatus.ENDED, AccompanimentStatus.CANCELLED):
        yield _change("move-accompaniment", fact, status, day())


def _transfer(fact: Fact) -> Sketches:
    yield _change("move-transfer", fact, TransferStatus.REJECTED, text(), day())
    yield _change("move-transfer", fact, TransferStatus.CANCELLED, day())


def _appointment(fact: Fact) -> Sketches:
    if fact.attrs.get("status") == BOOKED:
        outcomes = code("/outcome", [AppointmentOutcome.CANCELLED, AppointmentOutcome.EXCUSED])
        yield _change("conclude-appointment", fact, None, outcomes)


def _closed(_fact: Fact) -> Sketches:
    yield Sketch(command="reopen-pathway", way=Way.CHANGE, blanks=(day(),))


def _suspension(_fact: Fact) -> Sketches:
    yield Sketch(command="resume-pathway", way=Way.CHANGE, blanks=(day(),))


CHANGES: Mapping[str, Callable[[Fact], Sketches]] = {
    "accompaniment": _accompaniment,
    "appointment": _appointment,
    CLOSED: _closed,
    "diagnosis": _diagnosis,
    "referral": _referral,
    "relocation": _relocation,
    SUSPENSION: _suspension,
    "training": _training,
    "transfer": _transfer,
}


def _change(command: str, fact: Fact, status: str | None, *blanks: Blank) -> Sketch:
    body = {} if status is None else {"status": str(status)}
    return Sketch(command=command, way=Way.CHANGE, entry=UUID(fact.fact_id), body=body, blanks=blanks)
