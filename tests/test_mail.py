"""From an outbox row to a mail in a mailbox: a real SMTP server, the real database."""

import asyncio
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from email.utils import getaddresses

import pytest
from structlog.testing import capture_logs

from application.event_log import UnreadableEvent
from application.mail import Immediate, Mailbox, MailboxDisabled, MailboxStatus, MailLanguage, UnknownMail
from application.messages import Audience, Message
from domain.ids import uuid7
from infrastructure.database import Pool, create_pool
from infrastructure.mail_queue import RETRY_AFTER, URGENT_APART
from infrastructure.mail_worker import LEASE
from tests.campaigns.mail_kills import campaign
from tests.support.eventually import becomes
from tests.support.mail_server import MailServer, html_of, text_of
from tests.support.mailing import CCAS, SIAO, TERRITORY, Rig, code_in

NIGHT = datetime(2026, 5, 1, 1, 30, tzinfo=UTC)
"""Of a public holiday."""
TEAM, LEAD, COORDINATOR = "equipe@ccas.example", "chef@ccas.example", "coordination@ccas.example"


@pytest.fixture
async def server() -> AsyncIterator[MailServer]:
    async with MailServer() as server:
        yield server


@pytest.fixture(scope="module")
async def shared_pool(module_database_url: str) -> AsyncIterator[Pool]:
    async with create_pool(module_database_url) as opened:
        yield opened


@pytest.fixture
async def rig(shared_pool: Pool, server: MailServer) -> Rig:
    """Nothing is left of the test before."""
    await shared_pool.execute("TRUNCATE outbox, mailboxes CASCADE")
    return Rig(shared_pool, server)


async def mailbox(rig: Rig, address: str = TEAM) -> Mailbox:
    found = await rig.mailboxes.mailboxes(TERRITORY, CCAS)
    return next(each for each in found if each.address == address)


# When.


async def test_what_is_critical_is_written_about_at_once_even_at_night_on_a_holiday(rig: Rig) -> None:
    await rig.confirmed()
    rig.clock.set(NIGHT)
    alert = await rig.put(severity="critical")
    await rig.worker().drain()
    [mail] = rig.server.mails
    assert str(alert) in text_of(mail)
    assert str(alert) in html_of(mail)
    assert mail["Subject"] == "Unisson : un message urgent vous attend"


async def test_the_rest_waits_for_the_digest_of_the_next_day_worked(rig: Rig) -> None:
    await rig.confirmed()
    rig.clock.set(NIGHT)
    alerts = [await rig.put(), await rig.put(severity="info")]
    await rig.worker().drain()
    assert rig.server.mails == []
    await rig.next_morning()
    [mail] = rig.server.mails
    assert rig.clock.now() == datetime(2026, 5, 4, 6, tzinfo=UTC)
    assert all(str(alert) in text_of(mail) for alert in alerts)


async def test_a_mailbox_may_ask_for_everything_to_wait(rig: Rig) -> None:
    await rig.confirmed(immediate=Immediate.NONE)
    await rig.put(severity="critical")
    await rig.worker().drain()
    assert rig.server.mails == []
    await rig.next_morning()
    assert len(rig.server.mails) == 1


async def test_a_day_without_news_is_a_day_without_mail(rig: Rig) -> None:
    await rig.confirmed()
    await rig.next_morning()
    await rig.put(name="alert.acknowledged")
    await rig.next_morning()
    assert rig.server.mails == []


async def test_a_burst_of_critical_alerts_is_two_mails(rig: Rig) -> None:
    """The first at once, what follows within a minute together."""
    await rig.confirmed()
    worker, alerts = rig.worker(), []
    for _ in range(5):
        alerts.append(await rig.put(severity="critical"))
        await worker.drain()
    rig.clock.advance(URGENT_APART)
    await worker.drain()
    first, second = map(text_of, rig.server.mails)
    assert str(alerts[0]) in first
    assert all(str(alert) in second for alert in alerts[1:])


async def test_mailboxes_that_cannot_be_written_to_now_keep_no_other_from_its_turn(rig: Rig) -> None:
    """Nothing more is made for one whose last urgent mail could not leave yet."""
    await rig.confirmed()
    await rig.confirmed("equipe@siao.example", agency=SIAO)
    await rig.put(severity="critical")
    assert await rig.queue.plan(rig.clock.now(), most=1) == 1
    await rig.put(severity="critical")
    rig.clock.advance(URGENT_APART)
    await rig.put(agency=SIAO, severity="critical")
    assert await rig.queue.plan(rig.clock.now(), most=1) == 1


