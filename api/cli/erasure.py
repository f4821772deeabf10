"""`unisson erasure`: erase a person, see how far each erasure is, take the certificate."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from cyclopts import Parameter

from api.cli import installation
from api.cli.command_line import group
from api.cli.files import write_document
from api.cli.language import say
from api.cli.output import Agency, Agent, Json, Territory, write_json, write_line
from domain.person_erasure import ErasureGround

if TYPE_CHECKING:
    from api.runtime import Runtime
    from application.certificates import Certificate
    from domain.person_erasure import Erasure

app = group("erasure")
TURNS = 3
"""The views are brought up to date at most so often while one waits."""

Pathway = Annotated[UUID, Parameter(help=say("L'identifiant du parcours.", "The pathway's id."))]
ErasureId = Annotated[UUID, Parameter(help=say("Ce que donne « erasure list ».", 'What "erasure list" shows.'))]
AtOnce = Annotated[
    bool,
    Parameter(
        name="--at-once",
        negative="",
        help=say(
            "Détruire la clé sans attendre : les sauvegardes plus anciennes deviennent illisibles, pour tous.",
            "Destroy the key without waiting: older backups become unreadable, for everybody.",
        ),
    ),
]


@app.command(
    name="request",
    help=say("Effacer une personne, pour toujours.", "Erase a person, for good."),
)
def request(
    pathway: Pathway,
    /,
    *,
    territory: Territory,
    agency: Agency,
    ground: Annotated[ErasureGround, Parameter(help=say("Pourquoi.", "Why."))] = ErasureGround.PERSON_ASKED,
    agent: Agent = None,
    json: Json = False,
) -> None:
    _show(installation.run(_request(territory, pathway, ground, agency, agent)), json=json)


@app.command(
    name="run",
    help=say("Faire avancer tous les effacements commencés.", "Carry on with every erasure that was begun."),
)
def run(*, at_once: AtOnce = False, json: Json = False) -> None:
    found = installation.run(_run_all(at_once=at_once))
    if json:
        write_json({"erasures": [_told(erasure) for erasure in found]})
        return
    for erasure in found:
        write_line(_line(erasure))


@app.command(name="list", help=say("Les effacements d'un territoire.", "The erasures of a territory."))
def list_(*, territory: Territory, json: Json = False) -> None:
    rows = installation.run(_list(territory))
    if json:
        write_json({"erasures": rows})
        return
    for row in rows:
        state = "refused" if row["refused"] else row["step"]
        write_line(f"{row['erasure']}  {state:<20}  {row['ground']:<18}  {row['pathway_id']}")


@app.command(
    name="certificate",
    help=say("L'attestation d'un effacement, en JSON.", "The certificate of an erasure, as JSON."),
)
def certificate(
    erasure: ErasureId,
    /,
    *,
    territory: Territory,
    output: Annotated[
        Path | None, Parameter(help=say("Fichier ; sinon la sortie standard.", "File; standard output otherwise."))
    ] = None,
) -> None:
    write_document(output, installation.run(_certificate(territory, erasure)))


async def _request(
    territory: str, pathway_id: UUID, ground: ErasureGround, agency: str, agent: str | None
) -> "Erasure":
    async with installation.up_to_date() as runtime:
        pathway = await runtime.rights.read(territory, pathway_id)
        erasure = await runtime.erasures.request(pathway, ground, agency=agency, agent=agent)
        return await _advance(runtime, territory, erasure.id, at_once=False)


async def _run_all(*, at_once: bool) -> "list[Erasure]":
    from projections.erasures import unfinished

    async with installation.up_to_date() as runtime:
        async with runtime.pool.acquire() as db:
            begun = await unfinished(db)
        return [await _advance(runtime, one.territory, one.erasure_id, at_once=at_once) for one in begun]


async def _advance(runtime: "Runtime", territory: str, erasure_id: UUID, *, at_once: bool) -> "Erasure":
    """A server that follows brings the views up to date by itself; without one it is done here."""
    from domain.person_erasure import Step

    erasure = await runtime.erasures.advance(territory, erasure_id, at_once=at_once)
    for _ in range(TURNS):
        if erasure.next_step is not Step.PROJECTIONS_PURGED:
            break
        await runtime.follower.catch_up()
        erasure = await runtime.erasures.advance(territory, erasure_id, at_once=at_once)
    await runtime.follower.catch_up()
    return erasure


async def _list(territory: str) -> list[dict[str, Any]]:
    import msgspec

    from projections.erasures import erasures

    async with installation.up_to_date() as runtime, runtime.pool.acquire() as db:
        rows, after = [], 0
        while page := await erasures(db, territory, after=after):
            rows += [msgspec.structs.asdict(row) for row in page]
            after = page[-1].position
        return rows


async def _certificate(territory: str, erasure_id: UUID) -> "Certificate":
    from application.certificates import certificate_of

    async with installation.composed() as runtime:
        return certificate_of(territory, await runtime.erasures.read(territory, erasure_id))


def _show(erasure: "Erasure", *, json: bool) -> None:
    if json:
        write_json(_told(erasure))
    else:
        write_line(_line(erasure))


def _line(erasure: "Erasure") -> str:
    return f"{erasure.id}  {_state(erasure):<20}  {erasure.pathway}"


def _state(erasure: "Erasure") -> str:
    if erasure.refused_for is not None:
        return "refused"
    return str(list(erasure.done)[-1])


def _told(erasure: "Erasure") -> dict[str, object]:
    return {
        "erasure": erasure.id,
        "pathway_id": erasure.pathway,
        "ground": erasure.ground,
        "state": _state(erasure),
        "level": erasure.level,
        "unreadable_due": erasure.unreadable_due,
    }
