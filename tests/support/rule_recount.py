"""The figures of a rule counted again from a plain account, one alert after another, with nothing of the product."""

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from statistics import median

from domain.alert import ClearedBecause
from projections.rule_figures import Asked, Figures
from tests.support.alert_lives import Raising, Told

WHOEVER_ACTS = {
    ClearedBecause.RULE_CHANGE,
    ClearedBecause.CALENDAR_CHANGE,
    ClearedBecause.RESTRICTED,
    ClearedBecause.ERASED,
}
BACK_IN_STEP = {
    ClearedBecause.DONE_LATE,
    ClearedBecause.LATE_EVIDENCE,
    ClearedBecause.CORRECTED,
    ClearedBecause.RETRACTED,
}


def recount(raisings: Iterable[Raising], asked: Asked) -> list[Figures]:
    lines: dict[tuple[str, int, str | None], list[Raising]] = {}
    everything = list(raisings)
    for one in everything:
        for agency in seen_by(one, asked):
            lines.setdefault((one.rule, one.version, agency), []).append(one)
    found = [
        count(rule, version, agency, mine, everything, asked)
        for (rule, version, agency), mine in lines.items()
        if asked.rule in (None, rule)
    ]
    shown = [line for line in found if line.raised or line.review_told]
    return sorted(shown, key=lambda line: (line.rule, line.version, line.agency or ""))


def seen_by(one: Raising, asked: Asked) -> Iterator[str | None]:
    if not (asked.by_agency or asked.agency):
        yield None
    else:
        yield from (agency for agency in one.agencies if asked.agency in (None, agency))


def count(
    rule: str, version: int, agency: str | None, mine: list[Raising], everything: list[Raising], asked: Asked
) -> Figures:
    now = asked.now
    counted = [one for one in mine if asked.since <= one.raised_at < asked.until]
    judged = [one for one in mine if says(one, agency, now)]
    told = [one for one in counted if one.told_at is not None]
    acted = [one for one in told if acted_on(one, agency)]
    disputed = [one for one in counted if any(each.disputed for each in responses(one, agency))]
    undisputed = [one for one in acted if one not in disputed]
    share = ratio(sum(acted_on(one, agency) for one in judged), len(judged))
    first = min(
        (one.told_at for one in everything if (one.rule, one.version) == (rule, version) and one.told_at), default=None
    )
    return Figures(
        rule=rule,
        version=version,
        agency=agency,
        raised=len(counted),
        told=len(told),
        repeats=sum(one.revision > 1 for one in counted),
        delivered=sum(any(each.delivered_at for each in responses(one, agency)) for one in counted),
        acknowledged=sum(any(each.acknowledged_at for each in responses(one, agency)) for one in counted),
        acted_on=len(acted),
        waived=sum(any(each.waived for each in responses(one, agency)) for one in counted),
        waived_for=dict(
            Counter(
                code
                for one in counted
                for code in {each.waived for each in responses(one, agency) if each.waived is not None}
            )
        ),
        snoozed=sum(any(each.snoozed for each in responses(one, agency)) for one in counted),
        escalated=sum(one.escalated for one in counted),
        still_open=sum(one.cleared_at is None for one in counted),
        disputed=len(disputed),
        disputed_for=dict(
            Counter(
                reason
                for one in counted
                for reason in {each.disputed for each in responses(one, agency) if each.disputed is not None}
            )
        ),
        cleared_because=dict(Counter(one.reason for one in counted if one.reason is not None)),
        acted_on_share=ratio(len(acted), len(told)),
        precision=ratio(len(undisputed), len(undisputed) + len(disputed)),
        median_hours_to_acknowledge=middle(
            max(acknowledged - one.told_at, timedelta(0))
            for one in counted
            if one.told_at is not None and (acknowledged := first_acknowledged(one, agency)) is not None
        ),
        median_hours_to_act=middle(
            max(first_act - one.told_at, timedelta(0))
            for one in counted
            if one.told_at is not None and (first_act := acted_at(one, agency)) is not None
        ),
        median_hours_to_resynchronise=middle(
            one.cleared_at - one.raised_at
            for one in counted
            if one.cleared_at is not None and one.reason in BACK_IN_STEP
        ),
        review_told=len(judged),
        review_share=share,
        to_review=share is not None and share < 0.3 and first is not None and first <= now - timedelta(days=60),
    )


def responses(one: Raising, agency: str | None) -> list[Told]:
    return [each for name, each in one.agencies.items() if agency in (None, name)]


def first_acknowledged(one: Raising, agency: str | None) -> datetime | None:
    return min((each.acknowledged_at for each in responses(one, agency) if each.acknowledged_at), default=None)


def acted_on(one: Raising, agency: str | None) -> bool:
    return acted_at(one, agency) is not None


def acted_at(one: Raising, agency: str | None) -> datetime | None:
    """When the first of those told did something about it, in answering or in acting; None: none did."""
    if one.told_at is None:
        return None
    times = [each.acted_at for each in responses(one, agency) if each.acted_at is not None]
    if one.cleared_at is not None and one.reason not in WHOEVER_ACTS and one.by in one.agencies:
        times += [one.cleared_at] if agency in (None, one.by) else []
    return min(times, default=None)


def says(one: Raising, agency: str | None, now: datetime) -> bool:
    if one.told_at is None or one.told_at > now:
        return False
    if one.cleared_at is not None and one.cleared_at <= now - timedelta(days=60):
        return False
    return acted_on(one, agency) or one.cleared_at is not None or one.told_at <= now - timedelta(days=7)


def ratio(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def middle(spans: Iterable[timedelta]) -> float | None:
    hours = [span / timedelta(hours=1) for span in spans]
    return round(median(hours), 2) if hours else None
