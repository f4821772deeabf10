"""`unisson vault`: the key vault as a process of its own, and the turning over of the key that wraps the others."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure, Status
from api.cli.language import say
from api.cli.output import Json, Territory, write_json, write_line
from api.cli.progress import bar

if TYPE_CHECKING:
    from application.blind_index import IndexKey
    from application.kek_epochs import Epoch
    from infrastructure.vault_calls import Vault

T = TypeVar("T")

BATCH = 10_000

app = group("vault")


@app.command(
    name="serve",
    help=say(
        "Servir le coffre dans un processus à part, jusqu'à l'interruption.",
        "Serve the vault in a process of its own, until interrupted.",
    ),
)
def serve(
    *,
    listen: Annotated[
        str | None,
        Parameter(
            help=say(
                "unix:///chemin ou http://127.0.0.1:port ; sinon UNISSON_VAULT_URL.",
                "unix:///path or http://127.0.0.1:port; UNISSON_VAULT_URL otherwise.",
            )
        ),
    ] = None,
) -> None:
    from api.vault_process import serve as run
    from infrastructure.logs import configure_logs

    chosen = installation.settings()
    address = listen or chosen.vault_url or f"unix://{chosen.data_dir / 'keys' / 'vault.sock'}"
    if not address.startswith(("unix:///", "http://127.0.0.1:", "http://localhost:")):
        raise Failure(
            "--listen : unix:///chemin ou http://127.0.0.1:port",
            "--listen: unix:///path or http://127.0.0.1:port",
            Status.USAGE,
        )
    configure_logs(chosen.log_level)
    with installation.explained():
        installation.run(run(chosen, address, lambda: _announce(address)))


def _announce(address: str) -> None:
    write_line(say(f"Le coffre répond sur {address}", f"The vault answers at {address}"))
    sys.stdout.flush()


@app.command(
    name="status",
    help=say("Les époques de la clé de chiffrement des clés.", "The epochs of the key-encryption key."),
)
def status(*, json: Json = False) -> None:
    epochs = _with(lambda vault: vault.epochs.epochs())
    if json:
        write_json({"epochs": epochs})
        return
    for epoch in epochs:
        write_line(_line(epoch))


@app.command(
    name="rotate",
    help=say(
        "Faire une nouvelle époque. Copiez ensuite le fichier de clés en lieu sûr.",
        "Make a new epoch. Then copy the key file to its safe place.",
    ),
)
def rotate(*, json: Json = False) -> None:
    _tell(_with(lambda vault: vault.epochs.rotate()), json=json)


@app.command(
    name="rewrap",
    help=say(
        "Envelopper toutes les clés sous la dernière époque ; reprend où il s'est arrêté.",
        "Wrap every key under the last epoch; goes on where it was stopped.",
    ),
)
def rewrap(*, json: Json = False) -> None:
    started = time.monotonic()
    done = _with(_rewrap)
    seconds = time.monotonic() - started
    if json:
        write_json({"keys": done, "seconds": round(seconds, 3)})
    else:
        write_line(say(f"{done} clés en {seconds:.1f} s", f"{done} keys in {seconds:.1f} s"))


async def _rewrap(vault: Vault) -> int:
    todo = sum(epoch.keys for epoch in (await vault.epochs.epochs())[:-1])
    remaining = todo
    with bar(say("clés", "keys")) as advance:
        while remaining:
            remaining = await vault.epochs.rewrap(BATCH)
            advance(todo - remaining, todo - remaining, todo)
    return todo


@app.command(
    name="destroy-epoch",
    help=say(
        "Détruire la clé d'une époque retirée : toute copie de ce qu'elle enveloppait est perdue.",
        "Destroy a retired epoch's key: every copy of what it wrapped is lost.",
    ),
)
def destroy_epoch(
    number: Annotated[int, Parameter(help=say("Ce que donne « vault status ».", 'What "vault status" shows.'))],
    /,
    *,
    now: Annotated[
        bool,
        Parameter(
            negative="",
            help=say(
                "Sans attendre 30 jours : les sauvegardes antérieures ne pourront plus être lues.",
                "Without waiting 30 days: earlier backups can no longer be read.",
            ),
        ),
    ] = False,
) -> None:
    _with(lambda vault: vault.epochs.destroy(number, at_once=now))


@app.command(
    name="rotate-index",
    help=say(
        "Mettre en service une autre clé d'empreinte ; reconstruisez ensuite person_index.",
        "Put another hashing key in use; then rebuild person_index.",
    ),
)
def rotate_index(*, territory: Territory, json: Json = False) -> None:
    _tell_index(_with(lambda vault: vault.blind.rotate_index(territory)), json=json)


@app.command(
    name="retire-index",
    help=say("Détruire l'ancienne clé d'empreinte.", "Destroy the older hashing key."),
)
def retire_index(*, territory: Territory, json: Json = False) -> None:
    _tell_index(_with(lambda vault: vault.blind.retire_index(territory)), json=json)


def _with(work: Callable[[Vault], Awaitable[T]]) -> T:
    async def run() -> T:
        async with installation.opened() as here:
            return await work(here.whole_vault)

    return installation.run(run())


def _tell(epoch: Epoch, *, json: bool) -> None:
    if json:
        write_json(epoch)
    else:
        write_line(_line(epoch))


def _tell_index(key: IndexKey, *, json: bool) -> None:
    if json:
        write_json(key)
    else:
        state = "retired" if key.retired_at else "in use"
        write_line(f"{key.version}  {state:<8}  {key.made_at:%Y-%m-%d}")


def _line(epoch: Epoch) -> str:
    state = "destroyed" if epoch.destroyed_at else "retired" if epoch.retired_at else "in use"
    since = epoch.destroyed_at or epoch.retired_at or epoch.made_at
    return f"{epoch.number:>4}  {state:<9}  {since:%Y-%m-%d %H:%M}  {epoch.keys:>9}"
