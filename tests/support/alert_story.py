"""One alert from end to end, as the services live it: four agencies, one of which never says a word, and a coordinator.

A real server on a real socket, webhooks checked by their signature, mails left with a real SMTP server, a stream that
is read as it comes. Days pass by the test's clock. The `Account` keeps who was told what, by which way, and when; to
read it: python -m tests.support.alert_story
"""

import asyncio
import re
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from api.app import create_app
from api.browser import OURS, SESSION_COOKIE, named
from api.demo.receiver import Answer, Delivery, Receiver
from api.server import listen, serving
from application.civil_time import PARIS
from domain.agency import DescribeAgency
from domain.clock import SettableClock
from domain.roles import Role
from infrastructure.logs import configure_logs
from infrastructure.settings import Settings
from tests.support.eventually import PATIENCE_SECONDS, becomes
from tests.support.mail_server import HOST, MailServer, text_of
from tests.support.server_sent import following
from tests.support.service import TERRITORY, Agency, Service
from tests.support.town import OnSocket

CCAS, EMPLOYMENT, HOUSING, TRAINING = "ccas-sete", "mission-locale-sete", "habitat-sete", "formation-sete"
COUNTY = "departement-34"
ACCOMPANIMENT = "socio_professional"
CAPABILITIES = {
    CCAS: ("social",),
    EMPLOYMENT: ("employment", ACCOMPANIMENT),
    HOUSING: ("housing",),
    TRAINING: ("training", ACCOMPANIMENT),
    COUNTY: (),
}
THEME = "logement-hebergement--changer-de-logement"
FROM_ZONE, TO_ZONE = "34301", "34172"
MAIL_FROM = "Unisson <unisson@unisson.example>"
FAMILY_NAME = "Quermontier"
NOTE = "Hébergée chez un proche, à ménager."
CODE = re.compile(r"\b([0-9]{8})\b")
LINK = re.compile(r"/v1/alerts/([0-9a-f-]{36})")


def at(day: int, hour: int = 9, minute: int = 0) -> datetime:
    """Of March 2026, in Sète. The 2nd is a Monday; on the 29th clocks go forward."""
    return datetime(2026, 3, day, hour, minute, tzinfo=PARIS)


class Told(NamedTuple):
    """One thing that reached one agency."""

    at: datetime
    agency: str
    way: str
    what: str
    with_pathway: bool
    """Whether it led to the pathway; a notice does not, and no mail does."""


class Account:
    """Who was told what, in the order in which it came."""

    def __init__(self, clock: SettableClock) -> None:
        self._clock = clock
        self.told: list[Told] = []

    def note(self, agency: str, way: str, what: str, *, with_pathway: bool = False) -> None:
        self.told.append(Told(self._clock.now().astimezone(PARIS), agency, way, what, with_pathway))

    def of(self, what: str) -> dict[str, str]:
        """The agencies told of it, and the way."""
        return {one.agency: one.way for one in self.told if one.what == what}

    async def until(self, what: str, *agencies: str, times: int = 1) -> None:
        """Until each of these was told of it so many times. Raises TimeoutError."""
        await becomes(lambda: all(self._times(what, agency) >= times for agency in agencies))

    def _times(self, what: str, agency: str) -> int:
        return sum((one.what, one.agency) == (what, agency) for one in self.told)

    def lines(self) -> list[str]:
        """A table for people."""
        return [
            f"{one.at:%d/%m %H:%M}  {one.agency:<28}  {one.way:<7}  {one.what}"
            f"{'' if one.with_pathway or one.way == 'mail' else '  (notice)'}"
            for one in self.told
        ]


class Played(NamedTuple):
    """What became of the alert."""

    alert_id: str
    mails: dict[str, dict[str, str]]
    """By the chapter and by mailbox, what each says."""
    seen_by_coordinator: dict[str, Any]
    too_late: Any
    """What the second agency that takes it is answered."""
    at_the_end: dict[str, Any]
    """As the agency in charge reads it."""
    history: list[dict[str, Any]]
    """Every step, as that agency reads it."""


