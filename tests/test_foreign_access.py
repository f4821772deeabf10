"""Every route behind the door, called by everybody on what is theirs, shared with them, was shared, and never was.

What is refused is what the decision table refuses; what is refused as absent is so to the byte; nothing is let through.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from api.app import routes
from api.authentication import Door
from api.limits import Limits
from api.request import ApiRequest
from application.access import KEY_SCOPES, Caller, Means, Scope
from application.authorisation import Forbidden, PurposeRequired, authorise, may_ever
from application.decision_table import ON_PATHWAY, Action
from application.memberships import scopes_of
from application.route_rights import RIGHTS
from application.service_clients import SERVICE_SCOPES
from domain.catalogue import COMMANDS, OPENING
from domain.clock import SettableClock
from domain.pathway import NotAParticipant, Pathway
from domain.roles import Role
from tests.support.service import CCAS, NOW, TERRITORY, Agency, Service, running
from tests.support.stories import EVENTFUL

SIAO = "siao-34"
STORY = {type(command): command for _, command in EVENTFUL}
LATER = (NOW + timedelta(days=10)).isoformat()
BODIES: dict[str, Any] = {
    "grant-share": {"to_agency": "caf-34", "purpose": "referral", "basis": "casf-l121-6-2", "until": LATER},
    "break-glass": {"motive": "Found unconscious; the hospital calls."},
    "review-break-glass": {"justified": True},
    "request-erasure": {"ground": "consent_withdrawn"},
    "restrict-pathway": {"ground": "accuracy_contested"},
    "place-hold": {"ground": "litigation"},
    "verify-webhook-endpoint": {"challenge": "guessed"},
    "replay-webhook-message": {"message_id": str(uuid4())},
    "ask-for-webhook-recovery": {"since": NOW.isoformat()},
}
"""Of routes that are no command of the catalogue; `{}` unless named here."""
QUERIES = {
    "open-contents": "?compartments=identity&purpose=accompaniment",
    "compare-pathway": "?since=1",
}
READS = frozenset({"GET"})


class Whom(msgspec.Struct, frozen=True):
    """Somebody who calls, and what the application must take them for."""

    name: str
    client: Agency
    caller: Caller


class Called(msgspec.Struct, frozen=True):
    """A route on a pathway."""

    method: str
    path: str
    handler: HTTPRouteHandler

    @property
    def name(self) -> str:
        return self.handler.name or ""

    @property
    def scope(self) -> Scope:
        usual = Scope.READ if self.method in READS else Scope.WRITE
        scope: Scope = self.handler.opt.get("right", usual)
        return scope


def behind_the_door() -> Iterator[Called]:
    app = Litestar(route_handlers=routes(), request_class=ApiRequest, openapi_config=None, logging_config=None)
    for route in app.routes:
        for method, (handler, _) in getattr(route, "route_handler_map", {}).items():
            if method != "OPTIONS" and any(isinstance(each, Door) for each in handler.resolve_middleware()):
                yield Called(method, route.path, handler)


EVERY = tuple(behind_the_door())
ROUTES = tuple(each for each in EVERY if RIGHTS.get(each.name) in ON_PATHWAY and "{pathway_id" in each.path)
LISTS = tuple(each for each in EVERY if each.method in READS and "{" not in each.path.replace("{agency:str}", ""))


def body_of(name: str) -> Any:
    """A body that nothing is wrong with: what is refused is refused for who asks."""
    spec = next((spec for spec in COMMANDS if spec.name == name), None)
    if spec is None:
        return BODIES.get(name, {})
    fields = json.loads(msgspec.json.encode(STORY[spec.command_type]))
    left_out = {spec.entry_field, "id"}
    return {field: value for field, value in fields.items() if value is not None and field not in left_out}


@pytest.fixture
async def clock() -> SettableClock:
    return SettableClock(NOW)


@pytest.fixture
async def service(database_url: str, tmp_path: Path, clock: SettableClock) -> AsyncIterator[Service]:
    limits = Limits(requests_per_second=100_000, burst=100_000, stream_seconds=0)
    async with running(database_url, tmp_path, clock=clock, limits=limits) as opened:
        yield opened


async def everybody(service: Service) -> list[Whom]:
    """All at one agency: its key, its software, and a person in each role."""
    key = Caller(territory=TERRITORY, agency=SIAO, scopes=KEY_SCOPES)
    software = Caller(territory=TERRITORY, agency=SIAO, scopes=SERVICE_SCOPES, means=Means.SERVICE)
    found = [
        Whom("key", await service.agency(SIAO, scopes=KEY_SCOPES), key),
        Whom("software", await service.partner(SIAO), software),
    ]
    for role in Role:
        roles = frozenset({role})
        caller = Caller(territory=TERRITORY, agency=SIAO, scopes=scopes_of(roles), means=Means.PERSON, roles=roles)
        found.append(Whom(role.value, await service.person(role, agency=SIAO), caller))
    return found


async def four_pathways(service: Service, clock: SettableClock) -> dict[str, UUID]:
    """Of the agency itself, shared with it, no longer shared with it, and never its own to know."""
    theirs = await service.person(Role.WORKER, agency=CCAS)
    places = {"own": await (await service.agency(SIAO)).opened()}
    for name, minutes in {"shared": 10_000, "expired": 5, "foreign": 0}.items():
        places[name] = await theirs.opened()
        if minutes:
            until = (clock.now() + timedelta(minutes=minutes)).isoformat()
            share = BODIES["grant-share"] | {"to_agency": SIAO, "until": until}
            assert (await theirs.command(f"{places[name]}/shares", share)).status_code == 201
    clock.advance(timedelta(minutes=5))
    return {name: UUID(place.rpartition("/")[2]) for name, place in places.items()}


def expected(called: Called, whom: Whom, pathway: Pathway, clock: SettableClock) -> str:
    """What the application must answer: door, absent, forbidden or yes."""
    action = RIGHTS[called.name]
    assert action is not None
    if called.scope not in whom.caller.scopes or not may_ever(whom.caller, action):
        return "door"
    try:
        purpose = "accompaniment" if called.name == "open-contents" else None
        authorise(whom.caller, action, pathway, at=clock.now(), purpose=purpose)
    except NotAParticipant:
        return "absent"
    except Forbidden:
        return "forbidden"
    except PurposeRequired:
        return "purpose"
    return "yes"


async def ask(called: Called, whom: Whom, pathway: UUID) -> tuple[int, dict[str, Any]]:
    path = called.path.replace("{pathway_id:uuid}", str(pathway))
    for name in ("entry_id", "access_id"):
        path = path.replace(f"{{{name}:uuid}}", str(pathway))  # The opening is an entry under the pathway's own id.
    assert "{" not in path, "an example of this parameter is missing here"
    headers = {"Idempotency-Key": str(uuid4()), "If-Match": '"v1"'}
    options: dict[str, Any] = {} if called.method in READS else {"json": body_of(called.name)}
    response = await whom.client.request(called.method, path + QUERIES.get(called.name, ""), headers=headers, **options)
    told = json.loads(response.text) if response.text.startswith("{") else {}
    return response.status_code, {name: value for name, value in told.items() if name not in ("trace_id", "instance")}


def test_the_matrix_holds_every_route_on_a_pathway() -> None:
    named = {called.name for called in ROUTES}
    actions = {name for name, action in RIGHTS.items() if action in ON_PATHWAY}
    elsewhere = {"send-batch", "list-break-glass", "list-all-accesses"}
    about_alerts = {name for name in actions - named if RIGHTS[name] is Action.AUDIT_REPLAY}
    assert actions - named - elsewhere - about_alerts == set()
    assert {spec.name for spec in COMMANDS} - {OPENING.name} <= named


async def test_everybody_gets_on_each_route_what_the_table_says_and_strangers_nothing(
    service: Service, clock: SettableClock
) -> None:
    places = await four_pathways(service, clock)
    log = service.runtime.log
    pathways = {}
    for name, pathway_id in places.items():
        pathway: Pathway | None = None
        for stored in await log.read_stream(TERRITORY, pathway_id):
            pathway = stored.event.mutate(pathway)
        assert pathway is not None
        pathways[name] = pathway
    callers, counts = await everybody(service), dict.fromkeys(("door", "absent", "forbidden", "purpose", "yes"), 0)

    async def check(called: Called, whom: Whom, name: str) -> None:
        wanted = expected(called, whom, pathways[name], clock)
        if wanted == "yes" and called.method not in READS:
            return  # Nothing is changed here, so that each answer depends on who asks alone.
        counts[wanted] += 1
        status, told = await ask(called, whom, places[name])
        where = (called.name, whom.name, name, wanted, status, told.get("code"))
        match wanted:
            case "door":
                assert (status, told.get("code") in {"scope_required", "forbidden"}) == (403, True), where
            case "absent":
                assert (status, told.get("code")) in {(404, "unknown_pathway"), (403, "mandate_required")}, where
                assert (status, told) == await ask(called, whom, uuid4()), where
            case "forbidden":
                assert (status, told.get("code")) == (403, "forbidden"), where
            case "purpose":
                assert (status, told.get("code")) == (422, "purpose_required"), where
            case _:
                assert status < 400 or told.get("code") not in {"forbidden", "unknown_pathway"}, where
                assert status < 500, where

    everything = [(called, whom, name) for called in ROUTES for whom in callers for name in places]
    for start in range(0, len(everything), 16):
        await asyncio.gather(*(check(*each) for each in everything[start : start + 16]))
    assert min(counts.values()) > 0, counts
    assert sum(counts.values()) > 2000, counts


async def test_no_list_names_a_pathway_that_is_not_for_its_reader(service: Service, clock: SettableClock) -> None:
    places = await four_pathways(service, clock)
    head = await service.runtime.log.head(TERRITORY)
    assert await service.runtime.follower.caught_up(TERRITORY, head, 20)
    callers, told = await everybody(service), 0
    for called in LISTS:
        for whom in callers:
            path = called.path.replace("{agency:str}", CCAS) + QUERIES.get(called.name, "")
            response = await whom.client.get(path)
            assert response.status_code < 500, (called.name, whom.name)
            hidden = [places["foreign"], places["expired"]]
            if whom.name not in {Role.DPO, Role.COORDINATOR}:
                assert not any(str(each) in response.text for each in hidden), (called.name, whom.name)
            told += str(places["own"]) in response.text
    assert told > 5, "nothing was listed at all"


async def test_what_another_agency_set_up_is_not_there(service: Service) -> None:
    owner, other = await service.agency(CCAS, scopes=KEY_SCOPES), await service.agency(SIAO, scopes=KEY_SCOPES)
    made = await owner.command("/v1/webhook-endpoints", {"url": "https://ccas.example/hook"})
    assert made.status_code == 201, made.text
    called = [each for each in EVERY if "{endpoint_id:uuid}" in each.path]
    assert len(called) > 5
    for each in called:
        answers = []
        for endpoint in (made.json()["id"], str(uuid4())):
            path = each.path.replace("{endpoint_id:uuid}", endpoint)
            path = path.replace("{recovery_id:uuid}", str(uuid4())).replace("{message_id:uuid}", str(uuid4()))
            options: dict[str, Any] = {} if each.method in READS else {"json": BODIES.get(each.name, {})}
            headers = {"Idempotency-Key": str(uuid4())}
            answers.append(await other.request(each.method, path, headers=headers, **options))
        assert [answer.status_code for answer in answers] == [404, 404], each.name
        assert len({answer.json()["code"] for answer in answers}) == 1, each.name
    described = await other.put(f"/v1/agencies/{CCAS}", json={"name": "Taken over"})
    assert described.status_code == 403
