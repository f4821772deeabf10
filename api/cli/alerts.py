"""`unisson alerts`: what is out of step in a territory, and why. Codes, ids and dates only."""

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure
from api.cli.language import language, say
from api.cli.output import Json, Territory, write_json, write_line

if TYPE_CHECKING:
    from domain.rules.explain import Explanation

ALERTS = """
SELECT alert, rule, version, severity, status, reason, pathway, activation, raised_at, changed_at, closes, at, quiet
FROM alerts WHERE territory = $1 AND ($2 OR status = 'open') ORDER BY raised_at, alert"""
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
    from api.explanations import alert_row, explanation_of

    async with installation.up_to_date() as runtime:
        found = await alert_row(runtime, alert)
        if found is None:
            raise Failure("aucune alerte ne porte cet identifiant", "no alert has this id")
        return found, await explanation_of(runtime, found)


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
