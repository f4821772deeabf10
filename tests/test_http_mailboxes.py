"""Mailboxes over HTTP: registered, confirmed by the code that was mailed, chosen, left; and no mail says anything."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from application.access import Scope
from application.mail import CODE_TRIES_MAX, CODES_MAX, MAILBOXES_MAX
from tests.support.eventually import becomes
from tests.support.mail_server import HOST, MailServer, text_of
from tests.support.mailing import code_in
from tests.support.service import MISSION_LOCALE, Agency, Service, running

MAILBOXES = "/v1/mailboxes"
ADDRESS = "equipe@ccas.example"


@pytest.fixture(scope="module")
async def mail_server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture
def server(mail_server: MailServer) -> MailServer:
    """With nothing of the test before."""
    mail_server.mails.clear()
    mail_server.to.clear()
    return mail_server


@pytest.fixture(scope="module")
async def service(
    module_database_url: str, tmp_path_factory: pytest.TempPathFactory, mail_server: MailServer
) -> AsyncIterator[Service]:
    chosen = {
        "smtp_host": HOST,
        "smtp_port": mail_server.port,
        "smtp_security": "none",
        "mail_from": "Unisson <unisson@unisson.example>",
        "public_url": "https://unisson.example",
    }
    async with running(module_database_url, tmp_path_factory.mktemp("service"), chosen=chosen) as service:
        yield service


@pytest.fixture
async def name() -> str:
    """Of an agency that no other test knows."""
    return f"ccas-{uuid4()}"


@pytest.fixture
async def ccas(service: Service, name: str) -> Agency:
    return await service.agency(name)


async def registered(agency: Agency, address: str = ADDRESS, **preferences: Any) -> str:
    """Its place."""
    answer = await agency.command(MAILBOXES, {"address": address} | preferences)
    assert answer.status_code == 201, answer.text
    return f"{MAILBOXES}/{answer.json()['id']}"


async def confirmed(agency: Agency, server: MailServer) -> str:
    mails = len(server.mails)
    place = await registered(agency)
    await becomes(lambda: len(server.mails) > mails)
    answer = await agency.command(f"{place}/confirmations", {"code": code_in(server)})
    assert answer.status_code == 200, answer.text
    return place


async def test_a_mailbox_is_registered_confirmed_and_read(ccas: Agency, server: MailServer) -> None:
    place = await registered(ccas, audience="lead", digest_hour=9, days=[5, 1, 5])
    assert (await ccas.get(place)).json()["status"] == "unconfirmed"
    await becomes(lambda: bool(server.mails))
    assert server.to == [ADDRESS]
    await ccas.command(f"{place}/confirmations", {"code": code_in(server)})
    [found] = (await ccas.get(MAILBOXES)).json()["items"]
    assert found == (await ccas.get(place)).json()
    assert found["address"] == ADDRESS
    assert (found["status"], found["audience"], found["digest_hour"], found["days"]) == ("active", "lead", 9, [1, 5])


async def test_an_answer_that_is_remembered_leaves_the_address_out(service: Service, ccas: Agency) -> None:
    body = {"address": ADDRESS}
    first, again = [await ccas.command(MAILBOXES, body, Idempotency_Key="one") for _ in range(2)]
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json() == again.json()
    assert first.json()["address"] is None
    assert len((await ccas.get(MAILBOXES)).json()["items"]) == 1


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@b",
        "a b@ccas.example",
        "a@ccas.example\r\nBcc: all@ccas.example",
        "a@ccas.example, b@ccas.example",
        "<a@ccas.example>",
        '"a"@ccas.example',
        "é@ccas.example",
        "a@ccas.example\n",
        "a" * 65 + "@ccas.example",
        "a@" + "b" * 250 + ".example",
        "a@-ccas.example",
        "a@192.0.2.1",
    ],
)
async def test_what_is_no_plain_address_is_refused(ccas: Agency, address: str) -> None:
    refused = await ccas.command(MAILBOXES, {"address": address})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_body")
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/address"]


@pytest.mark.parametrize(
    ("preferences", "code"),
    [
        ({"digest_hour": 24}, "invalid_body"),
        ({"digest_hour": 20}, "digest_in_quiet_hours"),
        ({"days": []}, "invalid_body"),
        ({"days": [0]}, "invalid_body"),
        ({"daily_max": 0}, "invalid_body"),
        ({"language": "de"}, "invalid_body"),
    ],
)
async def test_hours_that_cannot_be_kept_are_refused(ccas: Agency, preferences: dict[str, Any], code: str) -> None:
    refused = await ccas.command(MAILBOXES, {"address": ADDRESS} | preferences)
    assert (refused.status_code, refused.json()["code"]) == (422, code)
    place = await registered(ccas)
    assert (await ccas.put(place, json=preferences)).json()["code"] == code


async def test_the_same_address_twice_and_one_too_many_are_refused(ccas: Agency) -> None:
    await registered(ccas)
    again = await ccas.command(MAILBOXES, {"address": ADDRESS.upper()})
    assert (again.status_code, again.json()["code"]) == (409, "mailbox_exists")
    await registered(ccas, audience="lead")
    for number in range(MAILBOXES_MAX - 2):
        await registered(ccas, f"agent-{number}@ccas.example")
    over = await ccas.command(MAILBOXES, {"address": "one-more@ccas.example"})
    assert (over.status_code, over.json()["code"]) == (409, "too_many_mailboxes")


async def test_a_code_cannot_be_guessed(ccas: Agency, server: MailServer) -> None:
    place = await registered(ccas)
    await becomes(lambda: bool(server.mails))
    right = code_in(server)
    wrong = f"{(int(right) + 1) % 10**8:08}"
    for _ in range(CODE_TRIES_MAX):
        assert (await ccas.command(f"{place}/confirmations", {"code": wrong})).json()["code"] == "wrong_code"
    assert (await ccas.command(f"{place}/confirmations", {"code": right})).json()["code"] == "wrong_code"


async def test_another_code_replaces_the_one_before_and_nobody_is_flooded(ccas: Agency, server: MailServer) -> None:
    place = await registered(ccas)
    await becomes(lambda: bool(server.mails))
    first = code_in(server)
    for _ in range(CODES_MAX - 1):
        server.mails.clear()
        assert (await ccas.command(f"{place}/codes")).status_code == 202
        await becomes(lambda: bool(server.mails))
    assert (await ccas.command(f"{place}/codes")).json()["code"] == "too_many_codes"
    assert (await ccas.command(f"{place}/confirmations", {"code": first})).json()["code"] == "wrong_code"
    assert (await ccas.command(f"{place}/confirmations", {"code": code_in(server)})).status_code == 200


async def test_no_stranger_is_flooded_by_registering_and_forgetting_their_address(
    ccas: Agency, server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("infrastructure.mailboxes.CODES_A_DAY_MAX", 3)
    for _ in range(2):
        place = await registered(ccas)
        await becomes(lambda: bool(server.mails))
        again = await ccas.command(f"{place}/codes")
        await ccas.delete(place)
    assert (again.status_code, again.json()["code"]) == (409, "too_many_codes")
    refused = await ccas.command(MAILBOXES, {"address": ADDRESS})
    assert (refused.status_code, refused.json()["code"]) == (409, "too_many_codes")
    assert (await ccas.get(MAILBOXES)).json()["items"] == []


async def test_a_mailbox_of_another_agency_is_an_unknown_one(service: Service, ccas: Agency) -> None:
    place = await registered(ccas)
    stranger = await service.agency(MISSION_LOCALE)
    answers = [
        await stranger.get(place),
        await stranger.put(place, json={}),
        await stranger.delete(place),
        await stranger.get(f"{place}/mails"),
        await stranger.command(f"{place}/codes"),
        await stranger.command(f"{place}/confirmations", {"code": "00000000"}),
        await stranger.command(f"{place}/disablings"),
        await stranger.command(f"{place}/mails/{uuid4()}/resendings"),
        await stranger.get(f"{MAILBOXES}/{uuid4()}"),
    ]
    assert {(answer.status_code, answer.json()["code"]) for answer in answers} == {(404, "unknown_mailbox")}
    assert (await stranger.get(MAILBOXES)).json() == {"items": []}


async def test_looking_at_the_link_does_nothing_and_pressing_the_button_ends_it(
    service: Service, ccas: Agency, server: MailServer, name: str
) -> None:
    place = await confirmed(ccas, server)
    link = await link_in_a_mail(service, server, name)
    reader = await service.client()
    page = await reader.get(link)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "form-action 'self'" in page.headers["content-security-policy"]
    altered = link[:-2] + ("AA" if link[-2:] != "AA" else "BB")
    assert (await reader.post(altered)).json()["code"] == "unknown_link"
    assert (await ccas.get(place)).json()["status"] == "active"
    for _ in range(2):
        done = await reader.post(link, data={"List-Unsubscribe": "One-Click"})
        assert done.status_code == 200, done.text
    found = (await ccas.get(place)).json()
    assert (found["status"], found["disabled_reason"]) == ("disabled", "unsubscribed")


async def link_in_a_mail(service: Service, server: MailServer, name: str) -> str:
    """Where a mail says that its reader may leave."""
    await service.runtime.pool.execute(
        "INSERT INTO outbox (territory, message_id, agency, type, subject_id, position, urgent)"
        "VALUES ('FR-34', $1, $2, 'unisson.glass.broken.v1', $1, 1, true)",
        uuid4(),
        name,
    )
    await becomes(lambda: "List-Unsubscribe" in server.mails[-1])
    return str(server.mails[-1]["List-Unsubscribe"]).strip("<>").removeprefix("https://unisson.example")


@pytest.mark.parametrize("token", ["x", "A" * 43, "A" * 44, "%00", "é"])
async def test_a_link_that_was_made_up_leads_nowhere(service: Service, token: str) -> None:
    reader = await service.client()
    refused = await reader.post(f"/unsubscribe/{token}")
    assert (refused.status_code, refused.json()["code"]) == (404, "unknown_link")


async def test_whoever_left_comes_back_by_a_code_only(service: Service, ccas: Agency, server: MailServer) -> None:
    place = await confirmed(ccas, server)
    await ccas.command(f"{place}/disablings")
    before = len(server.mails)
    await ccas.command(f"{place}/codes")
    await becomes(lambda: len(server.mails) > before)
    assert (await ccas.get(place)).json()["status"] == "disabled"
    await ccas.command(f"{place}/confirmations", {"code": code_in(server)})
    found = (await ccas.get(place)).json()
    assert (found["status"], found["disabled_reason"]) == ("active", None)


async def test_a_mailbox_that_is_forgotten_leaves_nothing_behind(
    service: Service, ccas: Agency, server: MailServer, name: str
) -> None:
    place = await confirmed(ccas, server)
    link = await link_in_a_mail(service, server, name)
    assert (await ccas.delete(place)).status_code == 204
    assert (await ccas.get(place)).status_code == 404
    assert (await (await service.client()).post(link)).status_code == 404
    assert await service.runtime.pool.fetchval("SELECT sealed FROM mailboxes WHERE agency = $1", name) is None


async def test_the_log_of_a_mailbox_says_how_each_mail_went(
    service: Service, ccas: Agency, server: MailServer, name: str
) -> None:
    place = await confirmed(ccas, server)
    await link_in_a_mail(service, server, name)
    lines = (await ccas.get(f"{place}/mails")).json()["items"]
    assert [line["kind"] for line in lines] == ["urgent", "code"]
    assert len(lines[0]["messages"]) == 1


async def test_without_a_server_no_address_is_taken(database_url: str, tmp_path: Path) -> None:
    async with running(database_url, tmp_path) as service:
        refused = await (await service.agency()).command(MAILBOXES, {"address": ADDRESS})
        assert (refused.status_code, refused.json()["code"]) == (409, "mail_not_set_up")


async def test_reading_and_writing_keys_do_not_reach_mailboxes(service: Service) -> None:
    clumsy = await service.agency(scopes=frozenset({Scope.READ, Scope.WRITE}))
    assert (await clumsy.get(MAILBOXES)).status_code == 403
    assert (await clumsy.command(MAILBOXES, {"address": ADDRESS})).status_code == 403


async def test_the_mail_with_the_code_is_all_that_a_mailbox_gets_at_first(ccas: Agency, server: MailServer) -> None:
    await registered(ccas, language="en")
    await becomes(lambda: bool(server.mails))
    assert server.mails[0]["Subject"] == "Unisson: confirm this address"
    assert "If you did not expect this mail, do nothing" in text_of(server.mails[0])