class Stage:
    """The running service, its agencies' software, and what each is told as it comes."""

    def __init__(self, service: Service, stack: AsyncExitStack, clock: SettableClock, mail: MailServer) -> None:
        self.service = service
        self.clock = clock
        self.mail = mail
        self.account = Account(clock)
        self.software: dict[str, Agency] = {}
        self.bodies: list[bytes] = []
        """Of every message that came by webhook."""
        self._stack = stack
        self._mailbox_of: dict[str, str] = {}
        self._mails_read = 0

    async def prepare(self) -> None:
        for agency, capabilities in CAPABILITIES.items():
            described = DescribeAgency(name=agency, capabilities=capabilities, zones=(TERRITORY,))
            await self.service.runtime.agencies.carry_out(TERRITORY, agency, described)
            self.software[agency] = await self.service.agency(agency)
        for agency in (CCAS, HOUSING, COUNTY):
            await self.tell_by_webhook(agency)
        await self.write_to(TRAINING, "equipe@formation.example", "team")
        await self.write_to(TRAINING, "direction@formation.example", "lead")
        await self.write_to(COUNTY, "coordination@departement.example", "coordinator")
        await self.tell_by_stream(EMPLOYMENT)
        self._coordinator = await self.service.member(Role.COORDINATOR, agency=COUNTY)

    async def tell_by_webhook(self, agency: str) -> None:
        """Each verified message is noted once, however often it comes."""

        async def hear(delivery: Delivery) -> Answer:
            self.bodies.append(delivery.body)
            known = set(receiver.events)
            answer = await receiver.accept(delivery)
            for message_id in receiver.events.keys() - known:
                event = receiver.events[message_id]
                self.account.note(
                    agency, "webhook", short(event.get_type()), with_pathway="pathway_id" in (event.get_data() or {})
                )
            return answer

        receiver = await self._stack.enter_async_context(Receiver(answer=hear))
        made = await self.do(agency, "/v1/webhook-endpoints", {"url": receiver.url}, status=201)
        receiver.secrets.append(made["secret"])
        place = f"/v1/webhook-endpoints/{made['id']}"
        await self.do(agency, f"{place}/challenges", status=202)
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (await self.software[agency].get(place)).json()["status"] != "active":
                await asyncio.sleep(0.02)

    async def write_to(self, agency: str, address: str, audience: str) -> None:
        """A mailbox is written to once the code that was mailed there came back."""
        self._mailbox_of[address] = f"{agency} ({audience})"
        body = {"address": address, "audience": audience, "language": "en"}
        made = await self.do(agency, "/v1/mailboxes", body, status=201)
        await becomes(lambda: address in self.mail.to)
        code = CODE.search(text_of(self.mail.mails[self.mail.to.index(address)]))
        assert code is not None
        await self.do(agency, f"/v1/mailboxes/{made['id']}/confirmations", {"code": code[1]})
        self._mails_read = len(self.mail.mails)

    async def tell_by_stream(self, agency: str) -> None:
        begun = asyncio.Event()

        async def follow() -> None:
            async with following(self.software[agency]) as stream:
                begun.set()
                while (sent := await stream.next()) is not None:
                    if sent.type.startswith("unisson.alert"):
                        with_pathway = "pathway_id" in sent.data["data"]
                        self.account.note(agency, "stream", short(sent.type), with_pathway=with_pathway)

        task = asyncio.create_task(follow())
        self._stack.callback(task.cancel)
        await begun.wait()

    async def coordinator(self) -> Agency:
        """The county's, just signed in."""
        shown = await self.service.runtime.sessions.open(TERRITORY, COUNTY, self._coordinator)
        return await self.service.client({"Cookie": f"{named(SESSION_COOKIE, secure=True)}={shown}", OURS: "1"})

    async def do(self, agency: str, path: str, body: Any = None, *, status: int = 200) -> Any:
        """What an agency's software sends."""
        answer = await self.software[agency].command(path, body)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def reached(self, alert: str, *agencies: str) -> None:
        """Until the alert itself says that it reached these."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not set(agencies) <= {
                each["agency"] for each in await self._responses(alert) if each["delivered_at"]
            }:
                await asyncio.sleep(0.05)

    async def _responses(self, alert: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.software[CCAS].get(alert)).json()["responses"]
        return found

    async def until(self, when: datetime) -> None:
        """Time passes, and all that is due by then is done."""
        assert when > self.clock.now()
        self.clock.set(when)
        runtime = self.service.runtime
        async with asyncio.timeout(PATIENCE_SECONDS):
            while await runtime.pool.fetchval(DUE, when) or not await self._is_folded():
                await asyncio.sleep(0.02)

    async def _is_folded(self) -> bool:
        runtime = self.service.runtime
        head = await runtime.log.head(TERRITORY)
        return await runtime.follower.caught_up(TERRITORY, head, 5.0) and head == await runtime.log.head(TERRITORY)

    async def mails_come(self, count: int) -> dict[str, str]:
        """Wait for so many more, and note them; what each says, by mailbox."""
        await becomes(lambda: len(self.mail.mails) >= self._mails_read + count)
        new = [
            (self._mailbox_of[to], text_of(mail))
            for to, mail in list(zip(self.mail.to, self.mail.mails, strict=True))[self._mails_read :]
        ]
        self._mails_read = len(self.mail.mails)
        for to, text in new:
            self.account.note(to, "mail", news_in(text))
        return dict(new)


async def play(stage: Stage) -> Played:
    """A person is rehoused in March, and nobody accompanies them. Raises TimeoutError where somebody is not told."""
    account, mails = stage.account, dict[str, dict[str, str]]()
    pathway = await rehoused(stage)

    await stage.until(at(19, 0, 30))  # Two weeks are over.
    await account.until("raised", CCAS, HOUSING, EMPLOYMENT)
    [alert] = (await stage.software[CCAS].get("/v1/alerts")).json()["items"]
    place = f"/v1/alerts/{alert['id']}"
    await stage.until(at(19, 8, 1))
    mails["raised"] = await stage.mails_come(1)
    await stage.reached(place, CCAS, HOUSING, EMPLOYMENT, TRAINING)
    await stage.software[HOUSING].get(place)
    await stage.do(CCAS, f"{place}/answers", {"answer": "in_support"})
    await account.until("answered", HOUSING, EMPLOYMENT)

    await stage.until(at(25, 0, 30))  # Three working days: the leads of those who could act.
    await account.until("escalated", CCAS, HOUSING, EMPLOYMENT)
    await stage.until(at(25, 8, 1))
    mails["lead"] = await stage.mails_come(2)

    await stage.until(at(27, 0, 30))  # Five: it is critical now, and the coordinator's, be it night.
    await account.until("escalated", COUNTY)
    await account.until("escalated", CCAS, HOUSING, EMPLOYMENT, times=2)
    mails["coordinator"] = await stage.mails_come(2)
    await stage.reached(place, COUNTY)
    await stage.until(at(27, 9, 30))
    seen = (await (await stage.coordinator()).get(place)).json()
    await stage.do(EMPLOYMENT, f"{place}/answers", {"answer": "taking"})
    too_late = (await stage.software[HOUSING].command(f"{place}/answers", {"answer": "taking"})).json()
    await account.until("answered", CCAS, COUNTY)
    await account.until("answered", HOUSING, times=2)

    await stage.until(at(30, 10))  # After the week-end in which clocks went forward.
    accompaniment = {"kind": ACCOMPANIMENT, "start": "2026-03-30"}
    await stage.do(EMPLOYMENT, f"{pathway}/accompaniments", accompaniment, status=201)
    await account.until("cleared", CCAS, HOUSING, EMPLOYMENT, COUNTY)
    await stage.until(at(31, 8, 1))
    mails["cleared"] = await stage.mails_come(2)
    ccas = stage.software[CCAS]
    at_the_end, history = (await ccas.get(place)).json(), (await ccas.get(f"{place}/history")).json()["items"]
    return Played(alert["id"], mails, seen, too_late, at_the_end, history)


async def rehoused(stage: Stage) -> str:
    """The person's pathway: in step but for what follows the move."""
    await stage.until(at(2))
    opened = await stage.software[CCAS].command("/v1/pathways", {"given_name": "Inès", "family_name": FAMILY_NAME})
    pathway = str(opened.headers["location"])
    await stage.do(CCAS, f"{pathway}/referents", status=201)
    await stage.do(CCAS, f"{pathway}/contacts", {"channel": "in_person", "note": NOTE}, status=201)
    await stage.do(CCAS, f"{pathway}/diagnoses", {"needs": [{"theme": THEME}]}, status=201)
    for agency in (EMPLOYMENT, HOUSING, TRAINING):
        await stage.do(CCAS, f"{pathway}/consents", {"purpose": "sharing", "to_agency": agency}, status=201)
    await stage.until(at(3))
    move = {"from_zone": FROM_ZONE, "to_zone": TO_ZONE, "on": "2026-03-03"}
    await stage.do(HOUSING, f"{pathway}/relocations", move, status=201)
    return pathway


