"""`unisson rules health`: how the rules of a territory fare, as a list, as JSON or as a table for a spreadsheet."""

import sys
from datetime import date
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from api.cli import installation
from api.cli.failure import Failure, Status
from api.cli.language import say
from api.cli.output import Json, Territory, write_json, write_line

if TYPE_CHECKING:
    from projections.rule_figures import Figures


def add_to(app: App) -> None:
    app.command(
        health,
        name="health",
        help=say(
            "Ce que valent les règles : leurs alertes, ce qui en a été fait, les règles à revoir.",
            "How the rules fare: what they raised, what was done about it, which to look at again.",
        ),
    )


def health(
    *,
    territory: Territory,
    rule: Annotated[str | None, Parameter(help=say("Cette règle seule.", "This rule alone."))] = None,
    first: Annotated[
        str | None,
        Parameter(
            name="--from",
            help=say(
                "Premier jour, AAAA-MM-JJ ; sinon, quatre-vingt-dix jours en tout.",
                "First day, YYYY-MM-DD; ninety days in all otherwise.",
            ),
        ),
    ] = None,
    last: Annotated[
        str | None,
        Parameter(name="--to", help=say("Dernier jour ; sinon, aujourd'hui.", "Last day; today otherwise.")),
    ] = None,
    by_agency: Annotated[
        bool,
        Parameter(
            name="--by-agency",
            negative="",
            help=say("Une ligne par service prévenu.", "A line for each agency told."),
        ),
    ] = False,
    csv: Annotated[
        bool, Parameter(name="--csv", negative="", help=say("Pour un tableur : du CSV.", "For a spreadsheet: CSV."))
    ] = False,
    json: Json = False,
) -> None:
    lines = installation.run(_figures(territory, rule, _day("--from", first), _day("--to", last), by_agency=by_agency))
    if csv:
        from api.rule_table import COLUMNS, flat
        from api.spreadsheet import as_csv

        sys.stdout.write(as_csv(COLUMNS, map(flat, lines)).decode())
    elif json:
        write_json({"items": lines})
    else:
        for line in lines:
            write_line(_said(line))
        if not lines:
            write_line(say("Aucune alerte.", "No alert."))


async def _figures(
    territory: str, rule: str | None, first: date | None, last: date | None, *, by_agency: bool
) -> "list[Figures]":
    from api.rule_table import instants, period
    from projections.rule_figures import Asked, figures

    async with installation.up_to_date() as runtime:
        zone, now = runtime.calendars.of(territory).tz, runtime.clock.now()
        days = period(first, last, now.astimezone(zone).date())
        if days is None:
            raise Failure("cette période ne peut être comptée", "this period cannot be counted", Status.USAGE)
        since, until = instants(days, zone)
        asked = Asked(territory=territory, since=since, until=until, now=now, by_agency=by_agency, rule=rule)
        return await figures(runtime.pool, asked)


def _day(name: str, given: str | None) -> date | None:
    try:
        return None if given is None else date.fromisoformat(given)
    except ValueError:
        raise Failure(f"{name} : pas de la forme AAAA-MM-JJ", f"{name}: not YYYY-MM-DD", Status.USAGE) from None


def _said(line: "Figures") -> str:
    who = "" if line.agency is None else f"  {line.agency}"
    share = "–" if line.acted_on_share is None else f"{line.acted_on_share:.0%}"
    raised = say(f"alertes : {line.raised}", f"{line.raised} raised")
    open_ = say(f"ouvertes : {line.still_open}", f"{line.still_open} open")
    acted = say(f"suivies d'effet : {share}", f"acted on: {share}")
    review = "  " + say("à revoir", "to review") if line.to_review else ""
    return f"{line.rule}@{line.version}{who}  {raised}  {open_}  {acted}{review}"
