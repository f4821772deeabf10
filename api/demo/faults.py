"""What is planted out of step: for each rule, a life that breaks it and no other.

Each returns who must be told. `late` puts it right after the alert; otherwise it lasts until the last day.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, time, timedelta

from api.demo.life import CARE, HOUSING, Life
from api.demo.territory import COMMUNES, TRAINING_THEMES

Plant = Callable[[Life, bool], set[str]]

TRAINER, HOUSER, SHELTER, HEALTH = "formation-herault", "habitat-solidaire", "siao-herault", "sante-proximite"
SHELTER_THEME = "logement-hebergement--rechercher-une-solution-dhebergement-temporaire"
LICENCE = "mobilite--preparer-un-permis"
OTHER_DEPARTEMENT = "30189"
REASON = "Plus de place."


def need_forgotten(life: Life, late: bool) -> set[str]:
    life.begin()
    found = life.diagnose([CARE, TRAINING_THEMES[0]])
    life.refer(CARE, found + timedelta(days=5))
    if late:
        life.refer(TRAINING_THEMES[0], found + timedelta(days=45))
    life.keep_in_touch(until=life.last_day)
    return {life.opener, TRAINER}


def moved_alone(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose_and_refer([HOUSING])
    life.move_house(life.day(70), accompanied=30 if late else None)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HOUSER}


def referral_unanswered(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([SHELTER_THEME], day=life.ago(60))
    asked = life.ago(50)
    life.agree(life.opener, SHELTER, asked)
    referral = life.request(SHELTER_THEME, SHELTER, asked)
    if late:
        answered = asked + timedelta(days=20)
        life.move_referral(referral, answered, SHELTER, "accepted")
        life.meet(answered + timedelta(days=6), SHELTER, referral=referral)
        life.move_referral(referral, answered + timedelta(days=12), SHELTER, "in-progress")
    life.keep_in_touch(until=life.last_day)
    return {life.opener, SHELTER}


def silent(life: Life, late: bool) -> set[str]:
    """Services go on with the referral; nobody sees the person any more."""
    life.begin()
    life.diagnose([CARE])
    referral = life.refer(CARE, life.day(20), completed=False)
    last = life.ago(130)
    life.keep_in_touch(until=last - timedelta(days=5))
    life.contact(last)
    for days, status in ((160, "on-hold"), (100, "in-progress"), (40, "on-hold")):
        life.move_referral(referral.id, life.ago(days), HEALTH, status, reason=REASON)
    if late:
        life.contact(life.ago(10))
    return {life.opener}


def no_first_appointment(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([CARE])
    referral = life.refer(CARE, life.day(20), met=False)
    if late:
        life.meet(referral.answered + timedelta(days=40), HEALTH, referral=referral.id)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HEALTH}


def never_started(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([CARE])
    referral = life.refer(CARE, life.day(20), started=False)
    if late:
        life.move_referral(referral.id, referral.answered + timedelta(days=45), HEALTH, "in-progress")
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HEALTH}


def refused_without_alternative(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([SHELTER_THEME])
    asked = life.day(20)
    life.agree(life.opener, SHELTER, asked)
    referral = life.request(SHELTER_THEME, SHELTER, asked)
    life.move_referral(referral, asked + timedelta(days=1), SHELTER, "rejected", reason=REASON)
    if late:
        life.refer(SHELTER_THEME, asked + timedelta(days=30), to=HOUSER)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, SHELTER}


def urgency_unheeded(life: Life, late: bool) -> set[str]:
    life.begin()
    asked = life.ago(60 if late else 6)
    life.diagnose([CARE], day=asked - timedelta(days=1))
    life.agree(life.opener, HEALTH, asked)
    referral = life.request(CARE, HEALTH, asked, urgency="high")
    answered = asked + timedelta(days=1)
    life.move_referral(referral, answered, HEALTH, "accepted")
    life.meet(asked + timedelta(days=10), HEALTH, referral=referral, booked=answered)
    life.move_referral(referral, asked + timedelta(days=12), HEALTH, "in-progress")
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HEALTH}


def sent_back(life: Life, late: bool) -> set[str]:
    """Asked to help, a service asks the referent for the same thing."""
    life.begin()
    life.diagnose([HOUSING])
    life.refer(HOUSING, life.day(20))
    back = life.day(45)
    life.agree(HOUSER, life.opener, back)
    referral = life.request(HOUSING, life.opener, back, by=HOUSER)
    if late:
        life.move_referral(referral, back + timedelta(days=2), HOUSER, "cancelled", reason=REASON)
    else:
        life.move_referral(referral, back + timedelta(days=2), life.opener, "accepted")
        life.meet(back + timedelta(days=9), life.opener, referral=referral)
        life.move_referral(referral, back + timedelta(days=20), life.opener, "in-progress")
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HOUSER}


def shared_without_consent(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([CARE])
    asked = life.day(20)
    referral = life.request(CARE, HEALTH, asked)
    life.move_referral(referral, asked + timedelta(days=1), HEALTH, "accepted")
    life.meet(asked + timedelta(days=8), HEALTH, referral=referral)
    life.move_referral(referral, asked + timedelta(days=15), HEALTH, "in-progress")
    if late:
        life.agree(life.opener, HEALTH, asked, recorded=asked + timedelta(days=20))
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def diagnosed_twice(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose_and_refer([HOUSING, LICENCE])
    again, entry = life.day(45), life.new_id()
    life.diagnose([LICENCE], day=again, by=HOUSER, entry=entry)
    if late:
        life.retract(entry, again + timedelta(days=6), HOUSER)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HOUSER}


def housed_without_diagnosis(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([CARE])
    life.refer(HOUSING, life.day(30))
    if late:
        life.call(
            life.day(50),
            life.opener,
            "record-diagnosis",
            {"needs": [{"theme": HOUSING}], "on": str(life.day(28))},
        )
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HOUSER}


def not_told_of_decision(life: Life, late: bool) -> set[str]:
    life.begin()
    decision = life.decide("aid", life.day(60), told=None)
    if late:
        life.notify(decision, life.day(110))
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def trained_and_moved(life: Life, late: bool) -> set[str]:
    life.begin()
    referrals = life.diagnose_and_refer([HOUSING, TRAINING_THEMES[0]])
    start, moving, relocation = life.day(60), life.day(85), life.new_id()
    life.train(referrals[1], start, 60)
    planned = {"to_zone": COMMUNES[0], "on": str(moving), "planned": True, "id": str(relocation)}
    life.call(life.day(70), HOUSER, "record-relocation", planned)
    life.accompany(moving - timedelta(days=5), days=60)
    day = moving + timedelta(days=3 if late else 0)
    outcome = {"status": "cancelled" if late else "done", "on": str(day)}
    life.call(day, HOUSER, "move-relocation", outcome, entry=relocation, afternoon=True)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, TRAINER, HOUSER}


def too_many_trainings(life: Life, late: bool) -> set[str]:
    life.begin()
    [referral] = life.diagnose_and_refer([TRAINING_THEMES[0]])
    for days in (60, 70):
        life.train(referral, life.day(days), 60)
    start, third = life.day(80), life.new_id()
    body = {"theme": referral.theme, "status": "started", "start": str(start), "id": str(third)}
    life.call(start, TRAINER, "record-training", body)
    if late:
        life.retract(third, life.day(86), TRAINER)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, TRAINER}


def trained_despite_restriction(life: Life, late: bool) -> set[str]:
    life.begin()
    needs = [{"theme": TRAINING_THEMES[0]}, {"theme": CARE, "restriction": "heavy_work"}]
    found = life.day(9)
    life.call(found, life.opener, "record-diagnosis", {"needs": needs, "on": str(found)})
    life.refer(CARE, life.day(15))
    referral = life.refer(TRAINING_THEMES[0], life.day(20))
    life.train(referral, life.day(60), 40, physical="heavy")
    if late:
        cleared = life.day(70)
        life.call(cleared, HEALTH, "give-medical-clearance", {"restriction": "heavy_work", "on": str(cleared)})
    life.keep_in_touch(until=life.last_day)
    return {life.opener, TRAINER}


def not_evaluated(life: Life, late: bool) -> set[str]:
    life.begin()
    [referral] = life.diagnose_and_refer([TRAINING_THEMES[1]])
    training = life.new_id()
    life.train(referral, life.day(60), 40, entry=training, evaluated=False)
    if late:
        life.evaluate(training, life.day(150), TRAINER)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, TRAINER}


def no_contract(life: Life, late: bool) -> set[str]:
    life.begin(contract=False)
    if late:
        life.sign_contract(life.day(90))
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def contract_lapsed(life: Life, late: bool) -> set[str]:
    life.begin(contract=False)
    life.sign_contract(life.day(30), until=life.ago(45))
    if late:
        life.sign_contract(life.ago(10))
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def not_reviewed(life: Life, late: bool) -> set[str]:
    life.begin()
    accompaniment, start = life.new_id(), life.day(10)
    life.accompany(start, kind="social", reviewed=False, entry=accompaniment)
    if late:
        life.review(accompaniment, life.ago(5), life.opener)
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def not_summed_up(life: Life, late: bool) -> set[str]:
    life.begin()
    accompaniment = life.new_id()
    life.accompany(life.day(30), days=60, kind="budget", summed_up=False, entry=accompaniment)
    if late:
        life.sum_up(accompaniment, life.day(120), life.opener)
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def accompanied_twice(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose_and_refer([HOUSING])
    second = life.new_id()
    life.accompany(life.day(50), days=60, kind="social")
    life.accompany(life.day(70), days=None if late else 30, kind="social", by=HOUSER, entry=second, reviewed=False)
    if late:
        life.retract(second, life.day(80), HOUSER)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HOUSER}


def stalled(life: Life, late: bool) -> set[str]:
    """Calls to the person go on, and nothing else."""
    life.begin()
    life.keep_in_touch(until=life.last_day, meetings=False)
    if late:
        life.meet(life.ago(5), life.opener)
    return {life.opener}


def sanctioned_without_opinion(life: Life, late: bool) -> set[str]:
    life.begin()
    day = life.day(100)
    life.call(day, life.opener, "suspend-pathway", {"motive": "sanction", "on": str(day)})
    if late:
        life.decide("team_opinion", life.day(95), told=None, recorded=life.day(110))
    resumed = life.day(130)
    life.call(resumed, life.opener, "resume-pathway", {"on": str(resumed)})
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def closed_too_soon(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([CARE])
    life.refer(CARE, life.day(20), completed=False)
    closed = life.day(110)
    life.keep_in_touch(until=closed)
    life.close(closed)
    if late:
        reopened = closed + timedelta(days=8)
        life.call(reopened, life.opener, "reopen-pathway", {"on": str(reopened)})
        life.keep_in_touch(since=125, until=life.last_day)
    return {life.opener}


def outcome_not_recorded(life: Life, late: bool) -> set[str]:
    life.begin()
    day = life.ago(25)
    appointment = life.meet(day, life.opener, outcome=None)
    if late:
        life.conclude(appointment, day + timedelta(days=14), life.opener, "present")
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def absent_three_times(life: Life, late: bool) -> set[str]:
    life.begin()
    for days in (60, 75):
        life.meet(life.day(days), life.opener, outcome="absent")
        life.contact(life.day(days + 1))
    third, outcome = life.day(90), life.new_id()
    appointment = life.meet(third, life.opener, outcome=None)
    life.conclude(appointment, third, life.opener, "absent", entry=outcome)
    life.contact(life.day(91))
    if late:
        life.retract(outcome, life.day(93), life.opener)
        life.conclude(appointment, life.day(94), life.opener, "present")
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def not_called_back(life: Life, late: bool) -> set[str]:
    life.begin()
    missed = life.ago(14)
    life.keep_in_touch(until=missed - timedelta(days=2))
    life.meet(missed, life.opener, outcome="absent")
    if late:
        life.contact(life.ago(3))
    return {life.opener}


def booked_twice(life: Life, late: bool) -> set[str]:
    """The same hour of the same day, until one of the two gives way."""
    life.begin()
    life.diagnose([CARE])
    life.refer(CARE, life.day(20))
    day = life.ago(60 if late else 3)
    at = datetime.combine(day, time(17), tzinfo=UTC)
    kept = life.meet(day, life.opener, start=at, outcome=None, booked=day - timedelta(days=5))
    moved = life.meet(day, HEALTH, start=at + timedelta(minutes=15), outcome=None, booked=day - timedelta(days=4))
    if late:
        after = day + timedelta(days=1)
        life.conclude(kept, after, life.opener, "present")
        life.conclude(moved, after, HEALTH, "excused")
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HEALTH}


def nobody_answers_for_it(life: Life, late: bool) -> set[str]:
    life.begin(named=False)
    if late:
        life.call(life.day(20), life.opener, "assign-referent", {"on": str(life.day(20))})
    life.keep_in_touch(until=life.last_day)
    return {life.opener}


def handover_unconfirmed(life: Life, late: bool) -> set[str]:
    life.begin()
    new = life.hand_over(life.day(70), confirmed=45 if late else None)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, new}


def transfer_unanswered(life: Life, late: bool) -> set[str]:
    life.begin()
    asked, transfer = life.ago(60), life.new_id()
    body = {"to_agency": HOUSER, "on": str(asked), "id": str(transfer)}
    life.call(asked, life.opener, "request-transfer", body)
    life.keep_in_touch(until=life.last_day)
    if late:
        life.call(
            life.ago(12), HOUSER, "move-transfer", {"status": "accepted", "on": str(life.ago(12))}, entry=transfer
        )
    return {life.opener, HOUSER}


def moved_away(life: Life, late: bool) -> set[str]:
    """To another département, and nobody takes over."""
    life.begin()
    life.diagnose_and_refer([HOUSING])
    life.move_house(life.day(70), to=OTHER_DEPARTEMENT)
    if late:
        life.hand_over(life.day(95), confirmed=5)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, HOUSER}


def passed_around(life: Life, _late: bool) -> set[str]:
    """Four referents in six months: nothing puts that right."""
    life.begin()
    taken_over = {life.hand_over(life.day(days), confirmed=4) for days in (40, 70, 100, 130)}
    life.keep_in_touch(until=life.last_day)
    return taken_over


def contradicted(life: Life, late: bool) -> set[str]:
    life.begin()
    life.diagnose([SHELTER_THEME])
    life.refer(SHELTER_THEME, life.day(20))
    said, entry = life.day(60), life.new_id()
    housed = {"topic": "housing", "value": "housed", "on": str(said), "id": str(entry)}
    life.call(said, life.opener, "record-situation", housed)
    homeless = {"topic": "housing", "value": "homeless", "on": str(said)}
    life.call(said + timedelta(days=1), SHELTER, "record-situation", homeless)
    if late:
        life.retract(entry, said + timedelta(days=9), life.opener)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, SHELTER}


def trained_unprescribed(life: Life, late: bool) -> set[str]:
    life.begin()
    day, training = life.day(60), life.new_id()
    body = {"theme": TRAINING_THEMES[1], "status": "started", "start": str(day), "id": str(training)}
    life.call(day, life.opener, "record-training", body)
    if late:
        life.retract(training, life.day(70), life.opener)
    life.keep_in_touch(until=life.last_day)
    return {life.opener, TRAINER}


FAULTS: Mapping[str, Plant] = {
    "need-to-referral": need_forgotten,
    "relocation-accompanied": moved_alone,
    "training-vs-relocation": trained_and_moved,
    "referral-acknowledged": referral_unanswered,
    "duplicate-diagnosis": diagnosed_twice,
    "silence-90": silent,
    "first-appointment": no_first_appointment,
    "outcome-recorded": outcome_not_recorded,
    "repeated-no-show": absent_three_times,
    "no-show-recontact": not_called_back,
    "training-prescribed": trained_unprescribed,
    "housing-diagnosis-first": housed_without_diagnosis,
    "double-accompaniment": accompanied_twice,
    "accompaniment-review": not_reviewed,
    "too-many-trainings": too_many_trainings,
    "handover-after-move": moved_away,
    "closing-summary": not_summed_up,
    "double-booking": booked_twice,
    "urgent-48h": urgency_unheeded,
    "training-evaluated": not_evaluated,
    "contract-signed": no_contract,
    "refused-then-alternative": refused_without_alternative,
    "health-restriction": trained_despite_restriction,
    "referent-ping-pong": passed_around,
    "referral-loop": sent_back,
    "consent-covers-sharing": shared_without_consent,
    "accepted-then-started": never_started,
    "decision-notified": not_told_of_decision,
    "contract-renewed": contract_lapsed,
    "plan-stalled": stalled,
    "sanction-after-opinion": sanctioned_without_opinion,
    "closed-with-open-items": closed_too_soon,
    "referent-named": nobody_answers_for_it,
    "handover-confirmed": handover_unconfirmed,
    "transfer-answered": transfer_unanswered,
    "contradictory-housing": contradicted,
}
"""By the rule that finds it."""
LASTING = frozenset({"referent-ping-pong"})
"""What cannot be put right."""
