"""`unisson witness`: watch the log of another installation, so that nobody can be shown another history."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli.command_line import group
from api.cli.failure import Failure
from api.cli.language import say
from api.cli.output import write_line

app = group("witness")

Folder = Annotated[
    Path,
    Parameter(
        help=say(
            "Le dossier du témoin : sa clé, ce qu'il a signé. Ailleurs que le journal.",
            "The witness's folder: its key, what it signed. Elsewhere than the log.",
        )
    ),
]


@app.command(
    name="watch",
    help=say(
        "Ajouter un journal à ceux que ce témoin suit ; donne la clé du témoin.",
        "Add a log to those that this witness watches; prints the witness's key.",
    ),
)
def watch(
    folder: Folder,
    key: Annotated[str, Parameter(help=say("Ce que donne « log key ».", 'What "log key" prints.'))],
    /,
) -> None:
    from application.checkpoints import NotANote
    from domain.clock import SystemClock
    from infrastructure.witness_folder import WitnessFolder

    witness = WitnessFolder(folder, SystemClock())
    try:
        witness.watch(key)
    except NotANote:
        raise Failure("ceci n'est pas une clé de journal", "this is not the key of a log") from None
    write_line(witness.key)


@app.command(
    name="serve",
    help=say("Répondre aux journaux, par HTTP (C2SP tlog-witness).", "Answer logs over HTTP (C2SP tlog-witness)."),
)
def serve(
    folder: Folder,
    /,
    *,
    host: Annotated[str, Parameter(help=say("Adresse d'écoute.", "Address."))] = "127.0.0.1",
    port: Annotated[int, Parameter(help=say("Port.", "Port."))] = 8700,
) -> None:
    import uvicorn

    from api.witness import create_witness
    from domain.clock import SystemClock
    from infrastructure.witness_folder import WitnessFolder

    witness = WitnessFolder(folder, SystemClock())
    write_line(say(f"Témoin sur http://{host}:{port}", f"Witness at http://{host}:{port}"))
    write_line(witness.key)
    uvicorn.run(create_witness(witness), host=host, port=port, log_config=None, access_log=False)
