"""`unisson projections`: how far the views are behind the log, and rebuilding them beside those in use."""

from collections.abc import Callable
from typing import Annotated

import msgspec
from cyclopts import Parameter

from api.cli import installation, parked
from api.cli.command_line import group
from api.cli.failure import Failure
from api.cli.language import say
from api.cli.output import Json, write_json, write_line
from api.cli.progress import bar
from projections.consumers import ConsumerStatus, consumer_statuses
from projections.rebuild import AlreadyRebuilding, NotRebuildable, Progress
from projections.rebuild import rebuild as run

app = group("projections")
parked.add_to(app)


@app.command(name="status", help=say("Où en est chaque vue, par territoire.", "How each view stands, by territory."))
def status(*, json: Json = False) -> None:
    statuses = installation.run(_status())
    if json:
        write_json({"projections": [msgspec.to_builtins(one) for one in statuses]})
        return
    for one in statuses:
        lag = say(f"{one.lag_events} événements de retard", f"{one.lag_events} events behind")
        write_line(f"{one.territory:<10}{one.projection:<22}{one.status:<11}{one.position:>10} / {one.head:<10}{lag}")


@app.command(
    name="rebuild",
    help=say(
        "Reconstruire des vues à côté de celles en service, puis les remplacer. Interrompu, il reprend où il était.",
        "Rebuild views beside those in use, then swap them. Interrupted, it goes on from where it was.",
    ),
)
def rebuild(
    *names: Annotated[str, Parameter(help=say("Les vues ; sinon, toutes.", "The views; all of them otherwise."))],
    json: Json = False,
) -> None:
    installation.run(_rebuild(names))
    if json:
        write_json({"rebuilt": list(names) or "all"})


async def _status() -> list[ConsumerStatus]:
    async with installation.composed() as runtime:
        return await consumer_statuses(runtime.pool, runtime.log, runtime.clock)


async def _rebuild(names: tuple[str, ...]) -> None:
    async with installation.composed() as runtime:
        with bar(say("événements", "events")) as shown:
            try:
                await run(runtime.pool, runtime.log, runtime.projections, runtime.clock, names, _listener(shown))
            except NotRebuildable as error:
                raise Failure(f"aucune vue de ce nom : {error}", f"no view has this name: {error}") from error
            except AlreadyRebuilding as error:
                raise Failure("une reconstruction est déjà en cours", "a rebuild is already under way") from error


def _listener(shown: Callable[[int, int, int | None], None]) -> Callable[[Progress], None]:
    """Counts the rate from where this run began: an earlier one may have done a part."""
    begun: dict[str, int] = {}

    def listen(progress: Progress) -> None:
        first = begun.setdefault(progress.territory, progress.position)
        shown(progress.position, progress.position - first, progress.head)

    return listen