DUE = """
SELECT (SELECT count(*) FROM pathway_deadlines WHERE next_due <= $1)
     + (SELECT count(*) FROM alert_timers WHERE next_due <= $1)"""


def news_in(text: str) -> str:
    """What a mail tells of first: what its first link is called, or the sentence without one."""
    third = text.replace("\r\n", "\n").split("\n\n")[2]
    return next((line.removeprefix("- ") for line in third.splitlines() if line.startswith("- ")), third)


def short(type_: str) -> str:
    """`unisson.alert.raised.v1` as `raised`."""
    return type_.removeprefix("unisson.alert.").removesuffix(".v1")


@asynccontextmanager
async def staged(folder: Path, database_url: str | None = None) -> AsyncIterator[Stage]:
    clock = SettableClock(at(2, 7))
    async with AsyncExitStack() as stack:
        mail = await stack.enter_async_context(MailServer())
        settings = Settings(
            data_dir=folder,
            database_url=database_url,
            public_url="https://unisson.example",
            smtp_host=HOST,
            smtp_port=mail.port,
            smtp_security="none",
            mail_from=MAIL_FROM,
        )
        app = create_app(settings, clock=clock, allow_loopback=True)
        url = await stack.enter_async_context(serving(app, listen("127.0.0.1", 0)))
        clients = await stack.enter_async_context(AsyncExitStack())
        stage = Stage(OnSocket(Service(app, clients), url, clients), clients, clock, mail)
        await stage.prepare()
        yield stage


async def main() -> None:
    configure_logs("warning")
    with tempfile.TemporaryDirectory(prefix="unisson-story-") as folder:
        Path(folder).chmod(0o711)  # To be entered by the account that PostgreSQL runs under when we are root.
        async with staged(Path(folder) / "data") as stage:
            await play(stage)
            sys.stdout.write("\n".join(stage.account.lines()) + "\n")


if __name__ == "__main__":
    asyncio.run(main())
