"""`unisson asyncapi`: the description of what agencies are told, as the server gives it."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli.files import write_document
from api.cli.language import say


def asyncapi(
    *,
    output: Annotated[
        Path | None,
        Parameter(help=say("Fichier à écrire ; sinon, la sortie.", "File to write; standard output otherwise.")),
    ] = None,
) -> None:
    from api.asyncapi import document

    write_document(output, document())
