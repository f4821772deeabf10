"""Rules tried on facts that are sent along, and what is stored of the territory judged again and compared."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Router, get, post

from api.bodies import BodyReader
from api.conditions import idempotency_key
from api.described import described
from api.moments import moment
from api.queries import Cursor, QueryReader, next_page
from api.replies import Reply, as_view, reply
from api.request import ApiRequest
from api.rules import TooManyRules, must_be_short, placed
from application.access import Scope
from application.evaluation import judge
from application.facts_file import FactLineRefused, read_facts
from domain.errors import DomainError
from domain.rule_publication import read_to_try
from domain.rules import CompiledRules, RuleRefused, compile_rules

FACTS_MAX = 500
WORK_MAX = 20_000
"""Rules times facts: tens of milliseconds, during which nobody else is answered."""
Pathways = Annotated[int, msgspec.Meta(ge=1, le=200, description="How many pathways to judge.")]


class FactsRefused(DomainError):
    """A fact is not valid."""

    code = "fact_invalid"
    status = 422
    title_fr = "Un fait n'est pas valide."


class EvaluationTooLarge(DomainError):
    """Too many rules for so many facts; judge them in parts, or at the command line."""

    code = "evaluation_too_large"
    status = 422
    title_fr = "Trop de règles pour autant de faits ; jugez-les par parties, ou en ligne de commande."


class EvaluationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Rules, facts as `unisson facts export` writes them, and what time it is."""

    facts: Annotated[list[dict[str, Any]], msgspec.Meta(max_length=FACTS_MAX)]
    now: Annotated[datetime, msgspec.Meta(tz=True)]
    document: dict[str, Any] | None = None
    """A rule as JSON, or `{groups, rules}`; null: the rules in force in the territory."""


class Judgement(msgspec.Struct, kw_only=True):
    """One obligation."""

    rule: str
    version: int
    pathway: str
    activation: str
    target: str | None
    status: str
    open: str | None
    close: str | None
    at: str | None
    late_by: str | None
    evidence: list[str]
    near_misses: list[dict[str, str]]


class Judgements(msgspec.Struct, kw_only=True):
    """By rule, version, pathway, then activation in time order."""

    items: list[Judgement]


class ReconciliationQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    limit: Pathways = 100
    cursor: Cursor | None = None


class DifferenceView(msgspec.Struct, kw_only=True):
    """One obligation, or one next deadline (`rule` is null), that is not stored as it is judged."""

    pathway: UUID
    rule: str | None
    version: int | None
    activation: str | None
    target: str | None
    stored: str | None
    judged: str | None
    fields: list[str]


class ReconciliationPage(msgspec.Struct, kw_only=True):
    """Pathways judged again, in the order of their openings."""

    pathways: int
    obligations: int
    waiting: int
    """Not compared: being judged at this moment, or parked."""
    differences: list[DifferenceView]
    next: str | None
    """`cursor` of the next page; null at the end."""


EVALUATION = BodyReader(EvaluationBody)
RECONCILIATION_QUERY = QueryReader(ReconciliationQuery)


@post(
    "/rule-evaluations",
    name="evaluate-rules",
    status_code=200,
    opt=described(
        Scope.READ,
        answer=Judgements,
        body=EvaluationBody,
        repeatable=True,
        refusals=(RuleRefused, TooManyRules, FactsRefused, EvaluationTooLarge),
    ),
)
async def evaluate_rules(request: ApiRequest) -> Reply:
    """Judge rules on the facts that are sent. Nothing is kept and nobody is told."""
    body, _ = await EVALUATION.read(request)
    now = moment("/now", body.now)
    idempotency_key(request)
    calendars = request.runtime.calendars
    try:
        pathways = read_facts((msgspec.json.encode(fact) for fact in body.facts), calendars)
    except FactLineRefused as refusal:
        raise _placed(refusal) from None
    rules = await _rules(request, body)
    if len(rules.ruleset) * len(body.facts) > WORK_MAX:
        raise EvaluationTooLarge
    judged = judge(pathways, rules, calendars, now)
    return reply(Judgements(items=[msgspec.convert(one.line(), Judgement) for one in judged]))


@get(
    "/reconciliation",
    name="reconcile-obligations",
    opt=described(Scope.STEER, answer=ReconciliationPage, query=ReconciliationQuery),
)
async def reconcile(request: ApiRequest) -> Reply:
    """Judge a page of pathways again from their own events, and compare with what is stored. Nothing is changed."""
    query, caller, runtime = RECONCILIATION_QUERY.read(request), request.user, request.runtime
    path, now = request.scope["path"], runtime.clock.now()
    after = 0 if query.cursor is None else runtime.cursors.open(caller, path, query, query.cursor, int)
    page = await runtime.reconciliation.page(caller.territory, now, after=after, limit=query.limit)
    if page is None:
        return reply(ReconciliationPage(pathways=0, obligations=0, waiting=0, differences=[], next=None))
    place = runtime.cursors.seal(caller, path, query, page.cursor) if page.pathways == query.limit else None
    differences = [as_view(one, DifferenceView, fields=list(one.fields)) for one in page.differences]
    headers = next_page(request, cursor=place) if place else {}
    return reply(as_view(page, ReconciliationPage, differences=differences, next=place), headers=headers)


def _placed(refusal: FactLineRefused) -> FactsRefused:
    """Its place counted from the body: facts come there as a list."""
    fault, place = refusal.fault, f"/facts/{refusal.number - 1}"
    return FactsRefused(fault.en, detail_fr=fault.fr, field=place if fault.name is None else f"{place}/{fault.name}")


async def _rules(request: ApiRequest, body: EvaluationBody) -> CompiledRules:
    if body.document is None:
        return await request.runtime.rulebooks.in_force(request.user.territory)
    must_be_short(body.document)
    with placed():
        return compile_rules(read_to_try([body.document]))


routes = Router("/", route_handlers=[evaluate_rules, reconcile], tags=["rules"])
