"""A mail host reads everything that passes: over the whole service, no mail says whom or what it is about."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.alert import Recipient, Role, Sees
from domain.clock import SettableClock
from domain.roles import Role as Office
from tests.support.alerted import alerts_of, raised, unanswered
from tests.support.eventually import becomes
from tests.support.mail_server import HOST, MailServer, html_of, text_of
from tests.support.mailing import code_in
from tests.support.service import CCAS, HOUSING, MISSION_LOCALE, NOW, Agency, Service, running

NOTICED = "cpam-herault"
PERSON = {
    "given_name": "Canarigivenname",
    "family_name": "Canarifamilyname",
    "birth_date": "1987-06-05",
    "phone": "+33 6 98 76 54 32",
    "email": "canari.mail@example.org",
    "address": "12 rue du Canariaddress",
}
NOTE = "Canarinote"
COMMUNE = "34172"
SECRET = (*PERSON.values(), NOTE, COMMUNE, HOUSING, "housing", "logement", "referral")


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(
    database_url: str, tmp_path: Path, clock: SettableClock, server: MailServer
) -> AsyncIterator[Service]:
    chosen: dict[str, Any] = {
        "smtp_host": HOST,
        "smtp_port": server.port,
        "smtp_security": "none",
        "mail_from": "unisson@unisson.example",
    }
    async with running(database_url, tmp_path, clock=clock, chosen=chosen) as service:
        yield service


async def written_to(agency: Agency, server: MailServer, address: str) -> None:
    """Register a mailbox and confirm it."""
    before = len(server.mails)
    made = await agency.command("/v1/mailboxes", {"address": address})
    assert made.status_code == 201, made.text
    await becomes(lambda: len(server.mails) > before)
    done = await agency.command(f"/v1/mailboxes/{made.json()['id']}/confirmations", {"code": code_in(server)})
    assert done.status_code == 200, done.text


async def test_no_mail_says_whom_or_what_it_is_about(
    service: Service, server: MailServer, clock: SettableClock
) -> None:
    ccas, mission, noticed = [await service.agency(name) for name in (CCAS, MISSION_LOCALE, NOTICED)]
    for agency, address in ((ccas, "ccas@x.example"), (mission, "mission@x.example"), (noticed, "cpam@x.example")):
        await written_to(agency, server, address)
    codes = len(server.mails)
    pathway, _ = await unanswered(ccas, clock)
    worker = await service.person(Office.WORKER, agency=CCAS)
    corrected = await worker.command(f"{pathway}/identity-corrections", PERSON, If_Match="*")
    assert corrected.status_code in {200, 201}, corrected.text
    noted = await worker.command(f"{pathway}/contacts", {"channel": "phone", "note": NOTE})
    assert noted.status_code == 201, noted.text
    [alert] = await alerts_of(ccas)
    urgent = await raised(
        service,
        pathway,
        Recipient(CCAS, Role.ACTING, Sees.CONTENT),
        Recipient(NOTICED, Role.ABLE_TO_ACT, Sees.NOTICE),
        severity="critical",
    )
    await becomes(lambda: len(server.mails) >= codes + 2)
    clock.set(await service.runtime.pool.fetchval("SELECT min(next_digest_at) FROM mailboxes") + timedelta(minutes=1))
    await becomes(lambda: len(server.mails) >= codes + 4)
    mails = server.mails[codes:]
    kinds = sorted((mail["To"], "urgent" in mail["Subject"]) for mail in mails)
    assert kinds == [
        ("ccas@x.example", False),
        ("ccas@x.example", True),
        ("cpam@x.example", True),
        ("mission@x.example", False),
    ]
    about = {pathway.rpartition("/")[2], *re.findall(r"R-\w+", (await ccas.get(pathway)).text)}
    for mail in mails:
        said = "\n".join([*(f"{name}: {value}" for name, value in mail.items()), text_of(mail), html_of(mail)])
        assert not [secret for secret in (*SECRET, *about) if secret.lower() in said.lower()]
        ids = set(re.findall(r"v1/alerts/([0-9a-f-]{36})", said))
        assert ids <= {alert["id"], urgent}
        assert ids
    rows = await service.runtime.pool.fetch(
        "SELECT m::text AS row FROM mails AS m UNION ALL SELECT i::text FROM mail_items AS i "
        "UNION ALL SELECT b::text FROM mailboxes AS b UNION ALL SELECT o::text FROM outbox AS o"
    )
    clear = [secret for secret in (*PERSON.values(), NOTE, HOUSING, "x.example") if secret in str(rows)]
    assert clear == []
