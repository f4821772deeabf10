"""How each rule fares: who steers or coordinates sees the whole territory, an agency's lead and software their own."""

from datetime import date
from enum import StrEnum
from typing import Any

import msgspec
from litestar import Router, get
from litestar.params import FromPath

from api.described import described
from api.freshness import shown
from api.queries import Cursor, InvalidQuery, Limit, Position, QueryReader, next_page
from api.replies import Reply, reply
from api.request import ApiRequest
from api.rule_table import COLUMNS, flat, instants, period
from api.spreadsheet import CSV, as_csv
from application.authorisation import Forbidden, may_ever
from application.decision_table import Action
from application.rules_listed import listed
from domain.agency import Code
from domain.rulebook import UnknownRule
from projections.rule_figures import BEFORE_ANY, Asked, Figures, figures
from projections.rule_health import RuleHealth
from projections.rulebook import versions


class By(StrEnum):
    AGENCY = "agency"


class HealthQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    first: date | None = msgspec.field(default=None, name="from")
    """First day of the period, by the territory's calendar; by default, ninety days with the last."""
    last: date | None = msgspec.field(default=None, name="to")
    """Last day of the period; today by default."""
    by: By | None = None
    """`agency`: a line for each agency told."""
    agency: Code | None = None
    """That agency's lines only."""
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class HealthPage(msgspec.Struct, kw_only=True):
    """The rules that raised something in the period, or that tell something now, by name and version."""

    first: date = msgspec.field(name="from")
    last: date = msgspec.field(name="to")
    items: list[Figures]
    next: str | None
    """`cursor` of the next page; null at the end."""


SEEING_ALL = (Action.STEER, Action.READ_EVERY_RULE_HEALTH)
QUERY = QueryReader(HealthQuery)
HEALTH: dict[str, Any] = {"answer": HealthPage, "query": HealthQuery, "waits": True, "also": (CSV,)}


@get("/health", name="list-rule-health", opt=described(**HEALTH))
async def list_rule_health(request: ApiRequest) -> Reply:
    """Tell how the rules fare: what they raised, what was done about it, and which are to be looked at again.

    Everything as one table for a spreadsheet, where `Accept` asks for CSV.
    """
    return await _told(request, None)


@get("/{slug:str}/health", name="read-rule-health", opt=described(**HEALTH, refusals=(UnknownRule,)))
async def read_rule_health(request: ApiRequest, slug: FromPath[str]) -> Reply:
    """Tell how one rule fares, version by version."""
    rows = await versions(request.runtime.pool, request.user.territory, [slug])
    if not any(rule.slug == slug for rule in listed(request.runtime.rulebooks.rules.shipped, rows)):
        raise UnknownRule
    return await _told(request, slug)


async def _told(request: ApiRequest, rule: str | None) -> Reply:
    query, caller, cursors = QUERY.read(request), request.user, request.runtime.cursors
    (first, last), asked = _asked(request, query, rule)
    headers = await shown(request, [RuleHealth.name], query.at_least, with_alerts=True)
    if CSV in (request.header("accept") or ""):
        table = as_csv(COLUMNS, map(flat, await figures(request.runtime.pool, asked)))
        headers |= {"Content-Disposition": f'attachment; filename="rules-{first}-{last}.csv"'}
        return Reply(table, 200, headers, f"{CSV}; charset=utf-8; header=present".encode())
    path = request.scope["path"]
    after = (
        BEFORE_ANY if query.cursor is None else cursors.open(caller, path, query, query.cursor, tuple[str, int, str])
    )
    found = await figures(request.runtime.pool, asked, after=after, limit=query.limit + 1)
    page, place = found[: query.limit], None
    if len(found) > len(page):
        place = cursors.seal(caller, path, query, (page[-1].rule, page[-1].version, page[-1].agency or ""))
        headers |= next_page(request, cursor=place)
    return reply(HealthPage(first=first, last=last, items=page, next=place), headers=headers)


def _asked(request: ApiRequest, query: HealthQuery, rule: str | None) -> tuple[tuple[date, date], Asked]:
    """The period, and what to count in it. Raises Forbidden for the figures of others, InvalidQuery."""
    caller, now = request.user, request.runtime.clock.now()
    sees_all = any(may_ever(caller, action) for action in SEEING_ALL)
    agency = query.agency if sees_all else caller.agency
    if query.agency not in (None, agency):
        raise Forbidden("You see the figures of your own agency.", field="?agency")
    zone = request.runtime.calendars.of(caller.territory).tz
    days = period(query.first, query.last, now.astimezone(zone).date())
    if days is None:
        fault = ("?from", "out_of_range", "This period cannot be counted.", "Cette période ne peut être comptée.")
        raise InvalidQuery(faults=[fault])
    since, until = instants(days, zone)
    asked = Asked(
        territory=caller.territory,
        since=since,
        until=until,
        now=now,
        by_agency=query.by is By.AGENCY,
        agency=agency,
        as_told=not sees_all,
        rule=rule,
    )
    return days, asked


routes = Router("/rules", route_handlers=[list_rule_health, read_rule_health], tags=["rules"])
