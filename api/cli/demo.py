"""`unisson demo`: the demonstration, which `api.demo.command` plays."""

from importlib import import_module
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
) -> int:
    with installation.explained():
        return int(import_module("api.demo.command").run(installation.settings(), seed=seed, then_exit=exit_))
