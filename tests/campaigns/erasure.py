"""An erased person is nowhere: a canary in every field, five agencies, webhooks, then kill -9 at every step.

    python -m tests.campaigns.erasure [--kills 20]

Searches the database's files, its write-ahead log, a dump, the keys' folder, what was sent and everything printed, for
each canary and for the bytes of each key, clear or able to unwrap. A control written in clear on purpose must be found.
"""

import argparse
import asyncio
import base64
import os
import re
import secrets
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import msgspec

from api.demo.receiver import Receiver
from application.erasure import Erasures
from application.event_log import Commit
from application.pathways import fold
from domain.aggregate import Event
from domain.clock import SettableClock
from domain.command import Command
from domain.compartments import Compartment
from domain.ids import uuid7
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.person_erasure import Erasure, Level, PersonErased, Step
from domain.rights import Measure
from domain.roles import Role
from infrastructure.database import Pool, create_pool
from infrastructure.embedded_postgres import EmbeddedPostgres
from infrastructure.key_file import KeyFile
from infrastructure.migrate import migrate
from tests.campaigns.canaries import CONTROL, _files, _run
from tests.support.endpoints import verify
from tests.support.erasing import Scene, scene
from tests.support.following import TERRITORY
from tests.support.passing_folder import passing_folder
from tests.support.pathways import BIRTH, CCAS, FRANCE_TRAVAIL, MISSION_LOCALE, NOW, SIAO, act_of, ago
from tests.support.service import Service, running
from tests.support.stories import EVENTFUL

FIFTH = "cpam-34"
AGENCIES = (CCAS, MISSION_LOCALE, SIAO, FRANCE_TRAVAIL, FIFTH)
IDENTITY = ("given_name", "family_name", "phone", "email", "address")
TEXTS = ("note", "reason", "motive")
KEYS = "SELECT compartment, wrapped FROM vault.keys WHERE subject = $1 AND wrapped IS NOT NULL"
TO_DIE = tuple(step for step in Step if step is not Step.REQUESTED)


class Searched(msgspec.Struct):
    """What was looked for, where, and what turned up."""

    canaries: int
    keys: int
    files: int
    bytes: int
    hits: list[str]
    control_found_in: list[str]
    keys_found_before: int
    """Places where the same search found a key before the erasure: the key file, at least."""
    messages: int
    """Sent to partners before and after the erasure."""
    wrapped_left: int
    """Files with a wrapped key of the person's: harmless, what unwraps it being gone."""
    leaves_unchanged: bool
    replays: bool

    @property
    def passed(self) -> bool:
        """Nothing turned up, of what a search that can find would have found."""
        seeing = self.canaries and self.keys and self.control_found_in and self.keys_found_before
        return bool(seeing) and not self.hits and self.leaves_unchanged and self.replays


class Killed(msgspec.Struct):
    """What became of erasures whose process was killed."""

    planned: int
    kills: int
    finished: int
    faults: list[str]

    @property
    def passed(self) -> bool:
        """Zero faults of zero kills is a failure."""
        return not self.faults and 0 < self.planned == self.kills == self.finished


class Canaries:
    """Words that are nowhere else, one for each use."""

    def __init__(self) -> None:
        self.words: list[str] = []

    def new(self) -> str:
        self.words.append(f"Kanarie{secrets.token_hex(8)}")
        return self.words[-1]

    def in_all_texts(self, command: Command | Measure) -> Command | Measure:
        """The same command, with a canary in each free text that it has."""
        given = {name: self.new() for name in TEXTS if type(getattr(command, name, None)) is str}  # No code.
        return msgspec.structs.replace(command, **given)


async def lived(service: Service, canaries: Canaries) -> Pathway:
    """A pathway in which everything happens, five agencies take part, and every text is a canary."""
    log = service.runtime.log
    identity = {name: canaries.new() for name in IDENTITY}
    opening = OpenPathway(on=ago(60), birth_date=BIRTH, **identity)
    pathway = open_pathway(opening, TERRITORY, act_of(), uuid7(), uuid7())
    await _append(service, pathway)
    for agency, command in _story():
        canaries.in_all_texts(command).decide(pathway, act_of(agency))
        await _append(service, pathway)
    opened = fold(None, await log.read_stream(TERRITORY, pathway.id))
    assert isinstance(opened, Pathway)
    return opened


def _story() -> Iterator[tuple[str, Command | Measure]]:
    from domain.consent import GiveConsent, Purpose
    from domain.opening import CorrectIdentity

    for agency in AGENCIES[3:]:
        yield CCAS, GiveConsent(purpose=Purpose.CONTACT, to_agency=agency, on=ago(59), note="?", id=uuid7())
    for agency, command in EVENTFUL:
        if not isinstance(command, CorrectIdentity):
            yield agency, command


async def _append(service: Service, pathway: Pathway) -> None:
    events = [event for event in pathway.collect_events() if isinstance(event, Event)]
    commit = Commit(
        stream_id=pathway.id,
        expected_version=pathway.version - len(events),
        events=events,
        subject=pathway.subject,
    )
    await service.runtime.log.append(TERRITORY, commit)


