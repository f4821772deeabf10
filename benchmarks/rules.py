"""How fast rules are judged, one core: a pathway at a time, as time passes, and over the past of many pathways.

`ARGS=rules` runs it; UNISSON_BENCH_EVENTS asks for another number of events than 500,000 for the backtests.
"""

import gc
import os
import random
import resource
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from statistics import median
from typing import Any

import msgspec

from application.backtest.columns import Columns, ColumnsBuilder
from application.backtest.hindsight import Hindsight
from application.backtest.histories import Cause, Change, History, Step
from application.backtest.replay import replay
from application.backtest.vectors import Vectors
from application.backtest.worked_out import FastReplay
from benchmarks.measure import Measure, at_most, report
from domain.facts import Fact, FactState, Precision
from domain.rules import Calendars, CompiledRules, Obligation, compile_rules, evaluate, parse_rules
from domain.rules.instants import instant_of
from domain.rules.watch import Watch

RUNS = 3
EVENTS = int(os.environ.get("UNISSON_BENCH_EVENTS") or 500_000)
REPLAYED = 100_000
PER_PATHWAY = 20
FIRST, DAYS = date(2024, 1, 1), 700
NOW = datetime(2026, 2, 1, tzinfo=UTC)
TYPES = (
    "diagnosis",
    "referral",
    "referral_ack",
    "appointment",
    "contact",
    "contact",
    "training",
    "relocation",
    "accompaniment",
)
THEMES = ("emploi", "logement", "mobilite", "sante", "numerique")
AGENCIES = ("ccas-montpellier", "mission-locale", "france-travail", "siao-34")


def main() -> None:
    calendars = Calendars()
    ten, thirty = (compile_rules(parse_rules([list(rules(count))])) for count in (10, 30))
    one_pathway(thirty, calendars)
    clock_tick(ten, calendars)
    as_known(ten, calendars)
    hindsight(ten, calendars)


def one_pathway(thirty: CompiledRules, calendars: Calendars) -> None:
    """What one more fact costs where most is known, what it raises explained; and judging all of it from nothing."""
    for count in (200, 1_000):
        pathways = [facts_of(_chance(number), f"p{number}", count) for number in range(60)]
        online = p95_ms(lambda each: _one_more(each, thirty, calendars), pathways)
        name = f"rules.one_more_fact_p95_{count}_facts_30_rules"
        report(at_most(name, online, "ms", 1.0) if count == 200 else _plain(name, online))
        whole = p95_ms(lambda each: elapsed(lambda: evaluate(each, thirty, calendars, NOW)), pathways[:20])
        report(_plain(f"rules.all_explained_p95_{count}_facts_30_rules", whole))


def _one_more(facts: list[Fact], rules: CompiledRules, calendars: Calendars) -> float:
    """Seconds. As online: only the rules that the fact concerns are asked, only what is newly raised is explained."""
    *known, last = facts
    watch = Watch(rules, calendars)
    before = {_alert(one) for one in watch.judge(known, last.recorded_at).obligations if one.raised}

    def judge() -> None:
        raised = [one for one in watch.judge(facts, last.recorded_at).obligations if one.raised]
        fresh = sorted({one.rule for one in raised if _alert(one) not in before})
        if fresh:
            evaluate(facts, rules.only(*fresh), calendars, last.recorded_at)

    return elapsed(judge)


def _alert(one: Obligation) -> tuple[str, str, str | None]:
    return one.rule, one.activation, one.target


