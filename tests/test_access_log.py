"""Whoever looks at a person's content is written down in the same statement; when that fails, nothing is shown."""

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec
import pytest

from application.access import Caller, Means
from application.access_log import AccessLog, Budget, BudgetExceeded, Seen, Visit
from application.accesses import Accesses
from application.event_log import Commit, LogBusy
from domain.access_log import SEALED_BY, AccessOpened, AccessRefused, MonthExpired, Opened, Register
from domain.aggregate import Event, compartments_of
from domain.clock import SettableClock
from domain.compartments import Compartment, Erased
from domain.erasure import ErasedEvent
from domain.ids import uuid7
from domain.opening import PathwayOpened
from domain.roles import Role
from domain.shares import AccessPurpose
from infrastructure.access_log import LookWriter, PostgresLooks
from infrastructure.append_call import Verdict
from infrastructure.database import Pool
from infrastructure.event_log import PostgresEventLog
from infrastructure.key_file import KeyFile
from infrastructure.key_vault import PostgresKeyVault

NOW = datetime(2026, 3, 31, 22, tzinfo=UTC)
T = "FR-34"
OPENED = frozenset({"pathway.opened"})
GROUND = (Opened(compartment=Compartment.IDENTITY, relation="owner", legal_basis="rgpd-6-1-e"),)
WORKER = Caller(
    territory=T,
    agency="ccas-montpellier",
    agent="agent-7",
    key_id="session-1",
    means=Means.PERSON,
    roles=frozenset({Role.WORKER}),
)


class Rig(NamedTuple):
    pool: Pool
    clock: SettableClock
    vault: PostgresKeyVault
    log: PostgresEventLog
    looks: PostgresLooks
    access_log: AccessLog
    accesses: Accesses

    async def person(self, name: str = "Ada") -> UUID:
        """A person with a pathway of the same id."""
        subject = uuid7()
        opened = PathwayOpened(
            originator_id=subject,
            originator_version=1,
            originator_topic="domain.pathway:Pathway",
            timestamp=self.clock.now(),
            agency="ccas-montpellier",
            territory=T,
            subject=subject,
            on=date(2026, 3, 1),
            given_name=name,
        )
        await self.log.append(T, Commit(stream_id=subject, expected_version=0, events=[opened], subject=subject))
        return subject

    async def look(
        self, subject: UUID, caller: Caller = WORKER, register: Register = Register.ORDINARY, **visit: Any
    ) -> PathwayOpened:
        seen = await self.access_log.look(visit_of(subject, caller, **visit), OPENED, GROUND, register=register)
        [stored] = seen.events
        assert isinstance(stored.event, PathwayOpened)
        return stored.event

    async def topics(self) -> list[str]:
        return [header.topic for header in await self.log.headers(T, after=0)]


def visit_of(subject: UUID, caller: Caller = WORKER, **fields: Any) -> Visit:
    asked: dict[str, Any] = {"compartments": frozenset({Compartment.IDENTITY}), "purpose": AccessPurpose.CONTACT}
    return Visit(caller=caller, subject=subject, stream_id=subject, **asked | fields)


@pytest.fixture
async def rig(database_url: str, pool: Pool) -> AsyncIterator[Rig]:
    clock = SettableClock(NOW)
    vault = PostgresKeyVault(pool, KeyFile({1: bytes(32)}))
    budget = Budget(by_user=3, by_agency=5)
    async with (
        PostgresEventLog(database_url, pool, vault, clock) as log,
        PostgresLooks(database_url, pool, vault, clock, budget) as looks,
    ):
        access_log, accesses = AccessLog(log, looks, vault, clock), Accesses(log, looks, vault, clock)
        yield Rig(pool, clock, vault, log, looks, access_log, accesses)


async def test_a_look_is_written_before_it_is_answered(rig: Rig) -> None:
    ada = await rig.person()
    assert (await rig.look(ada)).given_name == "Ada"
    assert await rig.topics() == ["pathway.opened", "access.opened"]
    [access] = await rig.accesses.accesses_of(T, ada)
    assert (access.agency, access.agent, access.roles, access.means) == (
        "ccas-montpellier",
        "agent-7",
        ("worker",),
        "person",
    )
    assert (access.compartments, access.purpose) == ((Compartment.IDENTITY,), AccessPurpose.CONTACT)
    assert (access.opened, access.refused) == (GROUND, None)
    assert (access.at, access.position) == (NOW, 2)


