"""`unisson facts`: what the rules see of a territory, one JSON object a line."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.files import written
from api.cli.language import say
from api.cli.output import Territory
from application.facts_export import export_facts
from application.facts_file import write_facts

app = group("facts")


@app.command(
    name="export",
    help=say(
        "Écrire les faits du territoire, un objet JSON par ligne, triés par parcours puis par date.",
        "Write the territory's facts, one JSON object a line, by pathway then by date.",
    ),
)
def export(
    *,
    territory: Territory,
    output: Annotated[
        Path | None,
        Parameter(help=say("Fichier à écrire ; sinon, la sortie.", "File to write; standard output otherwise.")),
    ] = None,
) -> None:
    installation.run(_export(territory, output))


async def _export(territory: str, output: Path | None) -> None:
    async with installation.opened() as here:
        with written(output) as file:
            async for facts in export_facts(here.log, territory):
                file.writelines(write_facts(facts))