async def used(service: Service, pathway: Pathway, receiver: Receiver) -> None:
    """What leaves traces: webhooks, a snapshot, an opened content, an answer to the person, the views."""
    runtime = service.runtime
    for agency in AGENCIES:
        endpoint = await runtime.webhooks.register(TERRITORY, agency, f"{receiver.url}/{agency}", (), NOW)
        receiver.secrets.append(endpoint.secret)
        await verify(runtime.pool, runtime.webhooks, endpoint)
    await runtime.follower.caught_up(TERRITORY, await runtime.log.head(TERRITORY), 30)
    place = f"/v1/pathways/{pathway.id}"
    worker, dpo = await service.person(Role.CARE_WORKER), await service.person(Role.DPO, agency="dpd-34")
    for client, query in ((worker, "identity,health&purpose=accompaniment"), (dpo, "notes&purpose=rights")):
        answer = await client.get(f"{place}/contents?compartments={query}")
        assert answer.status_code == 200, answer.text
    prepared = await dpo.command(f"{place}/subject-access")
    page = await dpo.get(prepared.headers["location"], headers={"Accept": "text/html"})
    assert page.status_code == 200, page.text


async def erased(service: Service, pathway: Pathway) -> Erasure:
    dpo = await service.person(Role.DPO, agency="dpd-34")
    asked = await dpo.command(f"/v1/pathways/{pathway.id}/erasures", {"ground": "person_asked"})
    assert asked.status_code == 202, asked.text
    erasure_id = UUID(asked.json()["id"])
    for _ in range(600):
        erasure = await service.runtime.erasures.advance(TERRITORY, erasure_id, at_once=True)
        if erasure.level is Level.UNREADABLE:
            return erasure
        await asyncio.sleep(0.05)
    raise SystemExit(f"the erasure stopped at {erasure.next_step}")


async def played(folder: Path) -> Searched:
    """All of it in one process, on a database of its own under `folder`; then the search."""
    cluster, data = folder / "cluster", folder / "data"
    cluster.mkdir(mode=0o711)
    data.mkdir()
    canaries, receiver = Canaries(), Receiver()
    async with EmbeddedPostgres(cluster) as server, receiver:
        serving = running(server.url, data, clock=SettableClock(NOW), allow_loopback=True)
        async with serving as service, create_pool(server.url) as pool:
            pathway = await lived(service, canaries)
            await used(service, pathway, receiver)
            assert pathway.subject is not None
            keyring = (await service.runtime.vault.keys.keyrings(TERRITORY, [pathway.subject], fresh=True))[
                pathway.subject
            ]
            wrapped = [row["wrapped"] for row in await pool.fetch(KEYS, pathway.subject)]
            wrapping = list(KeyFile.load(data / "keys" / "kek").keys.values())
            keys = [key.secret for key in keyring.values()] + wrapping
            keys_found_before = len(search(data, [], keys).hits)
            leaves = await pool.fetch("SELECT position, leaf FROM events ORDER BY position")
            await erased(service, pathway)
            after = await pool.fetch("SELECT position, leaf FROM events WHERE position <= $1 ORDER BY 1", len(leaves))
            replays = fold(None, await service.runtime.log.read_stream(TERRITORY, pathway.id))
            await receiver_heard(receiver)
            await pool.execute(f"CREATE TABLE control AS SELECT '{CONTROL}' AS clear")
            dump = await asyncio.to_thread(_run, "pg_dump", server.url, "--enable-row-security")
            (folder / "dump.sql").write_bytes(dump)
    (folder / "sent").write_bytes(b"\n".join(delivery.body for delivery in receiver.deliveries))
    assert len(keyring) == len(Compartment)
    searched = search(folder, [word.encode() for word in canaries.words], keys)
    searched.keys_found_before = keys_found_before
    searched.messages = len(receiver.deliveries)
    searched.wrapped_left = len({name for name, _ in found(folder, wrapped)})
    searched.leaves_unchanged = leaves == after
    searched.replays = isinstance(replays, Pathway) and replays.erased
    return searched


async def receiver_heard(receiver: Receiver) -> None:
    """Until each agency was told that the pathway is gone."""
    for _ in range(1_200):
        if sum(b"unisson.person.erased.v1" in delivery.body for delivery in receiver.deliveries) >= len(AGENCIES):
            return
        await asyncio.sleep(0.05)
    raise SystemExit("the agencies were not told")


def search(folder: Path, words: Sequence[bytes], keys: Sequence[bytes]) -> Searched:
    """Bytes of every file, whatever it is; keys raw, in hexadecimal and in base64."""
    forms = [form for key in keys for form in (key, key.hex().encode(), base64.b64encode(key).rstrip(b"="))]
    searched = Searched(len(words), len(keys), 0, 0, [], [], 0, 0, 0, leaves_unchanged=False, replays=False)
    for path in _files(folder):
        searched.files += 1
        searched.bytes += path.stat().st_size
    searched.hits = [f"{name}: {number}" for name, number in found(folder, [*words, *forms])]
    searched.control_found_in = sorted({name for name, _ in found(folder, [CONTROL.encode()])})
    return searched


