"""`unisson openapi`: the description of the API, as the server gives it."""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from api.cli.files import written
from api.cli.language import say


def openapi(
    *,
    output: Annotated[
        Path | None,
        Parameter(help=say("Fichier à écrire ; sinon, la sortie.", "File to write; standard output otherwise.")),
    ] = None,
) -> None:
    from api.openapi import document

    with written(output) as file:
        file.write(msgspec.json.format(msgspec.json.encode(document()), indent=2) + b"\n")
