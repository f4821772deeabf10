"""`unisson rules`: judge rules on a file of facts, with no database; what a territory does with them is beside."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, TypeAlias

from cyclopts import Parameter

from api.cli import backtest, rule_checks, rule_health, rulebook
from api.cli.command_line import group
from api.cli.failure import Failure, Status
from api.cli.files import unusable, written
from api.cli.language import say
from api.cli.output import Json, write_line
from application.evaluation import STANDARD_INPUT, encode_line, evaluate_files, explain_files, read_now
from application.facts_file import FactLineRefused
from domain.errors import DomainError
from domain.rules import RuleRefused

app = group("rules")
backtest.add_to(app)
rulebook.add_to(app)
rule_checks.add_to(app)
rule_health.add_to(app)


Facts: TypeAlias = Annotated[
    Path,
    Parameter(
        name="--facts",
        help=say(
            "Faits, un objet JSON par ligne ; - pour l'entrée standard.",
            "Facts, one JSON object a line; - for standard input.",
        ),
        allow_leading_hyphen=True,
    ),
]
Now: TypeAlias = Annotated[
    str, Parameter(name="--now", help=say("L'heure qu'il est, en ISO 8601.", "What time it is, in ISO 8601."))
]
Rules: TypeAlias = Annotated[
    Path | None,
    Parameter(
        name="--rules", help=say("Règles en YAML ; sinon, celles d'Unisson.", "Rules in YAML; Unisson's own otherwise.")
    ),
]
TimeZone: TypeAlias = Annotated[
    str,
    Parameter(
        name="--tz",
        help=say("Fuseau des territoires qui n'en ont pas à eux.", "Time zone of territories without their own."),
    ),
]


@app.command(
    name="evaluate",
    help=say(
        "Juger des règles sur un fichier de faits : une obligation par ligne.",
        "Judge rules on a file of facts: one obligation a line.",
    ),
)
def evaluate(*, facts: Facts, now: Now, rules: Rules = None, tz: TimeZone = "Europe/Paris", json: Json = False) -> None:
    instant = _instant(now, tz)
    with _judging(rules, facts):
        obligations = evaluate_files(rules, facts, instant, tz)
    with written(None) as output:
        if json:
            output.writelines(encode_line(obligation) for obligation in obligations)
            return
    for obligation in obligations:
        write_line(_sentence(obligation))


@app.command(
    name="explain",
    help=say(
        "Dire pourquoi des obligations en sont là : preuves, délai, faits qui ont failli compter.",
        "Say why obligations stand as they do: evidence, window, near misses.",
    ),
)
def explain(
    *,
    facts: Facts,
    now: Now,
    rules: Rules = None,
    rule: Annotated[str | None, Parameter(help=say("Cette règle seule.", "This rule alone."))] = None,
    activation: Annotated[
        str | None,
        Parameter(help=say("Ce fait déclencheur seul, par son identifiant.", "This activation alone, by its fact id.")),
    ] = None,
    tz: TimeZone = "Europe/Paris",
    json: Json = False,
) -> None:
    instant = _instant(now, tz)
    with _judging(rules, facts):
        found = list(explain_files(rules, facts, instant, tz, rule=rule, activation=activation))
    if not found:
        raise Failure("aucune obligation de ce nom", "there is no such obligation")
    rule_checks.explained(found, json=json)


def _instant(now: str, tz: str) -> datetime:
    try:
        return read_now(now, tz)
    except ValueError:
        raise Failure(
            "--now : ni AAAA-MM-JJ ni une date et heure RFC 3339, de 1900 à 2200",
            "--now: neither YYYY-MM-DD nor an RFC 3339 date and time, from 1900 to 2200",
            Status.USAGE,
        ) from None
    except DomainError as error:
        raise Failure(f"--tz : {error.title_fr}", f"--tz: {error.title()}", Status.USAGE) from None


@contextmanager
def _judging(rules: Path | None, facts: Path) -> Iterator[None]:
    """What may be wrong with either file, named."""
    for path in (rules, facts):
        _must_be_readable(path)
    try:
        yield
    except FactLineRefused as error:
        raise _refused(facts, error) from None
    except RuleRefused as error:
        raise _refused(rules or Path(), error) from None


def _refused(path: Path, error: FactLineRefused | RuleRefused) -> Failure:
    return Failure(f"{path} : {error.detail_fr}", f"{path}: {error.detail}")


def _must_be_readable(path: Path | None) -> None:
    try:
        if path not in (None, STANDARD_INPUT):
            path.open("rb").close()
    except OSError as error:
        raise unusable(path or Path(), error) from error


def _sentence(obligation: dict[str, object]) -> str:
    names = ("status", "rule", "pathway", "activation")
    start = "  ".join(f"{obligation[name]}" for name in names)
    return f"{start}  [{obligation['open']} → {obligation['close']})"