def found(folder: Path, words: Sequence[bytes]) -> list[tuple[str, int]]:
    """(file, number of the word) of each word that is somewhere."""
    pattern = re.compile(b"|".join(map(re.escape, words)))
    number = {word: place for place, word in enumerate(words)}
    return [
        (str(path.relative_to(folder)), number[word])
        for path in _files(folder)
        for word in sorted(set(pattern.findall(path.read_bytes())))
    ]


def search_campaign() -> Searched:
    with (
        passing_folder("unisson-erasure-") as folder,
        (folder / "printed").open("w") as printed,
        redirect_stdout(printed),
        redirect_stderr(printed),
    ):
        return asyncio.run(played(folder))


def die_at(erasures: Erasures, step: Step, *, after: bool) -> None:
    """Let the process kill itself when it comes to a step: before, or once it is carried out and not yet recorded."""
    steps = dict(erasures._steps)
    carry_out = steps[step]

    async def killed(turn: Any) -> bool:
        if not after or await carry_out(turn):
            os.kill(os.getpid(), signal.SIGKILL)
        return False

    erasures._steps = steps | {step: killed}


async def to_be_killed(url: str, folder: Path, erasure_id: UUID, step: Step, *, after: bool) -> None:
    """What the process that dies does."""
    async with create_pool(url) as pool, scene(url, pool, folder) as here:
        die_at(here.erasures, step, after=after)
        await here.erasures.advance(TERRITORY, erasure_id, at_once=True)


async def kill_and_go_on(url: str, pool: Pool, here: Scene, folder: Path, step: Step, *, after: bool) -> list[str]:
    """Erase somebody, killed at a step, then gone on with; what is wrong afterwards."""
    person = await here.live()
    erasure_id = (await here.ask(person)).id
    place = (url, str(folder), str(erasure_id), step.value, "after" if after else "before")
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.campaigns.erasure", "--die", *place)
    status = await process.wait()
    faults = [] if status == -signal.SIGKILL else [f"{step}: it ended with {status} and was not killed"]
    await here.erasures.advance(TERRITORY, erasure_id, at_once=True)
    return faults + [f"{step}: {fault}" for fault in await faults_of(here, pool, person, erasure_id)]


async def faults_of(here: Scene, pool: Pool, person: UUID, erasure_id: UUID) -> list[str]:
    """What an erasure that is over must not leave."""
    erasure = await here.erasures.read(TERRITORY, erasure_id)
    await here.catch_up()
    history = await here.place.log.read_stream(TERRITORY, person)
    said = [stored for stored in history if isinstance(stored.event, PersonErased)]
    unpruned = await pool.fetchval(
        "SELECT count(*) FROM events WHERE subject = $1 AND payload IS NOT NULL AND topic <> 'person.erased'",
        erasure.subject,
    )
    told = await pool.fetchval("SELECT count(*) FROM outbox WHERE subject_id = $1", person)
    checks = {
        "not certified": erasure.level is Level.UNREADABLE,
        "steps out of order": list(erasure.done) == list(Step),
        "a step recorded twice": erasure.version == len(Step),
        "said more than once": len(said) == 1,
        "left in a view": await here.rows_of(person) == {},
        "payloads left": unpruned == 0,
        "not told once each": told == len(erasure.recipients),
    }
    return [fault for fault, fine in checks.items() if not fine]


async def kill_campaign(times: int) -> Killed:
    """kill -9 before and after each step."""
    places = [(step, after) for _ in range(times) for step in TO_DIE for after in (False, True)]
    killed = Killed(len(places), 0, 0, [])
    with passing_folder("unisson-erasure-") as folder:
        async with EmbeddedPostgres(folder, durable=False) as server:
            connection = await asyncpg.connect(server.url)
            await migrate(connection)
            await connection.close()
            async with create_pool(server.url) as pool, scene(server.url, pool, folder) as here:
                for step, after in places:
                    faults = await kill_and_go_on(server.url, pool, here, folder, step, after=after)
                    killed.kills += 1
                    killed.finished += not faults
                    killed.faults += faults
    return killed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=20, help="how often at each of the places")
    parser.add_argument("--die", nargs=5, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.die:
        url, folder, erasure_id, step, when = arguments.die
        asyncio.run(to_be_killed(url, Path(folder), UUID(erasure_id), Step(step), after=when == "after"))
        return 1
    searched, killed = search_campaign(), asyncio.run(kill_campaign(arguments.kills))
    for result in (searched, killed):
        sys.stdout.write(msgspec.json.encode(result).decode() + "\n")
    return 0 if searched.passed and killed.passed else 1


if __name__ == "__main__":
    sys.exit(main())
