"""One backtest in a process of its own, so that the service goes on answering: started by `api.backtest_runner`.

Reads what to do from its standard input, as JSON; writes how far it is, line by line, and the table on the last line.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path

import msgspec

import domain.catalogue  # noqa: F401 (registers every event type that the log may hold)
from api.cli.failure import tell_bug
from application.backtest.histories import histories_of_log
from application.backtest.jobs import Asked
from application.backtest.run import Backtest, Period
from application.facts_export import pathways_of
from application.rulebook import shipped_rules
from application.rulebooks import Rulebooks
from application.rules_in_force import RulesInForce
from domain.clock import SystemClock
from domain.rulebook import rules_in_force
from domain.rules import Calendars, parse_rules
from domain.rules.instants import instant_of
from infrastructure.database import create_pool
from infrastructure.event_log import PostgresEventLog
from infrastructure.settings import Settings
from infrastructure.vault import open_vault

TOLD_EVERY = 50
"""Pathways."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """Never on the command line, which others may read."""

    url: str
    pgbouncer: bool
    key_encryption_key: str
    vault_url: str | None
    vault_database_url: str | None
    vault_token: str
    asked: Asked

    def settings(self) -> Settings:
        """Those that the vault is found by."""
        return Settings(
            data_dir=Path(self.key_encryption_key).parent,
            kek_file=Path(self.key_encryption_key),
            vault_url=self.vault_url,
            vault_database_url=self.vault_database_url,
            vault_token_file=Path(self.vault_token),
        )


class Far(msgspec.Struct, frozen=True, tag="far"):
    """How many pathways are done, of how many."""

    done: int
    pathways: int


def main() -> int:
    """1 when it could not be done: the error output then says where, never what with."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    try:
        asyncio.run(_carry_out(order))
    except Exception as error:  # noqa: BLE001 (the last line of defence: a message may quote personal data)
        tell_bug(error)
        return 1
    return 0


async def _carry_out(order: Order) -> None:
    asked = order.asked
    calendars = Calendars()
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(create_pool(order.url, pgbouncer=order.pgbouncer, max_size=2))
        vault = await stack.enter_async_context(open_vault(order.settings(), pool))
        log = await stack.enter_async_context(PostgresEventLog(order.url, pool, vault.keys, pgbouncer=order.pgbouncer))
        rulebooks = Rulebooks(log, SystemClock(), RulesInForce(shipped_rules()))
        rulebook = await rulebooks.read(asked.territory, until_position=asked.known_at)
        trial = Backtest(
            parse_rules([msgspec.json.decode(asked.document)]),
            calendars,
            calendars.of(asked.territory),
            asked.mode,
            Period(None if asked.since is None else instant_of(asked.since), instant_of(asked.until)),
            rules_in_force(shipped_rules(), rulebook.versions.values()),
        )
        ids = await pathways_of(log, asked.territory, asked.known_at)
        _tell(Far(0, len(ids)))
        done = 0
        async for history in histories_of_log(log, asked.territory, ids, asked.known_at):
            trial.add(history)
            done += 1
            if done % TOLD_EVERY == 0:
                _tell(Far(done, len(ids)))
        sys.stdout.buffer.write(msgspec.json.encode(trial.table(asked.known_at)) + b"\n")


def _tell(far: Far) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(far) + b"\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
