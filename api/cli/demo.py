"""`unisson demo`: the demonstration, which `api.demo.command` plays."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.language import say


def demo(
    *,
    exit_: Annotated[
        bool,
        Parameter(
            name="--exit",
            negative="",
            help=say("Finir, au lieu de servir, une fois l'année jouée.", "End once the year is played; do not serve."),
        ),
    ] = False,
    seed: Annotated[int, Parameter(help=say("Graine du tirage.", "Seed of the draw."))] = 1,
    pathways: Annotated[int, Parameter(help=say("Nombre de parcours.", "Number of pathways."))] = 300,
    data: Annotated[
        Path | None,
        Parameter(help=say("Dossier à garder à la fin.", "Folder to keep at the end.")),
    ] = None,
) -> int:
    from api.demo.command import Options, run

    with installation.explained():
        return run(installation.settings(), Options(seed, pathways, exit_, data and data.absolute()))
