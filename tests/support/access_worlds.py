"""Pathways on which access was given and taken at random, with the history that the model judges by."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from uuid import UUID

import msgspec

from application.access import Caller, Means, Scope
from application.event_log import Stored
from domain.aggregate import Event
from domain.break_glass import OPEN_FOR, BreakTheGlass, ReviewBreakGlass
from domain.command import Act, Command
from domain.consent import GiveConsent, Purpose, WithdrawConsent
from domain.errors import DomainError
from domain.opening import OpenPathway, open_pathway
from domain.pathway import Pathway
from domain.referent import AssignReferent
from domain.referral import RequestReferral
from domain.roles import Role
from domain.shares import AccessPurpose, Basis, GrantShare, RevokeShare, SharedContent
from tests.support.access_model import BrokenOnce, History, SharedOnce
from tests.support.pathways import NOW

TERRITORIES = ("FR-34", "FR-30")
AGENCIES = ("ccas-montpellier", "mission-locale", "siao-34", "caf-34")
AGENTS = ("ada", "boris")
HOUR = timedelta(hours=1)
MOTIVE = "The person was found unconscious."
HOUSING = "logement-hebergement--louer-un-logement"


class World:
    """One pathway, and what happened on it."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.at = NOW
        territory, agency = random.choice(TERRITORIES), random.choice(AGENCIES)
        act = self._act(agency)
        self.pathway: Pathway = open_pathway(OpenPathway(), territory, act, self._id(), self._id())
        self.history = History(pathway=self.pathway.id, territory=territory, opened_by=agency)
        for _ in range(random.randint(0, 9)):
            self.at += random.choice((HOUR, 3 * HOUR, 20 * HOUR))
            random.choice(STEPS)(self)
        self.events = [event for event in self.pathway.collect_events() if isinstance(event, Event)]

    def _id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def _act(self, agency: str) -> Act:
        return Act(agency=agency, agent=self.random.choice(AGENTS), at=self.at, today=self.at.date(), new_id=self._id)

    def _done(self, agency: str, command: Command) -> tuple[UUID | None, str] | None:
        """What it recorded and who acted; None when it was refused."""
        act = self._act(agency)
        try:
            return command.decide(self.pathway, act), str(act.agent)
        except DomainError:
            return None

    def _somebody(self) -> str:
        return self.random.choice(sorted(self.history.taking_part()))

    def ask(self) -> None:
        to_agency = self.random.choice(AGENCIES)
        if self._done(self._somebody(), RequestReferral(to_agency=to_agency, theme=HOUSING)):
            self.history.asked.append(to_agency)

    def name_referent(self) -> None:
        by, named = self._somebody(), self.random.choice(AGENCIES)
        if self._done(by, AssignReferent(to_agency=named)):
            self.history.referents.append((by, named))

    def consent(self) -> None:
        to_agency = self.random.choice(AGENCIES)
        done = self._done(self._somebody(), GiveConsent(purpose=Purpose.SHARING, to_agency=to_agency))
        if done is not None and done[0] is not None:
            self.history.consents[done[0]] = to_agency

    def withdraw(self) -> None:
        for consent in sorted(self.history.consents)[:1]:
            if self._done(self._somebody(), WithdrawConsent(consent_id=consent)):
                del self.history.consents[consent]

    def share(self) -> None:
        random, agency, to_agency = self.random, self._somebody(), self.random.choice(AGENCIES)
        consent = next((each for each, to in sorted(self.history.consents.items()) if to == to_agency), None)
        contents = tuple(content for content in SharedContent if random.random() < 0.5)
        command = GrantShare(
            to_agency=to_agency,
            purpose=random.choice(list(AccessPurpose)),
            basis=Basis.CONSENT if consent else Basis.COORDINATED_CARE,
            until=self.at + random.choice((HOUR, 30 * HOUR, 3000 * HOUR)),
            contents=contents,
            consent_id=consent,
        )
        done = self._done(agency, command)
        if done is not None and done[0] is not None:
            names = {content.value for content in contents}
            self.history.shares[done[0]] = SharedOnce(
                agency, to_agency, names, command.purpose.value, command.until, consent
            )

    def revoke(self) -> None:
        for share in sorted(self.history.shares)[:1]:
            if self._done(self.history.shares[share].by_agency, RevokeShare(share_id=share)):
                self.history.shares[share].revoked = True

    def break_glass(self) -> None:
        agency = self.random.choice(AGENCIES)
        done = self._done(agency, BreakTheGlass(motive=MOTIVE))
        if done is not None and done[0] is not None:
            self.history.glass[done[0]] = BrokenOnce(agency, done[1], self.at + OPEN_FOR)

    def review(self) -> None:
        for broken in sorted(self.history.glass)[:1]:
            justified = self.random.random() < 0.5
            command = ReviewBreakGlass(break_glass_id=broken, justified=justified)
            if self._done(self.random.choice(AGENCIES), command):
                self.history.glass[broken].found_unjustified = not justified


STEPS = (
    World.ask,
    World.name_referent,
    World.consent,
    World.withdraw,
    World.share,
    World.share,
    World.revoke,
    World.break_glass,
    World.review,
)


def some_caller(random: Random, worlds: list[World]) -> tuple[Caller, datetime]:
    """Of any kind: software, people with some roles or none, scopes that were cut; and when they ask.

    Often whom something was opened to, close to the instant at which that ends.
    """
    means, roles = random.choice(list(Means)), random.sample(list(Role), random.choice((0, 1, 1, 2)))
    agency, agent = random.choice(AGENCIES), random.choice((*AGENTS, None))
    territory, at = random.choice((TERRITORIES[0], *TERRITORIES)), NOW + random.choice((0, 10, 1000)) * HOUR
    ends = [end for world in worlds for end in _ends(world.history)]
    if ends and random.random() < 0.6:
        territory, agency, agent, end = random.choice(ends)
        at = end + random.choice((-1, 0, 0, 1)) * random.choice((timedelta(microseconds=1), HOUR))
        means, roles = random.choice(((Means.PERSON, [Role.WORKER]), (Means.API_KEY, []), (means, roles)))
    scopes = frozenset(scope for scope in Scope if random.random() < 0.9)
    caller = Caller(territory=territory, agency=agency, agent=agent, means=means, roles=frozenset(roles), scopes=scopes)
    return caller, at


def _ends(history: History) -> Iterator[tuple[str, str, str | None, datetime]]:
    for share in history.shares.values():
        yield history.territory, share.to_agency, None, share.until
    for broken in history.glass.values():
        yield history.territory, broken.agency, broken.agent, broken.until


def stored(worlds: list[World], territory: str) -> list[Stored]:
    """The events of one territory, numbered as its log would."""
    events = [event for world in worlds if world.history.territory == territory for event in world.events]
    return [
        Stored(
            territory=territory,
            position=position,
            topic=type(event).TOPIC,
            event=msgspec.structs.replace(event, position=position),
            subject=None,
            correlation_id=None,
            causation_id=None,
        )
        for position, event in enumerate(events, start=1)
    ]
