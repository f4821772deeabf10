"""The rules of a territory: everyone reads them; keys that may steer draft, publish and retire them."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from typing import Any

import msgspec
from litestar import Router, get, post
from litestar.params import FromPath

from api.bodies import BodyReader
from api.conditions import etag, fingerprint, idempotency_key, if_match
from api.described import described
from api.freshness import shown
from api.queries import Cursor, Limit, Position, QueryReader, next_page
from api.replies import Reply, as_view, reply
from api.request import ApiRequest, correlation_id
from application.access import Scope
from application.rulebooks import Order, Receipt
from application.rules_listed import ListedRule, listed
from domain.errors import DomainError
from domain.rule_publication import (
    AlreadyPublished,
    BacktestRequired,
    DifferenceRequired,
    DraftRule,
    NotPublished,
    PublishRule,
    RetireRule,
    RulebookCommand,
    RulebookFull,
    SecondPersonRequired,
    Version,
    VersionImmutable,
    VersionNotLater,
    WithdrawDraft,
)
from domain.rulebook import BacktestMode, Difference, UnknownRule
from domain.rules import Rule, RuleRefused
from domain.rules.lint import Remark
from domain.rules.rule import RuleState
from domain.rules.sentence import sentence_of
from projections.rulebook import Rulebook, versions

RULES_MAX = 100
"""Of one document: tens of milliseconds, during which nobody else is answered."""


class TooManyRules(DomainError):
    """A document sent here holds at most a hundred rules; send it in parts, or use the command line."""

    code = "too_many_rules"
    status = 422
    title_fr = "Un document envoyé ici contient au plus cent règles ; envoyez-le par parties, ou en ligne de commande."


class RuleBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as JSON, or `{groups, rules}`."""

    document: dict[str, Any]


class PublicationStage(StrEnum):
    SHADOW = "shadow"
    ACTIVE = "active"


class PublicationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a version goes."""

    to: PublicationStage
    """`shadow`: judged, and nobody is told. `active`: it raises alerts."""


class RetirementBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to be judged no more."""

    version: Version | None = None
    """Null: every version in force."""


class WithdrawalBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which draft is given up."""

    version: Version


class RuleLine(msgspec.Struct, kw_only=True):
    """One version of one rule."""

    rule: str
    version: int
    state: RuleState
    kind: str
    shipped: bool
    """It came with the product."""
    effective_from: str | None
    """First day of the activations it judges; null: all."""
    effective_to: str | None
    digest: str | None
    """SHA-256 of the document; null for what came with the product."""
    changed_at: datetime | None


class RulePage(msgspec.Struct, kw_only=True):
    items: list[RuleLine]
    next: str | None
    """`cursor` of the next page; null at the end."""


class RuleVersions(msgspec.Struct, kw_only=True):
    """Every version of one rule, the first first."""

    items: list[RuleLine]


class BacktestView(msgspec.Struct, kw_only=True):
    """A stored trial on the territory's past."""

    id: str
    mode: BacktestMode
    digest: str
    known_at: int
    pathways: int
    activations: int
    alerts: int
    difference: Difference | None


class Spoken(msgspec.Struct, kw_only=True):
    """The same in both languages, made from the document alone."""

    fr: str
    en: str


class RuleView(RuleLine, kw_only=True):
    """One version of one rule, with what it says."""

    sentence: Spoken
    document: dict[str, Any]
    backtests: list[BacktestView]
    """Of this very document."""


class RuleRecorded(msgspec.Struct, kw_only=True):
    """The rulebook says so; durable."""

    rule: str
    version: int | None
    state: RuleState | None
    digest: str | None
    position: int
    """Of the last event; 0 when nothing changed."""


class LintedRule(msgspec.Struct, kw_only=True):
    """A rule as it was understood."""

    rule: str
    version: int
    sentence: Spoken


class Linted(msgspec.Struct, kw_only=True):
    """The rules can be drafted; some of this may be worth a look."""

    rules: list[LintedRule]
    remarks: list[Remark]


class RulesQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    state: RuleState | None = None
    limit: Limit = 100
    cursor: Cursor | None = None
    at_least: Position | None = None