async def test_a_late_digest_respects_the_quiet_hours(rig: Rig) -> None:
    """The worker was away until the evening."""
    await rig.confirmed()
    await rig.put()
    rig.clock.set(datetime(2026, 3, 4, 20, tzinfo=UTC))
    await rig.worker().drain()
    assert rig.server.mails == []
    rig.clock.set(datetime(2026, 3, 5, 7, tzinfo=UTC))
    await rig.worker().drain()
    assert len(rig.server.mails) == 1


async def test_a_critical_alert_that_is_over_by_then_waits_for_the_digest(rig: Rig) -> None:
    await rig.confirmed()
    alert = await rig.put(severity="critical")
    await rig.put(name="alert.cleared", subject=alert, severity="critical")
    await rig.worker().drain()
    assert rig.server.mails == []
    await rig.next_morning()
    assert "1 alerte est close" in text_of(rig.server.mails[0])


# What.


async def test_a_digest_is_rationed_and_says_so_until_all_was_told(rig: Rig) -> None:
    await rig.confirmed(daily_max=2)
    alerts = [await rig.put(severity=severity) for severity in ("info", "warning", "warning", "info", "warning")]
    told = []
    for held_back in (3, 1, 0):
        await rig.next_morning()
        said = text_of(rig.server.mails[-1])
        told.append({index for index, alert in enumerate(alerts) if str(alert) in said})
        assert ("attend" in said.partition("prochain récapitulatif")[0].rpartition("\n")[2]) == bool(held_back)
        assert not held_back or f"{held_back} autre" in said
    assert told == [{1, 2}, {0, 4}, {3}], "by severity, then age"
    assert len(rig.server.mails) == 3


async def test_several_alerts_of_one_pathway_are_told_together(rig: Rig) -> None:
    await rig.confirmed()
    pathway = uuid7()
    alerts = [await rig.put(pathway=pathway) for _ in range(3)]
    await rig.next_morning()
    said = text_of(rig.server.mails[0])
    assert "3 écarts sur un même parcours" in said
    assert all(str(alert) in said for alert in alerts)
    assert str(pathway) not in said


async def test_an_agency_reads_it_in_the_language_of_each_mailbox(rig: Rig) -> None:
    await rig.confirmed()
    await rig.confirmed(LEAD, language=MailLanguage.EN)
    alert = await rig.put(severity="critical")
    await rig.worker().drain()
    by_subject = {mail["Subject"]: text_of(mail) for mail in rig.server.mails}
    assert by_subject.keys() == {"Unisson : un message urgent vous attend", "Unisson: an urgent message is waiting"}
    assert all(str(alert) in said for said in by_subject.values())


async def test_officers_are_told_by_mail_too(rig: Rig) -> None:
    await rig.confirmed(LEAD, audience=Audience.LEAD)
    await rig.put(name="glass.broken", severity=None, audience=Audience.COORDINATOR)
    await rig.worker().drain()
    assert "accès exceptionnel" in text_of(rig.server.mails[0])
    await rig.put(name="access.budget-spent", severity=None, audience=Audience.COORDINATOR)
    await rig.next_morning()
    assert "limite quotidienne" in text_of(rig.server.mails[1])


