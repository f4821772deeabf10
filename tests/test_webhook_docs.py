"""The pages about webhooks: their receiver runs, their codes and limits are those of the code."""

import asyncio
import os
import re
import socket
import sqlite3
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from application.message_types import CHALLENGE_MESSAGE
from application.messages import Message
from application.webhook_recoveries import RecoveryState
from application.webhooks import DeliveryState, DisabledReason, EndpointStatus
from domain.ids import uuid7
from infrastructure.outbox import NOT_ECHOED, RETRY_AFTER
from infrastructure.outgoing_http import OutgoingHttp
from infrastructure.webhook_secret import new_secret
from infrastructure.webhooks import ERROR_CODES, Sender, cloud_event
from tests.support.delivering import PUBLIC_URL

DOCS = Path(__file__).parent.parent / "docs"
HOW_TO = (DOCS / "how-to" / "receive-webhooks.md").read_text("utf-8")
REFERENCE = (DOCS / "reference" / "webhooks.md").read_text("utf-8")
UNITS = {"s": "seconds", "min": "minutes", "h": "hours"}


def message() -> Message:
    return Message(
        territory="FR-34",
        message_id=uuid7(),
        agency="ccas-montpellier",
        type="unisson.alert.raised.v1",
        subject_id=uuid7(),
        pathway=uuid7(),
        position=412,
        created_at=datetime.now(UTC),
    )


def challenge() -> Message:
    return msgspec.structs.replace(message(), type=CHALLENGE_MESSAGE, pathway=None, challenge="canary")


async def test_the_receiver_of_the_page_accepts_each_message_once_and_refuses_the_rest(tmp_path: Path) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL)
    (tmp_path / "receiver.py").write_text(program, "utf-8")
    secret, port = new_secret(), free_port()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "receiver.py",
        str(port),
        cwd=tmp_path,
        env=os.environ | {"UNISSON_WEBHOOK_SECRETS": f"{new_secret()} {secret}"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        await listening(port)
        url, told, now = f"http://127.0.0.1:{port}/", message(), datetime.now(UTC)
        async with OutgoingHttp(allow_loopback=True) as http:
            sender = Sender(http, PUBLIC_URL)
            asked = await sender.send(url, challenge(), [secret], now)
            statuses = [
                (await sender.send(url, told, [secret], now)).status,
                (await sender.send(url, told, [secret], now)).status,
                (await sender.send(url, message(), [new_secret()], now)).status,
                (await sender.send(url, message(), [secret], now - timedelta(seconds=301))).status,
            ]
        assert (asked.status, asked.echoed) == (200, "canary")
        assert statuses == [204, 204, 401, 401]
        inbox = sqlite3.connect(tmp_path / "inbox.db")
        assert inbox.execute("SELECT id, body FROM messages").fetchall() == [
            (str(told.message_id), cloud_event(told, PUBLIC_URL))
        ]
        inbox.close()
    finally:
        process.kill()
        await process.wait()


def test_the_example_has_the_fields_that_are_sent() -> None:
    example, asked = re.findall(r"```json\n(.*?)```", REFERENCE, re.DOTALL)
    shown, sent = msgspec.json.decode(example), msgspec.json.decode(cloud_event(message(), PUBLIC_URL))
    assert (shown.keys(), shown["data"].keys()) == (sent.keys(), sent["data"].keys())
    assert shown["dataschema"] == sent["dataschema"]
    sent = msgspec.json.decode(cloud_event(challenge(), PUBLIC_URL))
    assert msgspec.json.decode(asked).keys() == sent["data"].keys()


@pytest.mark.parametrize(
    "code", sorted({*ERROR_CODES.values(), "failed", "endpoint_disabled", "withheld", NOT_ECHOED, "superseded"})
)
def test_every_error_code_is_explained(code: str) -> None:
    assert f"| `{code}` |" in REFERENCE


@pytest.mark.parametrize("name", [state.value for state in DeliveryState])
def test_every_state_is_explained(name: str) -> None:
    assert f"| `{name}` |" in REFERENCE


@pytest.mark.parametrize("name", [each.value for each in (*EndpointStatus, *RecoveryState)])
def test_every_state_of_endpoints_and_recoveries_is_explained(name: str) -> None:
    assert f"`{name}`" in REFERENCE


@pytest.mark.parametrize("reason", [reason.value for reason in DisabledReason])
def test_every_reason_to_disable_is_explained(reason: str) -> None:
    assert f"`{reason}`" in REFERENCE


def test_the_schedule_of_the_page_is_the_one_kept() -> None:
    (row,) = re.findall(r"\| after \|(.*)\|", REFERENCE)
    waits = [cell.split() for cell in row.split("|")]
    assert [timedelta(**{UNITS[unit]: int(number)}) for number, unit in waits] == list(RETRY_AFTER)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def listening(port: int) -> None:
    async with asyncio.timeout(15):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.05)
            else:
                writer.close()
                return