class RuleQuery(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    at_least: Position | None = None


RULES_QUERY = QueryReader(RulesQuery)
RULE_QUERY = QueryReader(RuleQuery)
RULE = BodyReader(RuleBody)
PUBLICATION = BodyReader(PublicationBody)
RETIREMENT = BodyReader(RetirementBody)
WITHDRAWAL = BodyReader(WithdrawalBody)


@get("/", name="list-rules", opt=described(answer=RulePage, query=RulesQuery, waits=True))
async def list_rules(request: ApiRequest) -> Reply:
    """List the rules of the territory with all their versions: the product's and its own, drafts included."""
    query, caller, cursors = RULES_QUERY.read(request), request.user, request.runtime.cursors
    path = request.scope["path"]
    after = ("", 0) if query.cursor is None else cursors.open(caller, path, query, query.cursor, tuple[str, int])
    headers = await shown(request, [Rulebook.name], query.at_least)
    shipped = request.runtime.rulebooks.rules.shipped
    rows = await versions(
        request.runtime.pool,
        caller.territory,
        {rule.slug for rule in shipped},  # They say which of the product's still stand.
        after=after,
        state=query.state,
        limit=query.limit + 1,
    )
    wanted = [
        rule
        for rule in listed(shipped, rows)
        if (rule.slug, rule.version) > after and query.state in (None, rule.state)
    ]
    page = wanted[: query.limit]
    place = None
    if len(wanted) > len(page):
        place = cursors.seal(caller, path, query, (page[-1].slug, page[-1].version))
        headers |= next_page(request, cursor=place)
    return reply(RulePage(items=[line(rule) for rule in page], next=place), headers=headers)


@get(
    "/{slug:str}",
    name="read-rule",
    opt=described(answer=RuleVersions, query=RuleQuery, waits=True, refusals=(UnknownRule,)),
)
async def read_rule(request: ApiRequest, slug: FromPath[str]) -> Reply:
    """Read every version of one rule."""
    headers = await shown(request, [Rulebook.name], RULE_QUERY.read(request).at_least)
    rows = await versions(request.runtime.pool, request.user.territory, [slug])
    found = [line(rule) for rule in listed(request.runtime.rulebooks.rules.shipped, rows) if rule.slug == slug]
    if not found:
        raise UnknownRule
    return reply(RuleVersions(items=found), headers=headers)


@get(
    "/{slug:str}/versions/{version:int}",
    name="read-rule-version",
    opt=described(answer=RuleView, refusals=(UnknownRule,)),
)
async def read_rule_version(request: ApiRequest, slug: FromPath[str], version: FromPath[int]) -> Reply:
    """Read one version of a rule: what it says, and the backtests it went through."""
    rulebooks = request.runtime.rulebooks
    rulebook = await rulebooks.read(request.user.territory)
    own = rulebook.versions.get((slug, version))
    rules = listed(rulebooks.rules.shipped, rulebook.versions.values())
    found = next((rule for rule in rules if (rule.slug, rule.version) == (slug, version)), None)
    if found is None:
        raise UnknownRule
    tried = () if own is None else own.tried
    view = RuleView(
        **msgspec.structs.asdict(line(found)),
        sentence=spoken(found.rule),
        document=dict(found.document),
        backtests=[as_view(each, BacktestView, id=str(each.id)) for each in tried],
    )
    return reply(view, headers=tag(rulebook.version))


@post(
    "/lint",
    name="lint-rules",
    status_code=200,
    opt=described(Scope.READ, answer=Linted, body=RuleBody, repeatable=True, refusals=(RuleRefused, TooManyRules)),
)
async def lint_rules(request: ApiRequest) -> Reply:
    """Try whether rules can be drafted, and what is doubtful about them. Nothing is kept."""
    body, _ = await RULE.read(request)
    idempotency_key(request)
    must_be_short(body.document)
    with placed():
        ruleset, remarks = await request.runtime.rulebooks.lint(request.user.territory, body.document)
    rules = [LintedRule(rule=rule.slug, version=rule.version, sentence=spoken(rule)) for rule in ruleset]
    return reply(Linted(rules=rules, remarks=remarks))


@post(
    "/",
    name="draft-rule",
    opt=described(
        Scope.STEER,
        answer=RuleRecorded,
        status=201,
        body=RuleBody,
        repeatable=True,
        versioned=True,
        refusals=(RuleRefused, TooManyRules, VersionImmutable, VersionNotLater, RulebookFull),
    ),
)
async def draft_rule(request: ApiRequest) -> Reply:
    """Draft a version of a rule, or write its draft anew. Nothing is judged by it."""
    body, raw = await RULE.read(request)
    must_be_short(body.document)
    receipt = await carry_out(request, DraftRule(document=body.document), raw)
    place = f"/v1/rules/{receipt.outcome.rule}/versions/{receipt.outcome.version}"
    return answer(receipt, status=201, headers={"Location": place})


@post(
    "/{slug:str}/versions/{version:int}/publications",
    name="publish-rule",
    status_code=200,
    opt=described(
        Scope.STEER,
        answer=RuleRecorded,
        body=PublicationBody,
        repeatable=True,
        versioned=True,
        refusals=(
            UnknownRule,
            RuleRefused,
            VersionNotLater,
            AlreadyPublished,
            BacktestRequired,
            DifferenceRequired,
            SecondPersonRequired,
        ),
    ),
)
async def publish_rule(request: ApiRequest, slug: FromPath[str], version: FromPath[int]) -> Reply:
    """Put a version in shadow, or let it raise alerts. It can never change again; nobody is told one by one."""
    body, raw = await PUBLICATION.read(request)
    command = PublishRule(slug=slug, version=version, active=body.to is PublicationStage.ACTIVE)
    return answer(await carry_out(request, command, raw))


@post(
    "/{slug:str}/retirements",
    name="retire-rule",
    status_code=200,
    opt=described(
        Scope.STEER,
        answer=RuleRecorded,
        body=RetirementBody,
        repeatable=True,
        versioned=True,
        refusals=(UnknownRule, NotPublished),
    ),
)
async def retire_rule(request: ApiRequest, slug: FromPath[str]) -> Reply:
    """Judge a rule no more, or one of its versions. What it raised is cleared, because the rules changed."""
    body, raw = await RETIREMENT.read(request)
    return answer(await carry_out(request, RetireRule(slug=slug, version=body.version), raw))


@post(
    "/{slug:str}/withdrawals",
    name="withdraw-rule-draft",
    status_code=200,
    opt=described(
        Scope.STEER,
        answer=RuleRecorded,
        body=WithdrawalBody,
        repeatable=True,
        versioned=True,
        refusals=(UnknownRule, VersionImmutable),
    ),
)
async def withdraw_draft(request: ApiRequest, slug: FromPath[str]) -> Reply:
    """Give up a draft. Its number may be used again."""
    body, raw = await WITHDRAWAL.read(request)
    return answer(await carry_out(request, WithdrawDraft(slug=slug, version=body.version), raw))


def spoken(rule: Rule) -> Spoken:
    return Spoken(fr=sentence_of(rule, "fr"), en=sentence_of(rule, "en"))


def line(rule: ListedRule) -> RuleLine:
    return as_view(rule, RuleLine, rule=rule.slug)


async def carry_out(request: ApiRequest, command: RulebookCommand, raw: bytes) -> Receipt:
    """In the name of the caller's agency and agent, once for each idempotency key."""
    caller = request.user
    order = Order(
        territory=caller.territory,
        command=command,
        by=caller.agency,
        agent=caller.agent,
        if_match=if_match(request),
        idempotency_key=idempotency_key(request),
        fingerprint=fingerprint(request, raw),
        correlation_id=correlation_id(request.scope),
    )
    with placed():
        return await request.runtime.rulebooks.carry_out(order)


def must_be_short(document: dict[str, Any]) -> None:
    """Raises TooManyRules, before any of them is read."""
    rules = document.get("rules")
    if isinstance(rules, list) and len(rules) > RULES_MAX:
        raise TooManyRules(field="/document/rules")


@contextmanager
def placed() -> Iterator[None]:
    """What refuses a rule here is refused with its place counted from the body."""
    try:
        yield
    except RuleRefused as refusal:
        raise refusal.below("/document") from None


def answer(receipt: Receipt, *, status: int = 200, headers: dict[str, str] | None = None) -> Reply:
    sent = tag(receipt.rulebook_version) | {"X-Position": str(receipt.position)} | (headers or {})
    if receipt.replayed:
        sent["Idempotency-Replayed"] = "true"
    return reply(as_view(receipt.outcome, RuleRecorded, position=receipt.position), status=status, headers=sent)


def tag(rulebook_version: int) -> dict[str, str]:
    """Of the whole rulebook: whoever publishes may want it as it was seen."""
    return {"ETag": etag(rulebook_version)}


routes = Router(
    "/rules",
    route_handlers=[
        list_rules,
        read_rule,
        read_rule_version,
        lint_rules,
        draft_rule,
        publish_rule,
        retire_rule,
        withdraw_draft,
    ],
    tags=["rules"],
)
