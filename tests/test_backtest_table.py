"""What a backtest counts: alerts by agency and month, false alarms, overlaps, the change from the version in force."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from application.backtest.histories import History, histories_of_file
from application.backtest.run import Backtest, Period
from application.backtest.table import BacktestTable
from domain.alert import alert_id_of
from domain.rulebook import BacktestMode, Difference
from domain.rules import Calendars, parse_rules
from domain.rules.instants import instant_of
from tests.support.backtest_histories import after, random_history
from tests.support.rule_histories import local, require, silence

CALENDARS = Calendars()
AS_KNOWN, HINDSIGHT = BacktestMode.AS_KNOWN, BacktestMode.HINDSIGHT


def line(pathway: str, fact_id: str, kind: str, start: str, **fields: Any) -> bytes:
    return msgspec.json.encode(
        {"pathway": pathway, "fact_id": fact_id, "type": kind, "start": start, "agency": "ccas", **fields}
    )


LATE = [
    line("a", "need", "diagnosis", "2026-01-05", recorded_at="2026-01-05T12:00"),
    line("a", "sent", "referral", "2026-01-20", recorded_at="2026-02-20T12:00", agency="mission"),
]
NEVER = [line("b", "need", "diagnosis", "2026-01-05", recorded_at="2026-01-05T12:00", agency="mission")]


def table_of(
    lines: Sequence[bytes],
    *rules: dict[str, Any],
    mode: BacktestMode = AS_KNOWN,
    since: str | None = None,
    in_force: Sequence[dict[str, Any]] | None = None,
) -> BacktestTable:
    period = Period(None if since is None else _instant(since), _instant("2026-06-01"))
    current = None if in_force is None else parse_rules([list(in_force)])
    trial = Backtest(parse_rules([list(rules)]), CALENDARS, CALENDARS.default, mode, period, current)
    for history in histories_of_file(lines, CALENDARS):
        trial.add(history)
    return trial.table()


def _instant(day: str) -> int:
    return instant_of(local(f"{day} 00:00"))


REFERRED = require(expect={"on": "referral"})


def test_what_was_recorded_late_is_a_false_alarm_as_known_and_nothing_in_hindsight() -> None:
    as_known, hindsight = (table_of(LATE, REFERRED, mode=mode) for mode in (AS_KNOWN, HINDSIGHT))

    assert (as_known.alerts, as_known.rules[0].cleared) == (1, {"late_evidence": 1})
    assert as_known.rules[0].false_alarm_percent == 100
    assert as_known.rules[0].open_days_median == 15
    assert hindsight.alerts == 0


def test_alerts_are_counted_by_month_agency_and_severity() -> None:
    table = table_of([*LATE, *NEVER], REFERRED | {"severity": {"raise": "critical"}})

    cells = [(row.month, row.agency, row.severity, row.alerts, row.cleared, row.false_alarms) for row in table.load]
    assert cells == [("2026-02", "ccas", "critical", 1, 1, 1), ("2026-02", "mission", "critical", 1, 0, 0)]


def test_an_alert_is_for_the_agency_that_the_rule_names() -> None:
    routed = REFERRED | {"route": {"owner": "siao"}}

    assert [row.agency for row in table_of(NEVER, routed).load] == ["siao"]


def test_a_grace_as_long_as_the_recording_takes_spares_the_false_alarm() -> None:
    (lag,) = [lag for lag in table_of(LATE, REFERRED).recording_lag if lag.agency == "mission"]

    assert (lag.days_p95, lag.suggested_grace) == (31, "31d")
    assert table_of(LATE, REFERRED | {"grace": lag.suggested_grace}).alerts == 0


def test_the_period_is_that_of_the_alerts_not_of_the_facts() -> None:
    assert table_of(NEVER, REFERRED, since="2026-02-05").alerts == 1
    assert table_of(NEVER, REFERRED, since="2026-02-06").alerts == 0


def test_the_difference_from_the_version_in_force_is_told_alert_by_alert() -> None:
    longer = REFERRED | {"version": 2, "within": {"from": "0d", "to": "60d"}}

    table = table_of([*LATE, *NEVER], longer, in_force=[REFERRED])

    assert table.rules[0].difference == Difference(against=1, new=0, gone=1, same=1)
    assert [sample.is_new for sample in table.samples] == [False]


def test_a_rule_that_nothing_in_force_resembles_is_all_new() -> None:
    table = table_of(NEVER, REFERRED, in_force=[silence(rule="other")])

    assert table.rules[0].difference == Difference(against=None, new=1, gone=0, same=0)


def test_drafts_and_what_takes_effect_later_are_tried() -> None:
    draft = REFERRED | {"state": "draft", "effective": {"from": "2027-01-01"}}

    assert table_of(NEVER, draft).alerts == 1


def test_what_is_too_old_when_found_is_quiet() -> None:
    imported = [line("b", "need", "diagnosis", "2020-01-05", recorded_at="2026-01-05T12:00")]

    table = table_of(imported, REFERRED | {"stale_after": "180d"})

    assert (table.rules[0].alerts, table.rules[0].quiet) == (1, 1)


def test_rules_open_together_overlap() -> None:
    quiet = silence(rule="quiet", of={"on": "contact"}, gap="20d")
    opened = line("b", "o", "opened", "2026-01-05", recorded_at="2026-01-05T12:00")

    table = table_of([opened, *NEVER], REFERRED | {"rule": "referred"}, quiet)

    assert [(one.rule, one.other, one.alerts, one.percent) for one in table.overlap] == [
        ("quiet", "referred", 1, 100),
        ("referred", "quiet", 1, 100),
    ]


def test_a_sample_explains_in_ids_and_codes() -> None:
    planned = line("b", "sent", "referral", "2026-01-20", recorded_at="2026-01-06T12:00", state="planned")

    (sample,) = table_of([*NEVER, planned], REFERRED).samples

    assert sample.alert == alert_id_of("need-to-referral", "b", "need")
    assert (sample.raised_at, sample.at) == ("2026-02-04T23:00:00Z", "2026-02-04T23:00:00Z")
    assert [(miss.fact_id, miss.failed) for miss in sample.near_misses] == [("sent", "state")]


@pytest.mark.parametrize("mode", [AS_KNOWN, HINDSIGHT])
def test_the_order_of_lines_and_of_pathways_changes_no_byte(mode: BacktestMode) -> None:
    lines = [
        line(f"p{number}", "need", "diagnosis", "2026-01-05", position=1, recorded_at="2026-01-05T12:00")
        for number in range(40)
    ]

    forth, back = (msgspec.json.encode(table_of(some, REFERRED, mode=mode)) for some in (lines, lines[::-1]))

    assert forth == back
    assert len(msgspec.json.decode(forth)["samples"]) == 20


@given(random_history(("diagnosis", "referral", "contact", "opened", "closed")), st.sampled_from([AS_KNOWN, HINDSIGHT]))
def test_any_history_has_a_table_and_its_alerts_add_up(history: History, mode: BacktestMode) -> None:
    rules = parse_rules([[require(), silence(gap="10d")]])
    trial = Backtest(rules, CALENDARS, CALENDARS.default, mode, Period(None, after(200)), rules)

    trial.add(history)
    table = trial.table()

    assert sum(row.alerts for row in table.load) == table.alerts == sum(rule.alerts for rule in table.rules)
    assert len(table.samples) == min(20, table.alerts)
    assert [rule.difference for rule in table.rules if rule.difference is not None and rule.difference.new] == []
