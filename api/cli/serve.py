"""`unisson serve`: everything in one process, or some roles of it beside other processes."""

import sys
from typing import Annotated

import msgspec
from cyclopts import Parameter

from api.cli import installation
from api.cli.failure import Failure, Status
from api.cli.language import say
from api.cli.output import write_line
from api.roles import ROLES


def serve(
    *,
    host: Annotated[
        str | None, Parameter(help=say("Adresse d'écoute ; sinon UNISSON_HOST.", "Address; UNISSON_HOST otherwise."))
    ] = None,
    port: Annotated[
        int | None, Parameter(help=say("Port ; sinon UNISSON_PORT.", "Port; UNISSON_PORT otherwise."))
    ] = None,
    roles: Annotated[
        str,
        Parameter(
            help=say(
                "Les rôles de ce processus, séparés par des virgules : api, followers, notifications, sealer.",
                "The roles of this process, separated by commas: api, followers, notifications, sealer.",
            )
        ),
    ] = "api,followers,notifications,sealer",
) -> None:
    from api.launch import serve as run

    wanted = frozenset(role.strip() for role in roles.split(",") if role.strip())
    if not wanted or wanted - ROLES:
        known = ", ".join(sorted(ROLES))
        raise Failure(f"--roles : parmi {known}", f"--roles: among {known}", Status.USAGE)
    chosen = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    settings = msgspec.structs.replace(installation.settings(), **chosen)
    with installation.explained():
        run(settings, roles=wanted, on_ready=_announce, on_bootstrap=_offer)


def _announce(url: str) -> None:
    write_line(say(f"Unisson répond sur {url}", f"Unisson answers at {url}"))
    sys.stdout.flush()


def _offer(link: str) -> None:
    write_line(say(f"Premier exploitant, une fois, dans l'heure : {link}", f"First operator, once, now: {link}"))
    sys.stdout.flush()
