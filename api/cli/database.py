"""`unisson database`: the address of the database, for psql, a BI tool or another reader of the log."""

import asyncio
import sys
from typing import Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.language import say
from api.cli.output import write_line

app = group("database")


@app.command(
    name="url",
    help=say(
        "Écrire l'adresse de la base. Embarquée, elle s'arrête avec la commande, sauf si un serveur tourne.",
        "Print the database's address. An embedded one stops with the command, unless a server is running.",
    ),
)
def url(
    *,
    keep: Annotated[
        bool,
        Parameter(
            negative="",
            help=say("La garder ouverte jusqu'à l'interruption.", "Hold it open until interrupted."),
        ),
    ] = False,
) -> None:
    installation.run(_url(keep=keep))


async def _url(*, keep: bool) -> None:
    async with installation.database(installation.settings()) as address:
        write_line(address)
        sys.stdout.flush()
        if keep:
            await asyncio.Event().wait()
