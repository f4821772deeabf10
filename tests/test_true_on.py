"""A pathway as true on a day: what is dated later is left out, whenever it was learnt."""

import random
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.accompaniment import AccompanimentKind, AccompanimentStatus, MoveAccompaniment, RecordAccompaniment
from domain.aggregate import Event
from domain.closure import ClosePathway, ClosureOutcome, ReopenPathway
from domain.contact import Channel, RecordContact
from domain.correction import CorrectEntry
from domain.diagnosis import FoundNeed, RecordDiagnosis, WithdrawNeed
from domain.errors import DomainError
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.referent import AssignReferent
from domain.referral import MoveReferral, ReferralStatus, RequestReferral
from domain.suspension import ResumePathway, SuspendPathway, SuspensionMotive
from domain.transfer import MoveTransfer, RequestTransfer, TransferStatus
from domain.true_on import as_true_on, holds_on
from tests.support.pathways import CCAS, MISSION_LOCALE, NOW, PATHWAY, SUBJECT, act_of, ago, an_id, replay
from tests.support.pathways import given as story

GREENWICH, PARIS = ZoneInfo("UTC"), ZoneInfo("Europe/Paris")
THEME = "se-former--trouver-sa-formation"


def lived(seed: int, steps: int) -> list[Event]:
    """Everything recorded on the day it happened, nothing planned, nothing corrected."""
    dice = random.Random(seed)  # noqa: S311 (a plausible history, not a secret)
    now = NOW - timedelta(days=300)
    pathway = open_pathway(OpenPathway(), "FR-34", act_of(CCAS, now), PATHWAY, SUBJECT)
    for _ in range(steps):
        now += timedelta(hours=dice.choice((1, 24, 24 * 8)))
        entry_id = dice.choice(list(pathway.ledger.entries))
        agency = dice.choice((CCAS, MISSION_LOCALE))
        command = dice.choice(
            (
                RecordDiagnosis(needs=(FoundNeed(theme=THEME),)),
                WithdrawNeed(need_id=entry_id),
                RequestReferral(to_agency=MISSION_LOCALE, theme=THEME),
                MoveReferral(referral_id=entry_id, status=dice.choice(list(ReferralStatus)), reason="…"),
                RecordContact(channel=Channel.PHONE),
                RecordContact(channel=Channel.PHONE, at=now),
                RecordAccompaniment(kind=AccompanimentKind.HEALTH, start=now.date()),
                MoveAccompaniment(accompaniment_id=entry_id, status=AccompanimentStatus.ENDED),
                AssignReferent(to_agency=agency),
                RequestTransfer(to_agency=MISSION_LOCALE),
                MoveTransfer(transfer_id=entry_id, status=TransferStatus.ACCEPTED),
                SuspendPathway(motive=SuspensionMotive.PERSON_ASKED),
                ResumePathway(),
                ClosePathway(outcome=ClosureOutcome.HOUSED),
                ReopenPathway(),
            )
        )
        try:
            act = act_of(agency, now)
            pathway.must_take_part(act)
            command.decide(pathway, act)
        except DomainError:
            continue
    return [event for event in pathway.collect_events() if isinstance(event, Event)]


@settings(max_examples=settings().max_examples // 2)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 40), back=st.integers(0, 320))
def test_learnt_as_it_happened_it_was_so_on_a_day_exactly_as_it_was_known_then(
    seed: int, steps: int, back: int
) -> None:
    events = lived(seed, steps)
    day = (NOW - timedelta(days=back)).date()
    known = [event for event in events if event.timestamp.date() <= day]
    then = as_true_on(replay(events), day, GREENWICH)
    if not known:
        assert then is None
        return
    assert then is not None
    assert standing(then) == standing(replay(known))


@settings(max_examples=settings().max_examples // 2)
@given(seed=st.integers(0, 2**32), steps=st.integers(0, 40))
def test_from_the_last_day_on_everything_is_so(seed: int, steps: int) -> None:
    pathway = replay(lived(seed, steps))
    then = as_true_on(pathway, NOW.date(), GREENWICH)
    assert then is not None
    assert standing(then) == standing(pathway)


def standing(pathway: Pathway) -> object:
    return pathway.facts(), pathway.participants, pathway.referent, pathway.is_closed, pathway.is_suspended


def test_a_late_entry_was_so_on_its_day_and_a_correction_has_always_been_so() -> None:
    late = story(RecordContact(channel=Channel.PHONE, on=ago(40), id=an_id("contact")))
    then = as_true_on(late.pathway, ago(40), PARIS)
    assert then is not None
    assert [fact.type for fact in then.facts()] == ["opened", "contact"]
    late.given(CorrectEntry(entry_id=an_id("contact"), start=ago(30)))
    then = as_true_on(late.pathway, ago(40), PARIS)
    assert then is not None
    assert [fact.type for fact in then.facts()] == ["opened"]


def test_both_ends_of_what_lasted_are_days_on_which_it_was_so() -> None:
    ended = story(
        RecordAccompaniment(kind=AccompanimentKind.HEALTH, start=ago(20), end=ago(10)),
        RecordContact(channel=Channel.PHONE, at=datetime.fromisoformat("2026-03-01T23:30:00+00:00")),
    )
    accompaniment, contact = ended.facts("accompaniment")[0], ended.facts("contact")[0]
    assert [holds_on(accompaniment, ago(days), PARIS) for days in (21, 20, 10, 9)] == [False, True, True, False]
    in_paris = [date(2026, 3, 1), date(2026, 3, 2)]
    assert [holds_on(contact, day, PARIS) for day in in_paris] == [False, True], "the day is that of the territory"


def test_histories_say_something() -> None:
    """Else the laws above would hold of nothing."""
    kinds = {fact.type for seed in range(20) for fact in replay(lived(seed, 40)).facts()}
    assert {"closed", "suspension", "referent", "transfer", "referral", "accompaniment", "diagnosis"} <= kinds
    assert max(len(lived(seed, 40)) for seed in range(5)) > 8