async def test_only_the_compartments_asked_for_are_opened(rig: Rig) -> None:
    ada = await rig.person()
    opened = await rig.look(ada, compartments=frozenset({Compartment.NOTES}))
    assert opened.given_name == Erased(Compartment.IDENTITY)


async def test_only_the_topics_asked_for_are_read(rig: Rig) -> None:
    ada = await rig.person()
    seen = await rig.access_log.look(visit_of(ada), frozenset({"contact.recorded"}), GROUND)
    assert list(seen.events) == []


async def test_without_its_event_nothing_is_read(rig: Rig) -> None:
    """The statement is one: where the event cannot be appended, no row leaves the database."""
    ada = await rig.person()
    await rig.pool.execute("ALTER TABLE events ADD CONSTRAINT full_disk CHECK (topic <> 'access.opened') NOT VALID")
    with pytest.raises(asyncpg.CheckViolationError):
        await rig.look(ada)
    assert await rig.topics() == ["pathway.opened"]
    await rig.pool.execute("ALTER TABLE events DROP CONSTRAINT full_disk")
    assert (await rig.look(ada)).given_name == "Ada"


async def test_a_refused_version_brings_no_row_and_the_next_try_does(rig: Rig) -> None:
    """Another process wrote in the same stream: the version in mind is stale."""
    ada = await rig.person()
    await rig.look(ada)
    other = AccessLog(rig.log, rig.looks, rig.vault, rig.clock)
    for _ in range(3):
        seen = await other.look(visit_of(ada), OPENED, GROUND)
        assert len(seen.events) == 1
        assert (await rig.look(ada)).given_name == "Ada"
    assert await rig.topics() == ["pathway.opened", *["access.opened"] * 7]


