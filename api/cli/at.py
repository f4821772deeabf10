"""`unisson at`: a territory as known at a position or an instant, straight from the log. Codes, ids and dates only."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from cyclopts import Parameter

from api.cli import installation
from api.cli.failure import Failure, Status
from api.cli.language import language, say
from api.cli.output import Json, Territory, write_json, write_line

if TYPE_CHECKING:
    from api.replayed import Lens, Seen
    from api.runtime import Runtime
    from application.replay import Moment

View = Literal["pathways", "timeline", "facts", "verdicts", "alerts", "inbox", "sight", "why", "differences"]
OF_A_PATHWAY = {"pathways", "timeline", "facts", "verdicts", "alerts", "differences"}
COLUMNS = {
    "pathways": ("reference", "status", "version", "referent", "participants", "id"),
    "timeline": ("position", "recorded_at", "type", "agency", "pathway_id"),
    "facts": ("start", "end", "type", "state", "agency", "fact_id", "pathway_id"),
    "verdicts": ("status", "rule", "version", "close", "activation", "pathway_id"),
    "alerts": ("status", "severity", "rule", "at", "id", "pathway_id"),
    "inbox": ("since", "due", "kind", "code", "id", "pathway_id"),
    "sight": ("pathway_id", "capacity", "action", "relation", "until"),
    "differences": ("key", "before", "after"),
}


def at(
    moment: Annotated[
        str,
        Parameter(
            help=say(
                "Position du journal, ou instant avec son décalage : 2026-03-02T09:00:00Z ; « now », maintenant.",
                'Position of the log, or instant with its offset: 2026-03-02T09:00:00Z; "now", at present.',
            )
        ),
    ],
    view: Annotated[View, Parameter(help=say("Ce qui est montré.", "What is shown."))],
    name: Annotated[
        str | None,
        Parameter(
            help=say(
                "Un parcours seulement ; pour inbox et sight, le service ; pour why, l'alerte.",
                "One pathway alone; of inbox and sight, the agency; of why, the alert.",
            )
        ),
    ] = None,
    /,
    *,
    territory: Territory,
    true_on: Annotated[
        date | None,
        Parameter(
            name="--true-on",
            help=say("Ce qui était vrai ce jour-là, vu de ce moment.", "What was so on that day, as seen then."),
        ),
    ] = None,
    against: Annotated[
        str | None,
        Parameter(help=say("De differences : l'autre moment.", "Of differences: the other moment.")),
    ] = None,
    json: Json = False,
) -> None:
    if (view == "differences") != (against is not None):
        raise _misused("--against va avec differences", "--against goes with differences")
    if view not in OF_A_PATHWAY and name is None:
        raise _misused(f"il manque de qui ou de quoi : {view} NOM", f"of whom or what: {view} NAME")
    asked = Asked(territory, view, name, true_on)
    installation.run(_print(asked, _read_moment(moment), None if against is None else _read_moment(against), json=json))


class Asked:
    """What to show of whom."""

    def __init__(self, territory: str, view: View, name: str | None, true_on: date | None) -> None:
        self.territory = territory
        self.view = view
        self.name = name or ""
        self.true_on = true_on
        self.id = _read_id(name) if name is not None and view in (OF_A_PATHWAY | {"why"}) else None


async def _print(asked: Asked, then: int | datetime | None, other: int | datetime | None, *, json: bool) -> None:
    async with installation.composed() as runtime:
        moment = await runtime.replay.moment(asked.territory, then, asked.true_on)
        if asked.view == "why":
            await _print_why(runtime, asked, moment, json=json)
            return
        if asked.view == "differences":
            against = await runtime.replay.moment(asked.territory, other, asked.true_on)
            rows = _differences(runtime, asked, moment, against)
        else:
            rows = _rows(runtime, asked, moment)
        async for row in rows:
            if json:
                write_json(row)
            else:
                write_line("  ".join(_word(row.get(column)) for column in COLUMNS[asked.view]))


async def _rows(runtime: Runtime, asked: Asked, moment: Moment) -> AsyncIterator[dict[str, Any]]:
    from api.replayed import Lens

    lens = await Lens.at(runtime.replay, asked.territory, moment)
    async for seen in _seen(runtime, lens, asked):
        for row in _shown(asked, seen, moment):
            yield row


async def _seen(runtime: Runtime, lens: Lens, asked: Asked) -> AsyncIterator[Seen]:
    """The one pathway that is named, or all of them, a few at a time."""
    if asked.view in OF_A_PATHWAY and asked.id is not None:
        for seen in await lens.look([asked.id]):
            yield seen
        return
    async for history in runtime.replay.everything(asked.territory, lens.moment):
        found = lens.see(history)
        if found is not None:
            yield found


def _shown(asked: Asked, seen: Seen, moment: Moment) -> Iterator[dict[str, Any]]:
    import msgspec

    from api.inbox import to_do_view
    from api.pathways import view
    from api.replayed import facts_view
    from api.timeline import obligation_view, timeline_event
    from application.agency_sight import openings_to
    from projections.pathway_timeline import timeline_row

    rows: list[Any]
    match asked.view:
        case "pathways":
            rows = [msgspec.structs.replace(view(seen.pathway), entries=[])]
        case "timeline":
            rows = [timeline_event(timeline_row(stored)) for stored in seen.history.events]
        case "facts":
            rows = list(facts_view(seen))
        case "verdicts":
            rows = [obligation_view(verdict) for verdict in seen.verdicts]
        case "alerts":
            rows = list(seen.alerts)
        case "inbox":
            rows = [to_do_view(item) for item in seen.to_do if item.agency == asked.name]
        case _:
            rows = openings_to(asked.name, seen.pathway, moment.at)
    for row in rows:
        yield {"pathway_id": str(seen.pathway.id)} | msgspec.to_builtins(row)


async def _differences(runtime: Runtime, asked: Asked, since: Moment, until: Moment) -> AsyncIterator[dict[str, Any]]:
    """A few pathways at a time, in the order in which the later moment knows them."""
    import msgspec

    from api.replayed import Lens, pictures
    from application.differences import difference

    before = await Lens.at(runtime.replay, asked.territory, since)
    after = await Lens.at(runtime.replay, asked.territory, until)
    later = max(since, until, key=lambda each: each.position)
    async for some in _chunks(runtime, asked, later):
        changes = difference(pictures(await before.look(some)), pictures(await after.look(some)))
        for change in changes:
            yield msgspec.to_builtins(change)


async def _chunks(runtime: Runtime, asked: Asked, moment: Moment) -> AsyncIterator[list[UUID]]:
    from application.replay import PATHWAYS_AT_ONCE

    if asked.id is not None:
        yield [asked.id]
        return
    after = 0
    while page := await runtime.replay.opened(asked.territory, moment, after=after, limit=PATHWAYS_AT_ONCE):
        yield [each.pathway for each in page]
        after = page[-1].position


async def _print_why(runtime: Runtime, asked: Asked, moment: Moment, *, json: bool) -> None:
    from api.alert_replays import why_view

    assert asked.id is not None
    pathway = await runtime.replay.pathway_of(asked.territory, asked.id)
    histories = [] if pathway is None else await runtime.replay.histories(asked.territory, [pathway], moment)
    events = next((history.alerts[asked.id] for history in histories if asked.id in history.alerts), None)
    if events is None:
        raise Failure("aucune alerte ne portait cet identifiant", "no alert had this id")
    why = why_view(await runtime.whys.why(asked.territory, events))
    if json:
        write_json(why)
        return
    french = language() == "fr"
    write_line(why.fr if french else why.en)
    write_line(say("Délai : ", "Window: ") + (why.window.fr if french else why.window.en))
    write_line(say("Règle : ", "Rule: ") + f"{why.rule}  {say('calendrier', 'calendar')} {why.calendar}")
    for event in why.events:
        write_line(f"  {event.position}  {event.recorded_at.isoformat()}  {event.type}  {event.agency}")
    same = say("Le même verdict qu'alors.", "The same verdict as then.")
    other = say("Autre verdict qu'alors : ", "Another verdict than then: ") + ", ".join(why.differs_in)
    write_line(other if why.differs_in else same)


def _word(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(_word, value)) or "-"
    if isinstance(value, dict):
        return "+"
    return "-" if value in (None, "") else str(value)


def _read_moment(text: str) -> int | datetime | None:
    if text == "now":
        return None
    if re.fullmatch(r"[0-9]{1,18}", text, re.ASCII):
        return int(text)
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        instant = None
    if instant is None or instant.tzinfo is None:
        expected = "413, 2026-03-02T09:00:00+01:00, now"
        raise _misused(
            f"ni une position, ni un instant ({expected}) : {text}",
            f"neither a position nor an instant ({expected}): {text}",
        )
    return instant


def _read_id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise _misused(f"pas un identifiant : {text}", f"not an id: {text}") from None


def _misused(fr: str, en: str) -> Failure:
    return Failure(fr, en, Status.USAGE)
