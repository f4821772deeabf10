"""`unisson clients`: let a partner's software in by its public key, list such software, shut one out."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure, Status
from api.cli.language import say
from api.cli.output import Agency, Json, Territory, write_json, write_line
from application.access import USUAL_SCOPES, Scope
from application.service_clients import SERVICE_SCOPES, ServiceClient, new_client_id
from domain.clock import SystemClock
from domain.pathway import SYSTEM
from infrastructure.service_clients import PostgresServiceClients

KEY_FILE_BYTES_MOST = 64 * 1024

app = group("clients")

Jwk = Annotated[
    Path,
    Parameter(
        name="--jwk",
        help=say(
            "Fichier de sa clé publique (JSON Web Key), ou d'un ensemble de clés.",
            "The file of its public key (a JSON Web Key), or of a set of them.",
        ),
    ),
]
ClientId = Annotated[str, Parameter(help=say("Ce que donne « clients list ».", 'What "clients list" shows.'))]


@app.command(
    name="create",
    help=say(
        "Inscrire le logiciel d'un service partenaire, connu par sa clé publique.",
        "Register the software of a partner, known by its public key.",
    ),
)
def create(
    *,
    territory: Territory,
    agency: Agency,
    jwk: Jwk,
    name: Annotated[str, Parameter(help=say("De quel logiciel il s'agit.", "Which software it is."))] = "",
    scopes: Annotated[
        str,
        Parameter(
            help=say(
                "Ce qu'il pourra demander, séparé par des virgules : read,write,case:read:identity…",
                "What it may ask for, separated by commas: read,write,case:read:identity…",
            )
        ),
    ] = ",".join(sorted(USUAL_SCOPES)),
    json: Json = False,
) -> None:
    if agency == SYSTEM:
        raise Failure(f"{SYSTEM} est le nom du système lui-même", f"{SYSTEM} is the name of the system itself")
    client = ServiceClient(
        client_id=new_client_id(),
        territory=territory,
        agency=agency,
        label=name,
        scopes=_scopes(scopes),
        keys=_keys(jwk),
        created_at=SystemClock().now(),
    )
    installation.run(_add(client))
    if json:
        write_json(_told(client))
    else:
        write_line(client.client_id)


@app.command(name="list", help=say("Les logiciels d'un territoire.", "The software of a territory."))
def list_(*, territory: Territory, json: Json = False) -> None:
    clients = installation.run(_of_territory(territory))
    if json:
        write_json({"clients": [_told(client) for client in clients]})
        return
    for client in clients:
        write_line(f"{client.client_id}  {_state(client):<8}  {client.agency}  {client.label}".rstrip())


@app.command(
    name="change-keys",
    help=say(
        "Remplacer les clés d'un logiciel ; deux à la fois le temps d'en changer.",
        "Replace the keys of a piece of software; two at a time while it changes.",
    ),
)
def change_keys(client_id: ClientId, /, *, territory: Territory, jwk: Jwk) -> None:
    if not installation.run(_change_keys(territory, client_id, _keys(jwk))):
        raise _unknown()


@app.command(
    name="disable",
    help=say(
        "Fermer la porte à un logiciel, pour toujours ; ses jetons cessent aussitôt.",
        "Shut a piece of software out, for good; its tokens stop at once.",
    ),
)
def disable(client_id: ClientId, /, *, territory: Territory) -> None:
    if not installation.run(_disable(territory, client_id)):
        raise _unknown()


def _keys(file: Path) -> str:
    from application.signed_statements import UnusableKeys, public_keys

    try:
        if file.stat().st_size > KEY_FILE_BYTES_MOST:
            raise Failure(f"{file} : trop volumineux", f"{file}: too large")
        return public_keys(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Failure(f"{file} ne se lit pas", f"{file} cannot be read") from error
    except UnusableKeys as error:
        raise Failure(f"{file} : clé inutilisable : {error.reason_fr}", f"{file}: {error}") from None


def _scopes(text: str) -> frozenset[Scope]:
    wanted = {part.strip() for part in text.split(",") if part.strip()}
    if not wanted or wanted - SERVICE_SCOPES:
        known = ", ".join(sorted(SERVICE_SCOPES))
        raise Failure(f"--scopes : parmi {known}", f"--scopes: among {known}", Status.USAGE)
    return frozenset(map(Scope, wanted))


def _unknown() -> Failure:
    return Failure("aucun logiciel ne porte cet identifiant", "no software has this id")


async def _add(client: ServiceClient) -> None:
    async with installation.opened() as here:
        await PostgresServiceClients(here.pool).add(client)


async def _of_territory(territory: str) -> list[ServiceClient]:
    async with installation.opened() as here:
        return list(await PostgresServiceClients(here.pool).of_territory(territory))


async def _change_keys(territory: str, client_id: str, keys: str) -> bool:
    async with installation.opened() as here:
        return await PostgresServiceClients(here.pool).change_keys(territory, client_id, keys)


async def _disable(territory: str, client_id: str) -> bool:
    async with installation.opened() as here:
        return await PostgresServiceClients(here.pool).disable(territory, client_id, SystemClock().now())


def _told(client: ServiceClient) -> dict[str, object]:
    return {
        "client_id": client.client_id,
        "territory": client.territory,
        "agency": client.agency,
        "name": client.label,
        "scopes": sorted(client.scopes),
        "state": _state(client),
        "created_at": client.created_at,
        "disabled_at": client.disabled_at,
    }


def _state(client: ServiceClient) -> str:
    return "active" if client.disabled_at is None else "disabled"
