"""`unisson projections`: how far the views are behind the log, whether they hold what it says, building them again."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import msgspec
from cyclopts import Parameter

from api.cli import installation, parked
from api.cli.command_line import group
from api.cli.failure import Failure, Status, tell
from api.cli.language import say
from api.cli.output import Json, write_json, write_line
from api.cli.progress import bar
from projections.check import Checked, Difference, Outdated
from projections.check import check as compare
from projections.consumers import ConsumerStatus, consumer_statuses
from projections.rebuild import AlreadyRebuilding, NotRebuildable, NotSettled, Progress
from projections.rebuild import rebuild as run

Names = Annotated[str, Parameter(help=say("Les vues ; sinon, toutes.", "The views; all of them otherwise."))]

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
    *names: Names,
    json: Json = False,
) -> None:
    installation.run(_rebuild(names))
    if json:
        write_json({"rebuilt": list(names) or "all"})


@app.command(
    name="check",
    help=say(
        "Comparer les vues, ligne par ligne, avec ce que dit le journal ; rien n'est changé.",
        "Compare the views, row by row, with what the log says; nothing is changed.",
    ),
)
def check(*names: Names, json: Json = False) -> int:
    found = installation.run(_check(names))
    if json:
        write_json(msgspec.to_builtins(found))
    else:
        for one in found.differences:
            write_line(_line(one))
    if not found.differences:
        if not json:
            write_line(say("chaque ligne est ce que dit le journal", "every row is what the log says"))
        return Status.OK
    changed = " ".join(dict.fromkeys(one.projection for one in found.differences))
    rebuild_them = f"unisson projections rebuild {changed}"
    tell(
        say(
            f"des lignes ne sont pas ce que dit le journal : « {rebuild_them} »",
            f'some rows are not what the log says: "{rebuild_them}"',
        )
    )
    if found.not_compared:
        rest = " ".join(found.not_compared)
        tell(
            say(
                f"puis vérifiez ce qui en dépend : « unisson projections check {rest} »",
                f'then check what depends on them: "unisson projections check {rest}"',
            )
        )
    return Status.FAILED


async def _status() -> list[ConsumerStatus]:
    async with installation.composed() as runtime:
        return await consumer_statuses(runtime.pool, runtime.log, runtime.clock)


async def _rebuild(names: tuple[str, ...]) -> None:
    async with installation.composed() as runtime:
        with _building() as listener:
            await run(runtime.pool, runtime.log, runtime.projections, runtime.clock, names, listener)


async def _check(names: tuple[str, ...]) -> Checked:
    async with installation.up_to_date() as runtime:
        with _building() as listener:
            return await compare(runtime.pool, runtime.log, runtime.projections, runtime.clock, names, listener)


@contextmanager
def _building() -> Iterator[Callable[[Progress], None]]:
    """A bar that shows how far it is; and in words, why it cannot be done."""
    try:
        with bar(say("événements", "events")) as shown:
            yield _listener(shown)
    except NotRebuildable as error:
        raise Failure(f"aucune vue de ce nom : {error}", f"no view has this name: {error}") from error
    except AlreadyRebuilding as error:
        raise Failure("une reconstruction est déjà en cours", "a rebuild is already under way") from error
    except NotSettled as error:
        raise Failure(f"vue trop en retard, réessayez : {error}", f"view too far behind, try again: {error}") from error
    except Outdated as error:
        raise Failure(
            f"ces vues sont d'une autre version ; « unisson projections rebuild {error} »",
            f'these views are of another version; "unisson projections rebuild {error}"',
        ) from error


def _listener(shown: Callable[[int, int, int | None], None]) -> Callable[[Progress], None]:
    """Counts the rate from where this run began: an earlier one may have done a part."""
    begun: dict[str, int] = {}

    def listen(progress: Progress) -> None:
        first = begun.setdefault(progress.territory, progress.position)
        shown(progress.position, progress.position - first, progress.head)

    return listen


def _line(one: Difference) -> str:
    aside = say(f"  ({one.left_aside} événements laissés de côté)", f"  ({one.left_aside} events left aside)")
    rows = say(f"{one.rows} lignes", f"{one.rows} rows")
    more = " …" if one.rows > len(one.keys) else ""
    place = f"{one.territory:<10}{one.projection:<22}{one.table:<22}{rows}"
    return f"{place}{aside if one.left_aside else ''}  {' '.join(one.keys)}{more}"