def p95_ms(spent: Callable[[list[Fact]], float], pathways: list[list[Fact]]) -> float:
    times = sorted(spent(each) for each in pathways)
    return times[len(times) * 95 // 100] * 1_000


def _plain(name: str, value: float) -> Measure:
    return Measure(name=name, value=round(value, 3), unit="ms")


def clock_tick(ten: CompiledRules, calendars: Calendars) -> None:
    """A due pathway judged again at its deadline, besides storing what changed."""
    spent: list[float] = []
    for number in range(500):
        facts = facts_of(_chance(number), f"p{number}", PER_PATHWAY)
        watch = Watch(ten, calendars)
        evaluation = watch.judge(facts, datetime(2024, 6, 1, tzinfo=UTC))
        while evaluation.next_due is not None and len(spent) < 10_000:
            due = evaluation.next_due
            started = time.process_time()
            evaluation = watch.judge(facts, due)
            spent.append(time.process_time() - started)
    report(at_most("rules.clock_tick_per_due_pathway", sum(spent) / len(spent) * 1e6, "us", 100))


def as_known(ten: CompiledRules, calendars: Calendars) -> None:
    """One event in ten late, one in fifty corrected. Baseline: the evaluator at every step."""
    until = instant_of(NOW)
    histories = [history_of(_chance(number), f"p{number}") for number in range(REPLAYED // PER_PATHWAY)]
    few = histories[: len(histories) // 20]
    fast = FastReplay(ten, calendars)
    gc.collect()
    gc.freeze()
    rate = median(events_per_second(histories, lambda each: fast.judge(each, until)) for _ in range(RUNS))
    slow = events_per_second(few, lambda each: replay(each, ten, calendars, until))
    gc.unfreeze()
    report(held("rules.as_known", rate, 30_000, slow))


def hindsight(ten: CompiledRules, calendars: Calendars) -> None:
    """From columns in memory. Baseline: the evaluator, pathway by pathway."""
    until = instant_of(NOW)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    columns = columns_of(ten, calendars, until)
    rates = [len(columns) / elapsed(lambda: judge_all(columns, ten, until)) for _ in range(RUNS)]
    some = [history_of(_chance(number), f"p{number}") for number in range(500)]
    slow = Hindsight(ten, calendars)
    baseline = events_per_second(some, lambda each: slow.judge(each, until))
    report(held("rules.hindsight", median(rates), 1_000_000, baseline))
    report(Measure(name="rules.columns_per_event", value=round(columns.nbytes / len(columns), 1), unit="bytes"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report(Measure(name=f"rules.peak_memory_of_{len(columns)}_events", value=round((peak - before) / 1024), unit="MiB"))


def judge_all(columns: Columns, ten: CompiledRules, until: int) -> int:
    vectors = Vectors(columns, until)
    return sum(int(vectors.judge(plan).raised.sum()) for plan in ten)


def columns_of(ten: CompiledRules, calendars: Calendars, until: int) -> Columns:
    builder = ColumnsBuilder(ten, calendars, until)
    for number in range(EVENTS // PER_PATHWAY):
        pathway = f"p{number}"
        assert builder.add(pathway, facts_of(_chance(number), pathway, PER_PATHWAY))
    return builder.build()


def held(name: str, value: float, bar: int, baseline: float) -> Measure:
    return Measure(
        name=name,
        value=round(value),
        unit="events/s",
        baseline=round(baseline),
        ratio=round(value / baseline, 1),
        bar=f">= {bar} events/s",
        met=value >= bar,
    )


def events_per_second(histories: list[History], judge: Callable[[History], object]) -> float:
    def run() -> None:
        for history in histories:
            judge(history)

    return sum(each.count() for each in histories) / elapsed(run)


def elapsed(run: Callable[[], object]) -> float:
    started = time.process_time()
    run()
    return time.process_time() - started


def rules(count: int) -> Iterator[dict[str, Any]]:
    """Seven expectations and three silences, again with other lengths."""
    for number in range(count):
        turn, kind = divmod(number, 10)
        yield {"rule": f"r{number:02}"} | _shapes(turn * 3)[kind]


def _shapes(more: int) -> list[dict[str, Any]]:
    same = {"match": {"theme": "theme"}}

    def expect(when: str, target: dict[str, Any], first: str, last: str) -> dict[str, Any]:
        return {"kind": "require", "when": {"on": when}, "expect": target, "within": {"from": first, "to": last}}

    return [
        expect("diagnosis", {"on": "referral"} | same, "0d", f"{30 + more}d"),
        expect("relocation", {"on": "accompaniment"}, "-30d", f"{15 + more}d"),
        expect("referral", {"on": "referral_ack"} | same, "0bd", f"{5 + more}bd"),
        expect("referral_ack", {"on": "appointment"}, "0d", f"{21 + more}d"),
        expect("training", {"on": "referral"} | same, f"-{180 + more}d", "0d"),
        expect("referral", {"on": "diagnosis"} | same, f"-{6 + more}m", "0d"),
        expect("training", {"on": "contact"}, "0d", f"{1 + more}m"),
        {"kind": "silence", "of": {"on": ["contact", "appointment"]}, "gap": f"{90 + more}d"},
        {"kind": "silence", "of": {"on": "diagnosis"}, "gap": f"{12 + more}m"},
        {"kind": "silence", "of": {"on": "accompaniment"}, "gap": f"{6 + more}m"},
    ]


def _chance(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (made-up facts)


def facts_of(rng: random.Random, pathway: str, count: int) -> list[Fact]:
    days = sorted(rng.randrange(DAYS) for _ in range(count))
    return [_fact(rng, pathway, number, FIRST + timedelta(days=day)) for number, day in enumerate(days)]


def _fact(rng: random.Random, pathway: str, number: int, day: date) -> Fact:
    late_days = rng.choice((0,) * 9 + (12,))
    recorded = datetime(day.year, day.month, day.day, 18, tzinfo=UTC) + timedelta(days=late_days)
    return Fact(
        pathway=pathway,
        fact_id=f"{pathway}-{number}",
        type=rng.choice(TYPES) if number else "opened",
        agency=rng.choice(AGENCIES),
        territory="FR-34",
        start=day,
        end=day,
        precision=Precision.DAY,
        state=FactState.DONE,
        attrs={"theme": rng.choice(THEMES)},
        recorded_at=recorded if number else recorded - timedelta(days=late_days),
        position=number + 1,
    )


def history_of(rng: random.Random, pathway: str) -> History:
    facts = sorted(facts_of(rng, pathway, PER_PATHWAY), key=lambda fact: fact.recorded_at)
    steps = [Step(instant_of(fact.recorded_at), Cause.NEWS, (Change(fact.fact_id, fact),)) for fact in facts]
    if rng.randrange(5) < 2:
        wrong = facts[-1]
        steps.append(Step(steps[-1].on + 86_400_000_000, Cause.CORRECTION, (Change(wrong.fact_id, _again(wrong)),)))
    return History(pathway, tuple(steps))


def _again(fact: Fact) -> Fact:
    return msgspec.structs.replace(fact, attrs={"theme": THEMES[0]}, position=PER_PATHWAY + 1)