async def test_a_mail_is_as_programs_expect_it(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")
    await rig.worker().drain()
    [mail], [raw] = rig.server.mails, rig.server.raw
    assert getaddresses([mail["From"], mail["To"]]) == [("Unisson", "unisson@unisson.example"), ("", TEAM)]
    assert (mail["Auto-Submitted"], mail["Content-Language"]) == ("auto-generated", "fr")
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail["List-Unsubscribe"].startswith("<https://unisson.example/unsubscribe/")
    assert mail.get_content_type() == "multipart/alternative"
    assert mail["Date"].datetime == rig.clock.now()
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n"))) < 200


# To whom.


async def test_nothing_is_told_to_an_address_that_was_not_confirmed(rig: Rig) -> None:
    await rig.registered()
    await rig.put(severity="critical")
    await rig.worker().drain()
    [mail] = rig.server.mails
    assert mail["Subject"] == "Unisson : confirmez cette adresse"
    assert len(code_in(rig.server)) == 8
    assert "List-Unsubscribe" not in mail
    rig.clock.advance(timedelta(days=7))
    await rig.worker().drain()
    assert len(rig.server.mails) == 1


async def test_another_agency_and_another_territory_are_told_nothing(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(agency=SIAO, severity="critical")
    await rig.pool.execute(
        "INSERT INTO outbox (territory, message_id, agency, type, subject_id, position, urgent)"
        "VALUES ('FR-30', $1, $2, 'unisson.alert.raised.v1', $1, 1, true)",
        uuid7(),
        CCAS,
    )
    await rig.worker().drain()
    assert rig.server.mails == []


async def test_each_audience_has_its_mailbox_and_the_nearest_one_where_there_is_none(rig: Rig) -> None:
    await rig.confirmed(TEAM)
    await rig.confirmed(LEAD, audience=Audience.LEAD)
    for audience, address in ((Audience.TEAM, TEAM), (Audience.LEAD, LEAD), (Audience.COORDINATOR, LEAD)):
        await rig.put(severity="critical", audience=audience)
        await rig.worker().drain()
        assert rig.server.to == [address]
        rig.server.to.clear()
        rig.clock.advance(URGENT_APART)
    await rig.mailboxes.disable(TERRITORY, CCAS, (await mailbox(rig)).mailbox_id, rig.clock.now())
    await rig.put(severity="critical")
    await rig.worker().drain()
    assert rig.server.to == [LEAD], "nobody is left out because nobody was named"


async def test_who_is_no_longer_entitled_is_not_written_to(rig: Rig) -> None:
    """The right is asked when the mail leaves, whatever was queued before."""
    await rig.confirmed()
    kept, lost = await rig.put(), await rig.put()

    async def may_send(_territory: str, agency: str, message: Message) -> bool:
        assert agency == CCAS
        return message.subject_id == kept

    await rig.pool.execute("UPDATE mailboxes SET next_digest_at = $1", rig.clock.now())
    await rig.worker(may_send).drain()
    [mail] = rig.server.mails
    assert str(kept) in text_of(mail)
    assert str(lost) not in rig.server.raw[0].decode()
    states = await rig.pool.fetch("SELECT state FROM mail_items ORDER BY state")
    assert [row["state"] for row in states] == ["told", "withheld"]


async def test_a_mail_of_which_nothing_is_left_is_not_sent(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")

    async def nobody(*_: object) -> bool:
        return False

    await rig.worker(nobody).drain()
    assert rig.server.mails == []
    assert (await rig.states())[-1] == "withheld"


async def test_what_is_erased_while_it_waits_is_not_written_about(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")
    await rig.queue.plan(rig.clock.now(), most=10)
    await rig.pool.execute("DELETE FROM outbox")
    await rig.worker().drain()
    assert rig.server.mails == []
    assert (await rig.states())[-1] == "withheld"


# When it fails.


async def test_a_mailbox_that_is_busy_is_tried_again_until_the_last_attempt(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")
    rig.server.answers = ["451 later"] * (len(RETRY_AFTER) + 1)
    for wait in RETRY_AFTER:
        assert await rig.worker().drain() == 1
        assert await rig.worker().drain() == 0, "not before its time"
        rig.clock.advance(wait)
    await rig.worker().drain()
    assert (await rig.states())[-1] == "dead"
    box = await mailbox(rig)
    assert box.status is MailboxStatus.ACTIVE
    [line, *_] = await rig.mailboxes.mails(TERRITORY, CCAS, box.mailbox_id, limit=10)
    assert (line.attempts, line.last_error_code) == (len(RETRY_AFTER) + 1, "recipient_451")


async def test_a_mail_that_was_given_up_is_sent_again_on_request(rig: Rig) -> None:
    await rig.confirmed()
    alert = await rig.put(severity="critical")
    rig.server.data = "554 no"
    await rig.worker().drain()
    box = await mailbox(rig)
    [line, *_] = await rig.mailboxes.mails(TERRITORY, CCAS, box.mailbox_id, limit=10)
    assert (line.state, line.last_error_code) == ("dead", "mail_554")
    assert box.status is MailboxStatus.ACTIVE, "the mail was refused, not the mailbox"
    rig.server.data = "250 OK"
    await rig.mailboxes.send_again(TERRITORY, CCAS, box.mailbox_id, line.mail_id, rig.clock.now())
    await rig.mailboxes.send_again(TERRITORY, CCAS, box.mailbox_id, line.mail_id, rig.clock.now())
    await rig.worker().drain()
    [mail] = rig.server.mails
    assert str(alert) in text_of(mail)
    with pytest.raises(UnknownMail):
        await rig.mailboxes.send_again(TERRITORY, CCAS, box.mailbox_id, line.mail_id, rig.clock.now())


async def test_a_mailbox_that_is_not_there_is_disabled_and_the_agency_told_elsewhere(rig: Rig) -> None:
    await rig.confirmed(TEAM)
    await rig.confirmed(LEAD, audience=Audience.LEAD)
    await rig.put(severity="critical")
    rig.server.answers = ["550 no such user"]
    await rig.worker().drain()
    box = await mailbox(rig)
    assert (box.status, box.disabled_reason) == (MailboxStatus.DISABLED, MailboxDisabled.BOUNCED)
    await rig.next_morning()
    assert rig.server.to == [LEAD]
    assert "ne répondait plus" in text_of(rig.server.mails[0])


async def test_the_same_mail_twice_has_one_message_id(rig: Rig) -> None:
    """The server took it, and the answer was lost."""
    await rig.confirmed()
    await rig.put(severity="critical")
    rig.server.hang_after_data = 1
    await rig.worker(timeout_seconds=0.2).drain()
    rig.clock.advance(RETRY_AFTER[0])
    await rig.worker().drain()
    first, second = rig.server.mails
    assert first["Message-ID"] == second["Message-ID"]
    assert text_of(first) == text_of(second)


async def test_a_server_that_is_away_for_long_costs_nothing_but_time(rig: Rig) -> None:
    """No attempt counts, what comes waits in one mail, and the mailbox is not flooded when it is back."""
    await rig.confirmed(daily_max=100)
    await rig.server.close()
    worker, alerts, attempts = rig.worker(), [], 0
    for hour in range(48):
        alerts.append(await rig.put(severity="critical" if hour % 2 else "warning"))
        attempts += await worker.drain()
        rig.clock.advance(timedelta(hours=1))
    assert attempts <= 100
    assert sorted((await rig.states())[1:]) == ["pending", "pending"]
    await rig.server.open()
    rig.clock.advance(timedelta(minutes=10))
    await worker.drain()
    first, *together = ["urgent" in mail["Subject"] for mail in rig.server.mails]
    assert first
    assert sorted(together) == [False, True], "all that came since, and the digest, at the same time"
    await rig.next_morning()
    assert len(rig.server.mails) == 4
    said = "".join(map(text_of, rig.server.mails))
    assert all(str(alert) in said for alert in alerts)


async def test_a_mail_that_waited_for_the_server_for_days_is_given_up(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")
    await rig.server.close()
    worker = rig.worker()
    for _ in range(9):
        await worker.drain()
        rig.clock.advance(timedelta(hours=12))
    assert (await rig.states())[-1] == "dead"
    box = await mailbox(rig)
    [line, *_] = await rig.mailboxes.mails(TERRITORY, CCAS, box.mailbox_id, limit=10)
    assert line.last_error_code == "server_unreachable"


async def test_a_row_that_was_altered_stops_nobody_else(rig: Rig) -> None:
    await rig.confirmed(TEAM)
    await rig.confirmed(LEAD)
    await rig.pool.execute(
        "UPDATE mailboxes SET sealed = (SELECT sealed FROM mailboxes ORDER BY mailbox_id DESC LIMIT 1)"
    )
    await rig.put(severity="critical")
    await rig.worker().drain()
    assert rig.server.to == [LEAD]
    assert sorted((await rig.states())[2:]) == ["pending", "sent"]


async def test_two_workers_send_a_mail_once(rig: Rig) -> None:
    boxes = [f"agent-{n}@ccas.example" for n in range(6)]
    for address in boxes:
        await rig.confirmed(address)
    await rig.put(severity="critical")
    await asyncio.gather(*(rig.worker().drain() for _ in range(3)))
    assert sorted(rig.server.to) == boxes


async def test_a_worker_that_is_killed_loses_nothing(rig: Rig, module_database_url: str) -> None:
    """With kill -9, while the server keeps it waiting for an answer."""
    await rig.confirmed()
    await rig.put(severity="critical")
    rig.server.answers = [None]
    command = [sys.executable, "-m", "tests.support.mailing", module_database_url, str(rig.server.port)]
    process = await asyncio.create_subprocess_exec(*command)
    rig.server.asked.clear()
    await asyncio.wait_for(rig.server.asked.wait(), 20)
    process.kill()
    await process.wait()
    assert rig.server.mails == []
    rig.clock.set(datetime.now(UTC) + LEASE)
    await rig.worker().drain()
    assert len(rig.server.mails) == 1


async def test_workers_that_are_killed_again_and_again_lose_nobodys_mail(rig: Rig, module_database_url: str) -> None:
    """The long one is python -m tests.campaigns.mail_kills."""
    found = await campaign(rig.pool, module_database_url, mailboxes=30, kills=2)
    assert found.sound, found


async def test_a_worker_is_woken_and_stops_in_the_middle_of_a_mail(rig: Rig) -> None:
    await rig.confirmed()
    worker, stopping = rig.worker(poll_seconds=60), asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    await asyncio.sleep(0.1)
    rig.server.answers = [None]
    rig.server.asked.clear()
    await rig.put(severity="critical")
    worker.wake()
    await asyncio.wait_for(rig.server.asked.wait(), 5)
    stopping.set()
    await asyncio.wait_for(running, 2)
    row = await rig.pool.fetchrow("SELECT state, attempt FROM mails ORDER BY mail_id DESC LIMIT 1")
    assert row is not None
    assert tuple(row) == ("pending", 0), "given back, untried"
    await rig.worker().drain()
    assert len(rig.server.mails) == 1


async def test_a_right_that_cannot_be_asked_keeps_the_mail(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")

    async def broken(*_: object) -> bool:
        raise ConnectionError

    await rig.worker(broken).drain()
    assert (await rig.states())[-1] == "pending"
    rig.clock.advance(timedelta(minutes=1))
    await rig.worker().drain()
    assert len(rig.server.mails) == 1


# What is kept.


async def test_an_alert_that_cannot_be_read_keeps_no_other_from_its_reader(rig: Rig) -> None:
    await rig.confirmed()
    altered, sound = await rig.put(), await rig.put()

    async def may_send(territory: str, _agency: str, message: Message) -> bool:
        if message.subject_id == altered:
            raise UnreadableEvent(territory, message.position, "altered")
        return True

    rig.clock.advance(timedelta(days=1))
    await rig.worker(may_send).drain()
    [mail] = rig.server.mails
    assert str(sound) in text_of(mail)
    assert str(altered) not in text_of(mail)


async def test_no_address_is_found_in_the_database_or_in_a_log_line(rig: Rig) -> None:
    with capture_logs() as logs:
        await rig.confirmed("quelqu-un.canari@ccas.example")
        await rig.put(severity="critical")
        rig.server.answers = ["451 quelqu-un.canari@ccas.example is away", "550 quelqu-un.canari@ccas.example is gone"]
        await rig.worker().drain()
        rig.clock.advance(RETRY_AFTER[0])
        await rig.worker().drain()
    assert logs
    assert "canari" not in repr(logs)
    tables = await rig.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in tables:
        rows = await rig.pool.fetch(f"SELECT t::text AS row FROM {table['tablename']} AS t")
        assert not any("canari" in row["row"] or b"canari".hex() in row["row"] for row in rows), table


async def test_mails_are_forgotten_after_a_month(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")
    await rig.worker().drain()
    while await rig.queue.forget(rig.clock.now() + timedelta(seconds=1)):
        pass
    assert await rig.states() == []
    assert await rig.pool.fetchval("SELECT count(*) FROM mail_items") == 0


async def test_a_mail_that_waits_is_not_forgotten(rig: Rig) -> None:
    await rig.confirmed()
    await rig.put(severity="critical")
    await rig.queue.plan(rig.clock.now(), most=10)
    assert await rig.queue.forget(rig.clock.now() + timedelta(days=31)) == 1, "the one with the code"
    await rig.worker().drain()
    assert len(rig.server.mails) == 1


async def test_eight_o_clock_comes_for_many_mailboxes_at_once(rig: Rig) -> None:
    for number in range(12):
        await rig.confirmed(f"agent-{number}@ccas.example")
    await rig.put()
    worker, stopping = rig.worker(), asyncio.Event()
    running = asyncio.create_task(worker.run(stopping))
    rig.clock.set(datetime(2026, 3, 4, 7, tzinfo=UTC))
    await becomes(lambda: len(rig.server.mails) == 12)
    stopping.set()
    await running
