"""`unisson projections parked|retry|skip`: events that a view could not fold, and what the operator decides of them."""

import getpass
from typing import Annotated
from uuid import UUID

import msgspec
from cyclopts import App, Parameter

from api.cli import installation
from api.cli.failure import Failure
from api.cli.language import say
from api.cli.output import Json, Territory, write_json, write_line
from projections import unparking
from projections.unparking import NotParked, ParkedEvent

View = Annotated[str, Parameter(help=say("La vue.", "The view."))]


def add_to(app: App) -> None:
    """Beside `status` and `rebuild`."""
    app.command(
        parked,
        name="parked",
        help=say("Ce que les vues laissent de côté, et pourquoi.", "What the views leave aside, and why."),
    )
    app.command(
        retry,
        name="retry",
        help=say("Reprendre ce qu'une vue a laissé de côté.", "Fold again what a view left aside."),
    )
    app.command(
        skip,
        name="skip",
        help=say(
            "Écarter pour de bon un événement d'une vue ; la décision est consignée.",
            "Leave an event out of a view for good; the decision is kept.",
        ),
    )


def parked(*, json: Json = False) -> None:
    events = installation.run(_parked())
    if json:
        write_json({"parked": [msgspec.to_builtins(event) for event in events]})
        return
    for event in events:
        why = event.error_type or say("attend derrière un autre", "waits behind another")
        write_line(f"{event.territory:<10}{event.projection:<22}{event.position:>10}  {event.status}  {why}")


def retry(
    view: View,
    /,
    *,
    territory: Territory,
    stream: Annotated[
        UUID | None,
        Parameter(help=say("Ce seul parcours ; sinon, tous.", "This pathway only; all of them otherwise.")),
    ] = None,
    json: Json = False,
) -> None:
    _show_folded(installation.run(_retry(view, territory, stream)), json=json)


def skip(
    view: View,
    position: Annotated[int, Parameter(help=say("Position de l'événement.", "The event's position."))],
    /,
    *,
    territory: Territory,
    json: Json = False,
) -> None:
    _show_folded(installation.run(_skip(view, territory, position)), json=json)


def _show_folded(events: int, *, json: bool) -> None:
    if json:
        write_json({"folded": events})
    else:
        write_line(say(f"{events} événements repris", f"{events} events folded"))


async def _parked() -> list[ParkedEvent]:
    async with installation.composed() as runtime:
        return await unparking.parked_events(runtime.pool)


async def _retry(view: str, territory: str, stream: UUID | None) -> int:
    async with installation.composed() as runtime:
        try:
            return await unparking.retry(
                runtime.pool, runtime.log, runtime.projections, territory=territory, projection=view, stream_id=stream
            )
        except NotParked as error:
            raise _nothing() from error


async def _skip(view: str, territory: str, position: int) -> int:
    async with installation.composed() as runtime:
        try:
            return await unparking.skip(
                runtime.pool,
                runtime.log,
                runtime.projections,
                territory=territory,
                projection=view,
                position=position,
                decided_by=getpass.getuser(),
            )
        except NotParked as error:
            raise _nothing() from error


def _nothing() -> Failure:
    return Failure("rien de tel n'est laissé de côté par cette vue", "this view leaves nothing of the kind aside")
