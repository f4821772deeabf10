"""`unisson projections`: how far the views are behind the log, and rebuilding one beside the one in use."""

import msgspec

from api.cli import installation
from api.cli.command_line import group
from api.cli.language import say
from api.cli.output import Json, write_json, write_line
from projections.consumers import ConsumerStatus, consumer_statuses

app = group("projections")


@app.command(name="status", help=say("Où en est chaque vue, par territoire.", "How each view stands, by territory."))
def status(*, json: Json = False) -> None:
    statuses = installation.run(_status())
    if json:
        write_json({"projections": [msgspec.to_builtins(one) for one in statuses]})
        return
    for one in statuses:
        lag = say(f"{one.lag_events} événements de retard", f"{one.lag_events} events behind")
        write_line(f"{one.territory:<10}{one.projection:<22}{one.status:<11}{one.position:>10} / {one.head:<10}{lag}")


async def _status() -> list[ConsumerStatus]:
    async with installation.composed() as runtime:
        return await consumer_statuses(runtime.pool, runtime.log, runtime.clock)
