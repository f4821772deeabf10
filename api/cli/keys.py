"""`unisson keys`: give an agency a key to the API, list the keys of a territory, withdraw one."""

from datetime import timedelta
from typing import Annotated

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.failure import Failure, Status
from api.cli.language import say
from api.cli.output import Agency, Json, Territory, write_json, write_line
from application.access import KEY_SCOPES, USUAL_SCOPES
from application.api_keys import ACTIVE_AT_ONCE, LIFETIME, ApiKey, issue
from domain.clock import SystemClock
from infrastructure.api_keys import PostgresApiKeys

app = group("keys")


@app.command(
    name="create",
    help=say("Donner une clé à un service. Elle ne s'affiche qu'une fois.", "Give an agency a key. It is shown once."),
)
def create(
    *,
    territory: Territory,
    agency: Agency,
    name: Annotated[str, Parameter(help=say("À quoi elle sert.", "What it is for."))] = "",
    days: Annotated[
        int, Parameter(help=say("Durée de validité, 365 jours au plus.", "How long it is valid, at most 365 days."))
    ] = LIFETIME.days,
    addresses: Annotated[
        str,
        Parameter(
            name="--from",
            help=say(
                "Réseaux d'où elle sert, séparés par des virgules ; sinon tous.",
                "Networks that it may be used from, separated by commas; all otherwise.",
            ),
        ),
    ] = "",
    steer: Annotated[
        bool,
        Parameter(
            negative="",
            help=say(
                "Elle pourra aussi changer les règles du territoire.", "It may also change the rules of the territory."
            ),
        ),
    ] = False,
    json: Json = False,
) -> None:
    if not 0 < days <= LIFETIME.days:
        raise Failure(f"--days : de 1 à {LIFETIME.days}", f"--days: from 1 to {LIFETIME.days}")
    try:
        key, token = issue(
            territory=territory,
            agency=agency,
            now=SystemClock().now(),
            label=name,
            lifetime=timedelta(days=days),
            scopes=KEY_SCOPES if steer else USUAL_SCOPES,
            addresses=[part.strip() for part in addresses.split(",") if part.strip()],
        )
    except ValueError as error:
        raise Failure(f"--from : {addresses} n'est pas un réseau", f"--from: {error}", Status.USAGE) from None
    installation.run(_add(key))
    if json:
        write_json(_told(key) | {"key": token})
    else:
        write_line(token)


@app.command(name="list", help=say("Les clés d'un territoire, sans secret.", "A territory's keys, without secret."))
def list_(*, territory: Territory, json: Json = False) -> None:
    keys = installation.run(_of_territory(territory))
    if json:
        write_json({"keys": [_told(key) for key in keys]})
        return
    for key in keys:
        write_line(f"{key.key_id}  {_state(key):<8}  {key.expires_at:%Y-%m-%d}  {key.agency}  {key.label}".rstrip())


@app.command(name="revoke", help=say("Retirer une clé, pour toujours.", "Withdraw a key, for good."))
def revoke(
    key_id: Annotated[str, Parameter(help=say("Ce que donne « keys list ».", 'What "keys list" shows.'))],
    /,
    *,
    territory: Territory,
) -> None:
    if not installation.run(_revoke(territory, key_id)):
        raise Failure("aucune clé ne porte cet identifiant", "no key has this id")


async def _add(key: ApiKey) -> None:
    """Two at most of one name: the one in use, and the one that takes its place."""
    async with installation.opened() as here:
        keys = PostgresApiKeys(here.pool)
        twins = [
            other
            for other in await keys.of_territory(key.territory)
            if (other.agency, other.label) == (key.agency, key.label) and other.is_active(key.created_at)
        ]
        if len(twins) >= ACTIVE_AT_ONCE:
            raise Failure(
                f"{key.agency} a déjà {ACTIVE_AT_ONCE} clés de ce nom : retirez-en une d'abord",
                f"{key.agency} already has {ACTIVE_AT_ONCE} keys of this name: withdraw one first",
            )
        await keys.add(key)


async def _of_territory(territory: str) -> list[ApiKey]:
    async with installation.opened() as here:
        return list(await PostgresApiKeys(here.pool).of_territory(territory))


async def _revoke(territory: str, key_id: str) -> bool:
    async with installation.opened() as here:
        return await PostgresApiKeys(here.pool).revoke(territory, key_id, SystemClock().now())


def _told(key: ApiKey) -> dict[str, object]:
    return {
        "key_id": key.key_id,
        "territory": key.territory,
        "agency": key.agency,
        "name": key.label,
        "scopes": sorted(key.scopes),
        "from": key.addresses,
        "state": _state(key),
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _state(key: ApiKey) -> str:
    if key.revoked_at is not None:
        return "revoked"
    return "expired" if key.expires_at <= SystemClock().now() else "active"
