"""`unisson rules backtest`: what rules would have raised, on a file of facts or on a territory's own past."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from api.cli import installation
from api.cli.failure import Failure, Status
from api.cli.files import unusable
from api.cli.language import say
from api.cli.output import Json, Territory, write_json, write_line
from api.cli.progress import bar
from application.backtest.histories import histories_of_file, histories_of_log
from application.backtest.run import Backtest, Period
from application.backtest.table import BacktestTable, RuleResult
from application.evaluation import STANDARD_INPUT, read_now
from application.facts_export import pathways_of
from application.facts_file import FactLineRefused
from application.rulebook import load_rules, shipped_rules
from application.rulebooks import Rulebooks
from application.rules_in_force import RulesInForce
from domain.clock import SystemClock
from domain.errors import DomainError
from domain.rulebook import BacktestMode
from domain.rules import Calendars, RuleRefused, Ruleset
from domain.rules.instants import instant_of

Shown = Callable[[int, int, int | None], None]


def add_to(app: App) -> None:
    app.command(
        backtest,
        name="backtest",
        help=say(
            "Dire ce que des règles auraient signalé sur des faits passés, avant de les publier.",
            "Say what rules would have raised on past facts, before they are published.",
        ),
    )


def backtest(
    *,
    rules: Annotated[Path, Parameter(help=say("Règles à essayer, en YAML.", "Rules to try, in YAML."))],
    facts: Annotated[
        Path | None,
        Parameter(
            help=say(
                "Faits, un objet JSON par ligne ; - pour l'entrée standard.",
                "Facts, one JSON object a line; - for standard input.",
            ),
            allow_leading_hyphen=True,
        ),
    ] = None,
    territory: Territory | None = None,
    mode: Annotated[
        Literal["as-known", "hindsight"],
        Parameter(
            help=say(
                "as-known : ce qui aurait été signalé, au fil des saisies ; hindsight : ce qui s'est vraiment passé.",
                "as-known: what would have been raised, as it was recorded; hindsight: what really happened.",
            )
        ),
    ] = "as-known",
    since: Annotated[
        str | None,
        Parameter(name="--from", help=say("Compter les alertes à partir de là.", "Count alerts from there on.")),
    ] = None,
    until: Annotated[
        str | None,
        Parameter(name="--to", help=say("Et jusque-là ; sinon, maintenant.", "And up to there; now otherwise.")),
    ] = None,
    tz: Annotated[
        str,
        Parameter(
            help=say("Fuseau des territoires qui n'en ont pas à eux.", "Time zone of territories without their own.")
        ),
    ] = "Europe/Paris",
    json: Json = False,
) -> None:
    if (facts is None) == (territory is None):
        raise Failure("donnez --facts ou --territory", "give either --facts or --territory", Status.USAGE)
    calendars = _calendars(tz)
    end = instant_of(SystemClock().now()) if until is None else _instant("--to", until, tz)
    period = Period(None if since is None else _instant("--from", since, tz), end)
    if period.since is not None and period.since > end:
        raise Failure("--from est après --to", "--from is after --to", Status.USAGE)
    tried = _rules(rules)
    known = BacktestMode(mode.replace("-", "_"))
    if facts is not None:
        table = _on_file(tried, facts, calendars, known, period)
    else:
        assert territory is not None
        table = installation.run(_on_territory(tried, territory, calendars, known, period))
    if json:
        write_json(table)
    else:
        _show(table)


def _on_file(rules: Ruleset, path: Path, calendars: Calendars, mode: BacktestMode, period: Period) -> BacktestTable:
    try:
        with nullcontext(sys.stdin.buffer) if path == STANDARD_INPUT else path.open("rb") as lines:
            histories = histories_of_file(lines, calendars)
    except FactLineRefused as error:
        raise Failure(f"{path} : {error.detail_fr}", f"{path}: {error.detail}") from None
    except OSError as error:
        raise unusable(path, error) from error
    trial = Backtest(rules, calendars, calendars.default, mode, period)
    with bar(say("parcours", "pathways")) as shown:
        events = 0
        for done, history in enumerate(histories, start=1):
            trial.add(history)
            events += history.count()
            shown(done, events, len(histories))
    return trial.table()


async def _on_territory(
    rules: Ruleset, territory: str, calendars: Calendars, mode: BacktestMode, period: Period
) -> BacktestTable:
    """Compared with the rules in force there."""
    async with installation.opened() as here:
        head = await here.log.head(territory)
        in_force = await Rulebooks(here.log, SystemClock(), RulesInForce(shipped_rules())).in_force(territory)
        trial = Backtest(rules, calendars, calendars.of(territory), mode, period, in_force.ruleset)
        ids = await pathways_of(here.log, territory, head)
        with bar(say("parcours", "pathways")) as shown:
            done = events = 0
            async for history in histories_of_log(here.log, territory, ids, head):
                trial.add(history)
                done, events = done + 1, events + history.count()
                shown(done, events, len(ids))
        return trial.table(head)


def _rules(path: Path) -> Ruleset:
    try:
        return load_rules(path.read_bytes())
    except OSError as error:
        raise unusable(path, error) from error
    except RuleRefused as error:
        raise Failure(f"{path} : {error.detail_fr}", f"{path}: {error.detail}") from None


def _calendars(tz: str) -> Calendars:
    try:
        return Calendars(tz)
    except DomainError as error:
        raise Failure(f"--tz : {error.title_fr}", f"--tz: {error.title()}", Status.USAGE) from None


def _instant(option: str, text: str, tz: str) -> int:
    try:
        return instant_of(read_now(text, tz))
    except ValueError:
        raise Failure(
            f"{option} : ni AAAA-MM-JJ ni une date et heure RFC 3339, de 1900 à 2200",
            f"{option}: neither YYYY-MM-DD nor an RFC 3339 date and time, from 1900 to 2200",
            Status.USAGE,
        ) from None


def _show(table: BacktestTable) -> None:
    write_line(
        say(
            f"parcours : {table.pathways} ; versions de faits : {table.versions} ; alertes : {table.alerts}",
            f"pathways: {table.pathways}; versions of facts: {table.versions}; alerts: {table.alerts}",
        )
    )
    for result in table.rules:
        write_line(f"{result.rule}@{result.version}  {_sentence(result)}")
    for row in table.load:
        write_line(f"{row.month}  {row.agency}  {row.severity}  {row.alerts}")
    for lag in table.recording_lag:
        write_line(
            say(
                f"{lag.agency} : 95 % des faits saisis sous {lag.days_p95} j ; grace: {lag.suggested_grace}",
                f"{lag.agency}: 95 % of facts recorded within {lag.days_p95} d; grace: {lag.suggested_grace}",
            )
        )


def _sentence(result: RuleResult) -> str:
    said = [say(f"alertes : {result.alerts}", f"alerts: {result.alerts}")]
    if result.alerts:
        said += [
            say(f"refermées : {result.cleared_percent} %", f"cleared: {result.cleared_percent} %"),
            say(f"fausses : {result.false_alarm_percent} %", f"false alarms: {result.false_alarm_percent} %"),
            say(f"ouvertes : {result.open_days_median} j", f"open for: {result.open_days_median} d"),
        ]
    change = result.difference
    if change is not None:
        said += [
            say(f"nouvelles : {change.new}", f"new: {change.new}"),
            say(f"disparues : {change.gone}", f"gone: {change.gone}"),
            say(f"communes : {change.same}", f"same: {change.same}"),
        ]
    return say(" ; ", "; ").join(said)
