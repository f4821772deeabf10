"""`unisson rules lint|list|show|draft|withdraw|publish|retire`: the rules that a territory judges by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from cyclopts import App, Parameter

from api.cli import installation
from api.cli.failure import Failure, Status
from api.cli.files import unusable
from api.cli.language import language, say
from api.cli.output import Agency, Agent, Json, Territory, write_json, write_line
from application.agencies import Agencies
from application.evaluation import read_now
from application.facts_file import FactLineRefused, read_facts
from application.rulebook import load_documents, one_by_one, shipped_rules
from application.rulebooks import DraftRefused, Order, Outcome, Rulebooks, lint_rules
from application.rules_in_force import RulesInForce
from application.rules_listed import ListedRule, listed
from domain.agency import AgencyIsClosed, UnknownAgency
from domain.clock import SystemClock
from domain.errors import DomainError
from domain.rule_publication import PublishRule, RetireRule, RulebookCommand, WithdrawDraft, read_to_draft
from domain.rules import Calendars, Rule, RuleRefused, Ruleset
from domain.rules.lint import Remark, never_activated, refuse_cycles
from domain.rules.rule import RuleState
from domain.rules.sentence import sentence_of

File = Annotated[Path, Parameter(help=say("Règles en YAML.", "Rules in YAML."))]
Slug = Annotated[str, Parameter(help=say("Le nom de la règle.", "The rule's name."))]
Version = Annotated[int, Parameter(help=say("Sa version.", "Its version."))]


def add_to(app: App) -> None:
    """Beside `evaluate` and `backtest`."""
    for command, name, french, english in (
        (lint, "lint", "Vérifier des règles, sans rien publier.", "Check rules; nothing is published."),
        (list_, "list", "Les règles d'un territoire et leur état.", "The rules of a territory and their states."),
        (show, "show", "Ce que dit une règle d'un territoire.", "What a rule of a territory says."),
        (draft, "draft", "Écrire des règles en brouillon.", "Draft rules."),
        (withdraw, "withdraw", "Abandonner un brouillon.", "Give up a draft."),
        (
            publish,
            "publish",
            "Publier une version essayée : à blanc, ou pour alerter. Elle ne change plus.",
            "Publish a version that was tried: in shadow, or to raise alerts. It never changes again.",
        ),
        (retire, "retire", "Ne plus juger une règle.", "Judge a rule no more."),
    ):
        app.command(command, name=name, help=say(french, english))


def lint(
    file: File,
    /,
    *,
    territory: Annotated[
        str | None,
        Parameter(help=say("Parmi les règles de ce territoire.", "Among the rules of this territory.")),
    ] = None,
    facts: Annotated[
        Path | None,
        Parameter(help=say("Faits où chercher de quoi les déclencher.", "Facts to look for what sets them off.")),
    ] = None,
    now: Annotated[
        str | None, Parameter(help=say("L'heure qu'il est, avec --facts.", "What time it is, with --facts."))
    ] = None,
    json: Json = False,
) -> None:
    if (facts is None) != (now is None):
        raise Failure("--facts et --now vont ensemble", "--facts and --now go together", Status.USAGE)
    ruleset, _ = _read(file)
    try:
        remarks = lint_rules(ruleset) if territory is None else installation.run(_remarks_on(ruleset, territory))
    except RuleRefused as error:
        raise _refused(file, error) from None
    if facts is not None and now is not None:
        remarks += _unused(ruleset, facts, now)
    if json:
        write_json({"rules": [_named(rule) for rule in ruleset], "remarks": remarks})
        return
    for rule in ruleset:
        write_line(f"{rule.slug}@{rule.version}  {sentence_of(rule, language())}")
    for remark in remarks:
        write_line(f"  {remark.rule}{remark.path}  {remark.fr if language() == 'fr' else remark.en}")


def list_(
    *,
    territory: Territory,
    state: Annotated[RuleState | None, Parameter(help=say("Dans cet état.", "In this state."))] = None,
    json: Json = False,
) -> None:
    rules = [rule for rule in installation.run(_rules(territory)) if state in (None, rule.state)]
    if json:
        write_json({"rules": [_told(rule) for rule in rules]})
        return
    names = [f"{rule.slug}@{rule.version}" for rule in rules]
    width = max(map(len, names), default=0)
    for name, rule in zip(names, rules, strict=True):
        since = rule.effective_from or say("toujours", "always")
        write_line(f"{name:<{width}}  {rule.state.value:<7}  {since:<10}  {rule.kind}")


def show(
    rule: Slug,
    /,
    *,
    territory: Territory,
    version: Annotated[
        int | None, Parameter(help=say("Sa version ; sinon, la dernière.", "Its version; the latest otherwise."))
    ] = None,
    json: Json = False,
) -> None:
    versions = [
        each for each in installation.run(_rules(territory)) if each.slug == rule and version in (None, each.version)
    ]
    if not versions:
        raise Failure("le territoire n'a pas de telle règle", "the territory has no such rule")
    found = versions[-1]
    if json:
        write_json(_told(found) | {"sentence": _spoken(found.rule), "document": found.document})
        return
    write_line(f"{found.slug}@{found.version}  {found.state.value}")
    write_line(sentence_of(found.rule, language()))


def draft(file: File, /, *, territory: Territory, agency: Agency, agent: Agent = None, json: Json = False) -> None:
    rules, documents = _read(file)
    try:
        refuse_cycles(rules)
        drafted = installation.run(_draft(territory, list(one_by_one(documents)), agency, agent))
    except DraftRefused as error:
        french = f"{file} : {error.rule} : {error.reason.detail_fr}"
        raise Failure(french, f"{file}: {error.rule}: {error.reason.detail}") from error
    except RuleRefused as error:
        raise _refused(file, error) from None
    _tell(drafted, as_json=json)


def withdraw(
    rule: Slug, /, *, version: Version, territory: Territory, agency: Agency, agent: Agent = None, json: Json = False
) -> None:
    _act(WithdrawDraft(slug=rule, version=version), territory, agency, agent, as_json=json)


def publish(
    rule: Slug,
    /,
    *,
    version: Version,
    to: Annotated[
        Literal["shadow", "active"],
        Parameter(
            help=say("shadow : jugée, personne n'est prévenu ; active.", "shadow: judged, nobody is told; active.")
        ),
    ],
    territory: Territory,
    agency: Agency,
    agent: Agent = None,
    json: Json = False,
) -> None:
    command = PublishRule(slug=rule, version=version, active=to == "active")
    _act(command, territory, agency, agent, as_json=json)


def retire(
    rule: Slug,
    /,
    *,
    version: Annotated[
        int | None,
        Parameter(help=say("Sa version ; sinon, toutes celles en vigueur.", "Its version; all in force otherwise.")),
    ] = None,
    territory: Territory,
    agency: Agency,
    agent: Agent = None,
    json: Json = False,
) -> None:
    _act(RetireRule(slug=rule, version=version), territory, agency, agent, as_json=json)


def _act(command: RulebookCommand, territory: str, agency: str, agent: str | None, *, as_json: bool) -> None:
    _tell([installation.run(_carry_out(territory, command, agency, agent))], as_json=as_json)


def _tell(outcomes: list[Outcome], *, as_json: bool) -> None:
    if as_json:
        write_json({"rules": outcomes})
        return
    for outcome in outcomes:
        version = "" if outcome.version is None else f"@{outcome.version}"
        state = say("abandonné", "withdrawn") if outcome.state is None else outcome.state.value
        write_line(f"{outcome.rule}{version}  {state}  {outcome.digest or ''}".rstrip())


def _read(file: Path) -> tuple[Ruleset, list[object]]:
    try:
        documents = load_documents(file.read_bytes())
        return read_to_draft(documents), documents
    except OSError as error:
        raise unusable(file, error) from error
    except RuleRefused as error:
        raise _refused(file, error) from None


def _refused(file: Path, error: RuleRefused) -> Failure:
    return Failure(f"{file} : {error.detail_fr}", f"{file}: {error.detail}")


def _unused(ruleset: Ruleset, facts: Path, now: str) -> list[Remark]:
    calendars = Calendars()
    try:
        instant = read_now(now)
        with facts.open("rb") as lines:
            pathways = read_facts(lines, calendars)
    except OSError as error:
        raise unusable(facts, error) from error
    except FactLineRefused as error:
        raise Failure(f"{facts} : {error.detail_fr}", f"{facts}: {error.detail}") from None
    except ValueError:
        raise Failure(
            "--now : date ou instant attendu", "--now: a date or an instant is expected", Status.USAGE
        ) from None
    return never_activated(ruleset.rules, {name: list(some) for name, some in pathways.items()}, calendars, instant)


async def _remarks_on(ruleset: Ruleset, territory: str) -> list[Remark]:
    async with installation.opened() as here:
        return await _rulebooks(here).remarks_on(ruleset, territory)


async def _rules(territory: str) -> list[ListedRule]:
    async with installation.opened() as here:
        rulebooks = _rulebooks(here)
        rulebook = await rulebooks.read(territory)
        return listed(rulebooks.rules.shipped, rulebook.versions.values())


async def _draft(territory: str, documents: Sequence[dict[str, Any]], agency: str, agent: str | None) -> list[Outcome]:
    async with installation.opened() as here:
        await _must_be_registered(here, territory, agency)
        return await _rulebooks(here).draft(territory, documents, by=agency, agent=agent)


async def _carry_out(territory: str, command: RulebookCommand, agency: str, agent: str | None) -> Outcome:
    async with installation.opened() as here:
        await _must_be_registered(here, territory, agency)
        order = Order(territory=territory, command=command, by=agency, agent=agent)
        try:
            return (await _rulebooks(here).carry_out(order)).outcome
        except DomainError as error:
            raise Failure(error.detail_fr, error.detail) from error


async def _must_be_registered(here: installation.Installation, territory: str, agency: str) -> None:
    """A name that nobody bears would pass for a second person. Over HTTP, the key says which agency it is."""
    try:
        found = await Agencies(here.log, SystemClock()).read(territory, agency)
    except UnknownAgency as error:
        raise Failure(f"--agency {agency} : {error.detail_fr}", f"--agency {agency}: {error.detail}") from None
    if found.is_closed:
        raise Failure(f"--agency {agency} : {AgencyIsClosed.title_fr}", f"--agency {agency}: {AgencyIsClosed.title()}")


def _rulebooks(here: installation.Installation) -> Rulebooks:
    calendars = Calendars()
    return Rulebooks(
        here.log, SystemClock(), RulesInForce(shipped_rules()), lambda territory: calendars.of(territory).tz
    )


def _told(rule: ListedRule) -> dict[str, object]:
    fields = msgspec.structs.asdict(rule)
    del fields["slug"], fields["rule"], fields["document"]
    return {"rule": rule.slug} | fields


def _named(rule: Rule) -> dict[str, object]:
    return {"rule": rule.slug, "version": rule.version, "sentence": _spoken(rule)}


def _spoken(rule: Rule) -> dict[str, str]:
    return {"fr": sentence_of(rule, "fr"), "en": sentence_of(rule, "en")}
