"""`unisson openapi`: the description of the API, as the server gives it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli.files import write_document
from api.cli.language import say


def openapi(
    *,
    output: Annotated[
        Path | None,
        Parameter(help=say("Fichier à écrire ; sinon, la sortie.", "File to write; standard output otherwise.")),
    ] = None,
) -> None:
    from api.openapi import document

    write_document(output, document())
