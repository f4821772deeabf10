"""`unisson alerts`: what is out of step in a territory, and why. Codes, ids and dates only."""

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import msgspec
from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure
from api.cli.language import language, say
from api.cli.output import Json, Territory, write_json, write_line

if TYPE_CHECKING:
    from api.runtime import Runtime
    from domain.rules.explain import Explanation

ALERTS = """
SELECT alert, rule, version, severity, status, reason, pathway, activation, raised_at, changed_at, closes, at, quiet
FROM alerts WHERE territory = $1 AND ($2 OR status = 'open') ORDER BY raised_at, alert"""
ALERT = """
SELECT territory, alert, rule, version, severity, status, reason, pathway, activation, raised_at, changed_at, closes,
    at, known_at, recipients
FROM alerts WHERE alert = $1"""

app = group("alerts")


@app.command(name="list", help=say("Les alertes d'un territoire.", "The alerts of a territory."))
def list_(
    *,
    territory: Territory,
    open_: Annotated[
        bool, Parameter(name="--open", negative="", help=say("Ouvertes seulement.", "Open ones only."))
    ] = False,
    json: Json = False,
) -> None:
    alerts = installation.run(_list(territory, open_only=open_))
    if json:
        write_json({"alerts": alerts})
        return
    for alert in alerts:
        write_line("  ".join(str(alert[name]) for name in ("alert", "status", "severity", "rule", "pathway")))


@app.command(name="explain", help=say("Pourquoi cette alerte, avec ses preuves.", "Why this alert, with its evidence."))
def explain(
    alert: Annotated[UUID, Parameter(help=say("Ce que donne « alerts list ».", 'What "alerts list" shows.'))],
    /,
    *,
    json: Json = False,
) -> None:
    found, explanation = installation.run(_explain(alert))
    if json:
        write_json(found | {"explanation": explanation})
    else:
        _show(found, explanation)


async def _list(territory: str, *, open_only: bool) -> list[dict[str, Any]]:
    async with installation.up_to_date() as runtime:
        return [dict(row) for row in await runtime.pool.fetch(ALERTS, territory, not open_only)]


async def _explain(alert: UUID) -> "tuple[dict[str, Any], Explanation | None]":
    async with installation.up_to_date() as runtime:
        row = await runtime.pool.fetchrow(ALERT, alert)
        if row is None:
            raise Failure("aucune alerte ne porte cet identifiant", "no alert has this id")
        found = dict(row) | {"recipients": msgspec.json.decode(row["recipients"])}
        return found, await _explanation(runtime, found)


async def _explanation(runtime: "Runtime", alert: dict[str, Any]) -> "Explanation | None":
    """Judged again on what was known then; None when that can no longer be read, or the rule is no longer shipped."""
    from application.pathways import fold
    from application.rulebook import shipped_rules
    from domain.rules import Calendars, compile_rules, evaluate
    from domain.rules.explain import explain as explained

    history = await runtime.log.read_stream(alert["territory"], alert["pathway"], until_position=alert["known_at"])
    pathway = fold(None, history)
    if pathway is None:
        return None
    facts, rules, calendars = pathway.facts(), shipped_rules(), Calendars()
    now: datetime = alert["changed_at"]
    identity = (alert["rule"], alert["version"], alert["activation"])
    for obligation in evaluate(facts, compile_rules(rules), calendars, now).obligations:
        if (obligation.rule, obligation.version, obligation.activation) == identity:
            rule = next(rule for rule in rules.rules if (rule.slug, rule.version) == identity[:2])
            return explained(obligation, facts, rule, calendars.of(alert["territory"]))
    return None


def _show(alert: dict[str, Any], explanation: "Explanation | None") -> None:
    write_line(f"{alert['alert']}  {alert['status']}  {alert['severity']}  {alert['rule']}@{alert['version']}")
    if explanation is None:
        write_line(say("Elle ne peut plus être rejouée.", "It can no longer be replayed."))
        return
    french = language() == "fr"
    write_line(explanation.fr if french else explanation.en)
    write_line(say("Délai : ", "Window: ") + (explanation.window.fr if french else explanation.window.en))
    for name, facts in ((say("déclencheur", "activation"), [explanation.activation]), ("", explanation.matched)):
        for fact in facts:
            write_line(f"  {name:<12}{fact['start']}  {fact['type']}  {fact['agency']}  {fact['fact_id']}")
    for recipient in alert["recipients"]:
        write_line(f"  → {recipient['agency']}  {recipient['role']}  {recipient['sees']}")