async def test_the_database_itself_hands_out_no_row_of_a_look_that_it_refused(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not merely this process: of four looks in one call, one is of a stale version and one over the budget."""
    people = [await rig.person() for _ in range(4)]
    await rig.look(people[0])
    answers = []
    ask: Any = LookWriter._ask

    class Recording:
        def __init__(self, connection: Any) -> None:
            self._connection = connection

        async def fetchrow(self, *asked: Any, **options: Any) -> Any:
            answers.append(await self._connection.fetchrow(*asked, **options))
            return answers[-1]

    async def recording(writer: LookWriter, connection: Any, *asked: Any) -> list[Verdict]:
        verdicts: list[Verdict] = await ask(writer, Recording(connection), *asked)
        return verdicts

    monkeypatch.setattr(LookWriter, "_ask", recording)
    forgetful = AccessLog(rig.log, rig.looks, rig.vault, rig.clock)
    looks = [forgetful.look(visit_of(person), OPENED, GROUND) for person in people]
    results = await asyncio.gather(*looks, return_exceptions=True)
    assert [type(result) for result in results] == [Seen, Seen, Seen, BudgetExceeded]
    first = answers[0]
    assert first["verdicts"] == [1, 0, 0, 4]
    assert sorted(first["r_command"]) == [2, 3]


async def test_an_answer_lost_on_its_way_shows_nothing(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The event was stored, its rows were lost with the connection: the caller is told to ask again."""
    ada = await rig.person()
    ask = LookWriter._ask
    to_lose = [True]

    async def losing(writer: LookWriter, *asked: Any) -> list[Verdict]:
        verdicts = await ask(writer, *asked)
        if to_lose:
            to_lose.clear()
            asked[2][0].answer.clear()
            raise ConnectionResetError
        return verdicts

    monkeypatch.setattr(LookWriter, "_ask", losing)
    with pytest.raises(LogBusy):
        await rig.look(ada)
    assert await rig.topics() == ["pathway.opened", "access.opened"]
    assert (await rig.look(ada)).given_name == "Ada"


async def test_when_the_database_stays_away_the_caller_is_told_to_come_back(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the event was stored or not: a look may simply be asked for again."""
    ada = await rig.person()

    async def losing(*_: object) -> list[Verdict]:
        raise ConnectionResetError

    monkeypatch.setattr(LookWriter, "_ask", losing)
    monkeypatch.setattr(rig.looks._writer, "_reconnect_seconds_max", 0.1)
    with pytest.raises(LogBusy):
        await rig.look(ada)


async def test_looks_in_flight_are_all_written(rig: Rig) -> None:
    people = [await rig.person(name) for name in ("Ada", "Grace", "Hedy")]
    shown = await asyncio.gather(*(rig.look(person) for person in people * 4))
    assert [each.given_name for each in shown] == ["Ada", "Grace", "Hedy"] * 4
    assert [len(await rig.accesses.accesses_of(T, person)) for person in people] == [4, 4, 4]


# What stands in the log.


async def test_the_person_is_not_named_in_the_log(rig: Rig) -> None:
    """Neither by the person's id nor by the pathway's: what is clear, and what is sealed, holds a pseudonym only."""
    ada = await rig.person()
    await rig.look(ada)
    row = await rig.pool.fetchrow("SELECT * FROM events WHERE topic = 'access.opened'")
    assert row is not None
    assert ada.bytes not in row["header"]
    assert ada not in {row["stream_id"], row["subject"], row["correlation_id"], row["causation_id"]}
    [stored] = await rig.log.read_stream(T, row["stream_id"])
    assert str(ada) not in str(stored)
    assert isinstance(stored.event, AccessOpened)
    seen = await rig.pool.fetch("SELECT person FROM persons_seen")
    assert {each["person"] for each in seen} == {stored.event.person}


@pytest.mark.parametrize("event_type", [AccessOpened, AccessRefused])
def test_every_field_of_an_access_is_sealed_by_the_month_s_key(event_type: type[Event]) -> None:
    assert set(compartments_of(event_type).values()) == {SEALED_BY}


async def test_each_use_of_a_key_that_the_vault_counted_has_its_access(rig: Rig) -> None:
    for _ in range(2):
        await rig.look(await rig.person())
    used = {row["access_event"] for row in await rig.pool.fetch("SELECT access_event FROM vault.uses")}
    opened = [stored.event for stored in await rig.log.page(T, after=0) if isinstance(stored.event, AccessOpened)]
    assert used == {event.access_id for event in opened}
    assert len(used) == 2


async def test_one_person_has_another_pseudonym_each_month(rig: Rig) -> None:
    ada = await rig.person()
    await rig.look(ada)
    rig.clock.advance(timedelta(hours=3))
    await rig.look(ada)
    march, april = await rig.accesses.accesses_of(T, ada)
    assert (march.at.month, april.at.month) == (3, 4)
    assert march.person != april.person


async def test_the_log_survives_the_erasure_of_the_person(rig: Rig) -> None:
    ada = await rig.person()
    await rig.look(ada)
    await rig.vault.destroy(T, ada, list(Compartment))
    assert [access.agency for access in await rig.accesses.accesses_of(T, ada)] == ["ccas-montpellier"]


async def test_a_refusal_is_written_once_a_day(rig: Rig) -> None:
    ada = await rig.person()
    for _ in range(3):
        await rig.access_log.refuse(visit_of(ada), "scope_required")
    rig.clock.advance(timedelta(days=1))
    await rig.access_log.refuse(visit_of(ada), "scope_required")
    accesses = await rig.accesses.accesses_of(T, ada)
    assert [(access.refused, access.opened) for access in accesses] == [("scope_required", ())] * 2


# Reading it back.


async def test_accesses_are_listed_in_order_and_by_agency(rig: Rig) -> None:
    ada, grace = await rig.person(), await rig.person()
    other = msgspec.structs.replace(WORKER, agency="mission-locale")
    await rig.look(ada)
    await rig.look(grace, other)
    await rig.look(ada, other)
    page = await rig.accesses.page(T, after=0, limit=2)
    assert [access.agency for access in page.accesses] == ["ccas-montpellier", "mission-locale"]
    assert page.next_after == page.accesses[-1].position
    rest = await rig.accesses.page(T, after=page.next_after, limit=2)
    assert ([access.agency for access in rest.accesses], rest.next_after) == (["mission-locale"], None)
    theirs = (await rig.accesses.page(T, after=0, limit=10, agency="mission-locale")).accesses
    assert [access.position for access in theirs] == [page.accesses[1].position, rest.accesses[0].position]
    assert {access.person for access in theirs} == {access.person for access in page.accesses}


# How long it is kept.


async def test_a_month_expires_with_its_key_and_leaves_a_trace(rig: Rig) -> None:
    ada = await rig.person()
    await rig.look(ada)
    rig.clock.set(datetime(2027, 3, 31, tzinfo=UTC))
    assert await rig.accesses.expire() == 0
    assert len(await rig.accesses.accesses_of(T, ada)) == 1
    rig.clock.set(datetime(2027, 4, 1, tzinfo=UTC))
    assert await rig.accesses.expire() == 1
    assert await rig.accesses.expire() == 0
    assert await rig.accesses.accesses_of(T, ada) == []
    assert (await rig.accesses.page(T, after=0, limit=10)).accesses == []
    *_, looked, expired = await rig.log.page(T, after=0)
    assert isinstance(looked.event, ErasedEvent)
    assert isinstance(expired.event, MonthExpired)
    assert (expired.event.month, expired.event.register) == ("2026-03", Register.ORDINARY)


async def test_an_expiry_cut_short_is_finished_by_the_next(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the event that tells of it and the destruction of the key."""
    await rig.look(await rig.person())
    rig.clock.set(datetime(2027, 4, 1, tzinfo=UTC))
    with monkeypatch.context() as patch:
        patch.setattr(rig.vault, "destroy", _cut)
        with pytest.raises(ConnectionResetError):
            await rig.accesses.expire()
    assert await rig.accesses.expire() == 1
    assert (await rig.topics()).count("access.month-expired") == 1


async def _cut(*_: object) -> None:
    raise ConnectionResetError


async def test_a_break_glass_access_may_be_kept_longer(rig: Rig) -> None:
    ada = await rig.person()
    kept = {Register.ORDINARY: 12, Register.BREAK_GLASS: 36}
    accesses = Accesses(rig.log, rig.looks, rig.vault, rig.clock, kept)
    await rig.look(ada)
    await rig.look(ada, purpose=AccessPurpose.EMERGENCY, register=Register.BREAK_GLASS)
    assert [access.purpose for access in await accesses.accesses_of(T, ada)] == ["contact", "emergency"]
    rig.clock.set(datetime(2029, 3, 31, tzinfo=UTC))
    assert await accesses.expire() == 1
    assert [access.purpose for access in await accesses.accesses_of(T, ada)] == ["emergency"]


# How many persons in a day.


async def test_a_user_is_stopped_at_the_budget_of_the_day_and_it_is_told_once(rig: Rig) -> None:
    people = [await rig.person() for _ in range(4)]
    for person in people[:3]:
        await rig.look(person)
    for _ in range(2):
        with pytest.raises(BudgetExceeded):
            await rig.look(people[3])
    assert (await rig.look(people[0])).given_name == "Ada"  # Known already: not one more.
    assert await rig.accesses.accesses_of(T, people[3]) == []
    [told] = (await rig.accesses.page(T, after=0, limit=10)).spent
    assert (told.agency, told.agent, told.day, told.persons_most) == ("ccas-montpellier", "agent-7", NOW.date(), 3)
    rig.clock.advance(timedelta(days=1))
    assert (await rig.look(people[3])).given_name == "Ada"


async def test_an_agency_is_stopped_whoever_of_it_asks(rig: Rig) -> None:
    people = [await rig.person() for _ in range(6)]
    for number, person in enumerate(people[:5]):
        await rig.look(person, msgspec.structs.replace(WORKER, agent=f"agent-{number}"))
    with pytest.raises(BudgetExceeded):
        await rig.look(people[5], msgspec.structs.replace(WORKER, agent="agent-9"))
    assert (await rig.look(people[5], msgspec.structs.replace(WORKER, agency="siao-34"))).given_name == "Ada"
    [told] = (await rig.accesses.page(T, after=0, limit=10)).spent
    assert (told.agent, told.persons_most) == (None, 5)


async def test_software_does_not_get_a_budget_for_each_name_that_it_gives(rig: Rig) -> None:
    """Who acts is proved by a session, or on somebody's behalf; else it is what the software says."""
    people = [await rig.person() for _ in range(4)]
    software = msgspec.structs.replace(WORKER, means=Means.SERVICE, roles=frozenset(), key_id="client-1")
    named = [msgspec.structs.replace(software, agent=f"agent-{number}") for number in range(4)]
    for person, caller in zip(people[:3], named, strict=False):
        await rig.look(person, caller)
    with pytest.raises(BudgetExceeded):
        await rig.look(people[3], named[3])
    on_behalf = msgspec.structs.replace(named[3], roles=frozenset({Role.WORKER}))
    assert (await rig.look(people[3], on_behalf)).given_name == "Ada"


async def test_what_could_not_be_told_is_told_the_next_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    people = [await rig.person() for _ in range(4)]
    for person in people[:3]:
        await rig.look(person)

    async def busy(*_: object) -> None:
        raise LogBusy

    with monkeypatch.context() as patch:
        patch.setattr(rig.log, "append", busy)
        with pytest.raises(LogBusy):
            await rig.look(people[3])
    with pytest.raises(BudgetExceeded):
        await rig.look(people[3])
    assert len((await rig.accesses.page(T, after=0, limit=10)).spent) == 1


async def test_a_budget_holds_when_everybody_asks_at_once(database_url: str, rig: Rig) -> None:
    """In two processes: neither finds room for one more than there is."""
    people = [await rig.person() for _ in range(10)]
    async with PostgresLooks(database_url, rig.pool, rig.vault, rig.clock, Budget(by_user=3, by_agency=5)) as looks:
        other = AccessLog(rig.log, looks, rig.vault, rig.clock)
        asked = [log.look(visit_of(person), OPENED, GROUND) for log in (rig.access_log, other) for person in people]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert {type(answer) for answer in answers} == {Seen, BudgetExceeded}
    shown = {person for person in people if await rig.accesses.accesses_of(T, person)}
    assert len(shown) == 3


async def test_the_budget_is_that_of_a_plain_model(rig: Rig) -> None:
    """Anybody looks at anybody, on any day: refused when, and only when, it would be one person too many."""
    chance = random.Random(5)  # noqa: S311
    statement = "SELECT see_person($1, $2, $3, ARRAY[$4, $5], ARRAY[$6, $7]::integer[])"
    for territory in ("FR-30", "FR-48", "FR-66"):
        seen: dict[tuple[date, str], set[str]] = {}
        by_user, by_agency = chance.randint(1, 4), chance.randint(3, 8)
        verdicts = set()
        for _ in range(150):
            day = NOW.date() + timedelta(days=chance.randrange(2))
            agency, person = chance.choice("ab"), chance.choice("uvwxyz")
            user = f"{agency}/{chance.choice('12')}"
            answer = await rig.pool.fetchval(statement, territory, day, person, user, agency, by_user, by_agency)
            full = [
                person not in seen.setdefault((day, who), set()) and len(seen[day, who]) >= most
                for who, most in ((user, by_user), (agency, by_agency))
            ]
            assert answer == (full.index(True) + 1 if any(full) else 0)
            verdicts.add(answer)
            if not any(full):
                seen[day, user].add(person)
                seen[day, agency].add(person)
        assert {0, 1} <= verdicts


async def test_what_no_longer_counts_is_forgotten(rig: Rig) -> None:
    for _ in range(3):
        await rig.look(await rig.person())
        rig.clock.advance(timedelta(days=1))
    await rig.accesses.expire()
    days = await rig.pool.fetch("SELECT DISTINCT day FROM persons_seen")
    assert [row["day"] for row in days] == [(NOW + timedelta(days=2)).date()]
