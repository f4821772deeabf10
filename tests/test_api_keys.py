"""API keys: recognised, stored without their secret, refused within a second of their revocation."""

import zlib
from datetime import UTC, datetime, timedelta

import pytest

from application.access import Scope
from application.api_keys import ApiKey, Gatekeeper, InvalidKey, issue, parse
from domain.clock import SettableClock
from infrastructure.api_keys import PostgresApiKeys
from infrastructure.database import Pool

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def issued(**fields: object) -> tuple[ApiKey, str]:
    given: dict[str, object] = {"territory": "FR-34", "agency": "ccas-montpellier", "now": NOW}
    return issue(**{**given, **fields})  # type: ignore[arg-type]


class Seconds:
    """A monotonic clock that tests move."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def keys(pool: Pool) -> PostgresApiKeys:
    return PostgresApiKeys(pool)


def test_a_token_gives_back_its_key_id_and_its_secret() -> None:
    key, token = issued()
    key_id, secret = parse(token)
    assert key_id == key.key_id
    assert secret not in repr(key)


def test_one_wrong_character_anywhere_is_noticed_without_a_look_up() -> None:
    _, token = issued()
    for place, character in enumerate(token):
        mistyped = token[:place] + ("x" if character != "x" else "y") + token[place + 1 :]
        with pytest.raises(InvalidKey):
            parse(mistyped)


@pytest.mark.parametrize(
    "token", ["", "un_live_", "Basic dXNlcg==", "un_live_" + "é" * 60, "x" * 10_000, "un_live_\x00"]
)
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(InvalidKey):
        parse(token)


async def test_a_stored_key_is_read_back(keys: PostgresApiKeys) -> None:
    key, _ = issued(scopes=frozenset({Scope.READ}), label="nightly export")
    await keys.add(key)
    assert await keys.find(key.key_id) == key
    assert await keys.of_territory("FR-34") == [key]
    assert await keys.of_territory("FR-30") == []


async def test_the_secret_is_nowhere_in_the_table(keys: PostgresApiKeys, pool: Pool) -> None:
    key, token = issued()
    await keys.add(key)
    stored = str(await pool.fetch("SELECT * FROM api_keys"))
    assert key.key_id in stored
    assert parse(token)[1] not in stored


async def test_a_caller_is_identified_by_its_token(keys: PostgresApiKeys) -> None:
    key, token = issued()
    await keys.add(key)
    assert await Gatekeeper(keys, SettableClock(NOW)).identify(token) == key


async def test_a_secret_does_not_open_with_another_key_id(keys: PostgresApiKeys) -> None:
    mine, token = issued()
    theirs, other = issued(agency="mission-locale")
    await keys.add(mine)
    await keys.add(theirs)
    body = f"un_live_{theirs.key_id}_{parse(token)[1]}"
    forged = f"{body}_{zlib.crc32(body.encode()):08x}"
    assert parse(forged)[0] == parse(other)[0]
    with pytest.raises(InvalidKey):
        await Gatekeeper(keys, SettableClock(NOW)).identify(forged)


@pytest.mark.parametrize("live", [True, False])
async def test_a_key_does_not_open_under_the_mark_of_the_other_kind(keys: PostgresApiKeys, live: bool) -> None:
    key, token = issued(live=live)
    await keys.add(key)
    gatekeeper = Gatekeeper(keys, SettableClock(NOW))
    assert (await gatekeeper.identify(token)).live is live
    body = token[:-9].replace("un_live_", "un_test_") if live else token[:-9].replace("un_test_", "un_live_")
    with pytest.raises(InvalidKey):
        await gatekeeper.identify(f"{body}_{zlib.crc32(body.encode()):08x}")


async def test_a_key_stops_working_when_it_expires(keys: PostgresApiKeys) -> None:
    key, token = issued(lifetime=timedelta(days=30))
    await keys.add(key)
    clock = SettableClock(NOW + timedelta(days=30) - timedelta(seconds=1))
    gatekeeper = Gatekeeper(keys, clock)
    assert await gatekeeper.identify(token) == key
    clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidKey):
        await gatekeeper.identify(token)


def test_no_key_lives_longer_than_a_year() -> None:
    key, _ = issued(lifetime=timedelta(days=4000))
    assert key.expires_at == NOW + timedelta(days=365)


async def test_a_revoked_key_is_refused_after_one_second_at_most(keys: PostgresApiKeys) -> None:
    seconds = Seconds()
    gatekeeper = Gatekeeper(keys, SettableClock(NOW), seconds)
    key, token = issued()
    await keys.add(key)
    await gatekeeper.identify(token)

    assert await keys.revoke("FR-34", key.key_id, NOW)
    seconds.now += 0.999
    assert await gatekeeper.identify(token) == key
    seconds.now += 0.001
    with pytest.raises(InvalidKey):
        await gatekeeper.identify(token)


async def test_a_territory_cannot_revoke_the_key_of_another(keys: PostgresApiKeys) -> None:
    key, _ = issued()
    await keys.add(key)
    assert not await keys.revoke("FR-30", key.key_id, NOW)
    assert await keys.find(key.key_id) == key


async def test_the_time_of_last_use_never_moves_backwards(keys: PostgresApiKeys) -> None:
    key, token = issued()
    await keys.add(key)
    clock = SettableClock(NOW)
    gatekeeper = Gatekeeper(keys, clock)
    await gatekeeper.identify(token)
    await gatekeeper.flush()
    await keys.used({key.key_id: NOW - timedelta(hours=1)})

    found = await keys.find(key.key_id)
    assert found is not None
    assert found.last_used_at == NOW


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        ("192.0.2.7", True),
        ("::ffff:192.0.2.7", True),  # The same, through an IPv6 socket.
        ("2001:db8::1", True),
        ("192.0.3.7", False),
        ("2001:db9::1", False),
        ("not-an-address", False),
        (None, False),
    ],
)
async def test_a_key_may_be_kept_to_some_networks(keys: PostgresApiKeys, peer: str | None, allowed: bool) -> None:
    key, token = issued(addresses=["192.0.2.0/24", "2001:db8::/32"])
    await keys.add(key)
    gatekeeper = Gatekeeper(keys, SettableClock(NOW))
    if allowed:
        assert await gatekeeper.identify(token, peer) == key
    else:
        with pytest.raises(InvalidKey):
            await gatekeeper.identify(token, peer)


@pytest.mark.parametrize("network", ["192.0.2.1/24", "somewhere", "192.0.2.0/33"])
def test_what_is_no_network_is_refused(network: str) -> None:
    with pytest.raises(ValueError):
        issued(addresses=[network])
