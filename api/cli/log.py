"""`unisson log`: what proves that nobody rewrote history, for those who check it elsewhere."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure, tell
from api.cli.files import unusable
from api.cli.language import say
from api.cli.output import Json, Territory, write_json, write_line

if TYPE_CHECKING:
    from infrastructure.sealer import SealingRefused

app = group("log")

Logs = Annotated[
    Territory | None,
    Parameter(name="--territory", help=say("Un territoire ; tous, sinon.", "One territory; all of them otherwise.")),
]


@app.command(
    name="bundle",
    help=say(
        "Écrire un dossier de preuves, que « unisson-verify » contrôle sans base ni clé secrète.",
        'Write a bundle of proofs, which "unisson-verify" checks without a database or a secret key.',
    ),
)
def bundle(
    folder: Annotated[Path, Parameter(help=say("Dossier à créer, ou vide.", "Folder to create, or an empty one."))],
    /,
    *,
    territory: Logs = None,
) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise Failure(f"{folder} n'est pas vide", f"{folder} is not empty")
        refusals = installation.run(_bundle(folder, territory))
    except OSError as error:
        raise unusable(folder, error) from error
    for refusal in refusals:
        tell(say(f"le journal n'a pas été scellé : {refusal}", f"the log was not sealed: {refusal}"))


@app.command(
    name="seal",
    help=say("Signer l'état présent du journal.", "Sign the log as it stands."),
)
def seal(*, territory: Logs = None) -> None:
    for note in installation.run(_sealed(territory)):
        write_line(note.removesuffix("\n"))


@app.command(
    name="key",
    help=say(
        "La clé qui vérifie les signatures d'un territoire : à donner aux auditeurs.",
        "The key that checks a territory's signatures: to be given to auditors.",
    ),
)
def key(*, territory: Logs = None, json: Json = False) -> None:
    keys = installation.run(_keys(territory))
    if json:
        write_json(keys)
        return
    for text in keys.values():
        write_line(text)


async def _bundle(folder: Path, territory: str | None) -> list["SealingRefused"]:
    from infrastructure.log_bundle import write_bundle
    from infrastructure.sealer import Sealer, SealingRefused

    async with installation.opened() as here:
        logs = await _logs(here, territory)
        try:
            return await write_bundle(here.pool, Sealer.of(here.settings, here.pool), logs, folder)
        except SealingRefused as refusal:
            raise Failure(f"dossier incomplet : {refusal}", f"incomplete bundle: {refusal}") from refusal


async def _sealed(territory: str | None) -> list[str]:
    from infrastructure.log_proofs import PostgresLogProofs
    from infrastructure.sealer import Sealer, SealingRefused

    async with installation.opened() as here:
        sealer = Sealer.of(here.settings, here.pool)
        logs = await _logs(here, territory)
        try:
            for log in logs:
                await sealer.seal(log)
        except SealingRefused as refusal:
            raise Failure(f"rien n'a été signé : {refusal}", f"nothing was signed: {refusal}") from refusal
        return [await PostgresLogProofs(here.pool).checkpoint(log) for log in logs]


async def _keys(territory: str | None) -> dict[str, str]:
    from infrastructure.sealer import Sealer

    async with installation.opened() as here:
        sealer = Sealer.of(here.settings, here.pool)
        return {log: str(sealer.key.of_log(log).verifier) for log in await _logs(here, territory)}


async def _logs(here: installation.Installation, territory: str | None) -> list[str]:
    logs = await here.log.territories()
    if territory is None:
        return logs
    if territory not in logs:
        raise Failure(f"aucun événement dans {territory}", f"no event in {territory}")
    return [territory]
