"""What is wrong, or doubtful, in rules that can be read: circles refused, useless rules remarked on. Pure."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from graphlib import CycleError, TopologicalSorter

import msgspec

from domain.facts import Fact
from domain.rules.calendars import Calendars
from domain.rules.compilation import compile_rules
from domain.rules.complaints import Complaint, shown
from domain.rules.document import LANGUAGES
from domain.rules.empty_windows import may_be_empty
from domain.rules.evaluate import evaluate
from domain.rules.reading import pointer
from domain.rules.refusal import RuleRefused
from domain.rules.rule import AGENCY_LEAD, COORDINATOR, Forbid, Require, Rule, RuleState, Silence
from domain.rules.subsumption import Wider

SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,99}", re.ASCII)
NEVER_IN = timedelta(days=365)


class Remark(msgspec.Struct, frozen=True, kw_only=True):
    """Something that its author should look at; it stops nothing."""

    code: str
    rule: str
    version: int
    path: str
    fr: str
    en: str


def refuse_unfit_slug(slug: str, path: str) -> None:
    """A rulebook's rules are named in addresses and alerts. `path` is where the rule stands."""
    if not SLUG.fullmatch(slug):
        raise RuleRefused(pointer(path, "rule"), Complaint.SLUG_UNFIT, given=shown(slug))


def refuse_cycles(rules: Iterable[Rule]) -> None:
    """Rules that hide each other would never be told. Raises RuleRefused."""
    circle = find_cycle(rules)
    if circle:
        raise RuleRefused("/inhibited_by", Complaint.CIRCLE, circle=" → ".join(circle))


def find_cycle(rules: Iterable[Rule]) -> tuple[str, ...]:
    """The slugs of one circle of `inhibited_by`, its first repeated at its end; empty when there is none."""
    hidden_by: dict[str, set[str]] = {}
    for rule in rules:
        hidden_by.setdefault(rule.slug, set()).update(rule.inhibited_by)
    try:
        TopologicalSorter({slug: sorted(hidden_by[slug]) for slug in sorted(hidden_by)}).prepare()
    except CycleError as error:
        return tuple(error.args[1])
    return ()


def agencies_named(rules: Iterable[Rule]) -> list[str]:
    """The agencies that rules send their alerts to by name, sorted."""
    return sorted({slug for rule in rules for _, slug in _recipients(rule)})


def remarks(
    rules: Sequence[Rule],
    among: Iterable[Rule] = (),
    territory: str | None = None,
    unknown_agencies: Collection[str] = (),
) -> list[Remark]:
    """What can be said without any fact. `among` are the other rules in force where these will be.

    `unknown_agencies`: those of `agencies_named` that the territory does not have.
    """
    everyone = [*rules, *(rule for rule in among if rule.state in (RuleState.ACTIVE, RuleState.SHADOW))]
    slugs, wider = {rule.slug for rule in everyone}, Wider(everyone)
    found = [
        remark
        for rule in rules
        for remark in (
            *_unknown_inhibitors(rule, slugs),
            *_untold(rule),
            *_elsewhere(rule, territory),
            *_sometimes_empty(rule),
            *_sent_to_nobody(rule, unknown_agencies),
            *_subsumed(rule, wider),
        )
    ]
    return sorted(found, key=lambda remark: (remark.rule, remark.version, remark.code, remark.path))


def never_activated(
    rules: Sequence[Rule], pathways: Mapping[str, Sequence[Fact]], calendars: Calendars, now: datetime
) -> list[Remark]:
    """Rules that nothing of the twelve months before `now` would have set off."""
    asked = [msgspec.structs.replace(rule, state=RuleState.ACTIVE, effective_from=None) for rule in rules]
    compiled = compile_rules(asked)
    seen = {
        (obligation.rule, obligation.version)
        for pathway in sorted(pathways)
        for obligation in evaluate(list(pathways[pathway]), compiled, calendars, now, explained=False).obligations
        if obligation.occurred is not None and now - NEVER_IN <= obligation.occurred <= now
    }
    return [
        _remark(
            "never_activated",
            rule,
            "/when" if isinstance(rule.body, Require) else "",
            "Rien, dans les douze derniers mois, n'aurait déclenché cette règle.",
            "Nothing in the last twelve months would have set this rule off.",
        )
        for rule in rules
        if (rule.slug, rule.version) not in seen
    ]


def _unknown_inhibitors(rule: Rule, slugs: set[str]) -> Iterator[Remark]:
    for index, slug in enumerate(rule.inhibited_by):
        if slug not in slugs:
            yield _remark(
                "unknown_inhibitor",
                rule,
                f"/inhibited_by/{index}",
                f"Aucune règle ne s'appelle « {slug} » : elle ne masquera jamais celle-ci.",
                f'No rule is called "{slug}": it will never hide this one.',
            )


def _untold(rule: Rule) -> Iterator[Remark]:
    missing = [language for language in LANGUAGES if language not in rule.text]
    if missing:
        yield _remark(
            "text_missing",
            rule,
            "/text",
            f"Il manque le texte à montrer ({', '.join(missing)}).",
            f"The text to show is missing ({', '.join(missing)}).",
        )


def _elsewhere(rule: Rule, territory: str | None) -> Iterator[Remark]:
    if territory is not None and rule.territories is not None and territory not in rule.territories:
        yield _remark(
            "elsewhere",
            rule,
            "/territory",
            f"Cette règle ne vaut pas pour {territory} : elle n'y jugera rien.",
            f"This rule is not meant for {territory}: it will judge nothing there.",
        )


def _recipients(rule: Rule) -> Iterator[tuple[str, str]]:
    """Those that are named, with their places."""
    places = [("/route/owner", rule.route.owner)]
    places += [(f"/route/watch/{index}", agency) for index, agency in enumerate(rule.route.watch)]
    places += [
        (f"/severity/escalate/{index}/notify", step.notify)
        for index, step in enumerate(rule.raises.escalate)
        if step.notify not in (COORDINATOR, AGENCY_LEAD)
    ]
    return ((path, agency) for path, agency in places if isinstance(agency, str))


def _sent_to_nobody(rule: Rule, unknown_agencies: Collection[str]) -> Iterator[Remark]:
    for path, agency in _recipients(rule):
        if agency in unknown_agencies:
            yield _remark(
                "unknown_agency",
                rule,
                path,
                f"Le territoire n'a pas d'organisme « {agency} » : il ne sera jamais prévenu.",
                f'The territory has no agency "{agency}": it will never be told.',
            )


def _sometimes_empty(rule: Rule) -> Iterator[Remark]:
    body = rule.body
    windows = [("/within", body.within)] if isinstance(body, Require | Forbid) else []
    if not isinstance(body, Silence) and body.unless is not None:
        windows.append(("/unless/within", body.unless.within))
    for path, window in windows:
        if may_be_empty(window):
            yield _remark(
                "sometimes_empty",
                rule,
                path,
                f"Selon le moment qui déclenche la règle, rien n'est entre {window.start} et {window.end}.",
                f"Depending on when the rule is set off, nothing is between {window.start} and {window.end}.",
            )


def _subsumed(rule: Rule, wider: Wider) -> Iterator[Remark]:
    other = wider.than(rule)
    if other is not None:
        yield _remark(
            "subsumed",
            rule,
            "",
            f"Tout ce que cette règle trouverait, « {other.slug} » le trouve déjà.",
            f'Whatever this rule would find, "{other.slug}" finds already.',
        )


def _remark(code: str, rule: Rule, path: str, fr: str, en: str) -> Remark:
    return Remark(code=code, rule=rule.slug, version=rule.version, path=path, fr=fr, en=en)
