"""What is wrong, or doubtful, in rules that can be read: circles refused, useless rules remarked on. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
from domain.rules.rule import Forbid, Require, Rule, RuleState, Selector, Silence, Use
from domain.rules.where import conjuncts
from domain.rules.windows import Duration

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


def remarks(rules: Sequence[Rule], among: Iterable[Rule] = (), territory: str | None = None) -> list[Remark]:
    """What can be said without any fact. `among` are the other rules in force where these will be."""
    everyone = [*rules, *(rule for rule in among if rule.state in (RuleState.ACTIVE, RuleState.SHADOW))]
    slugs = {rule.slug for rule in everyone}
    found = [
        remark
        for rule in rules
        for remark in (
            *_unknown_inhibitors(rule, slugs),
            *_untold(rule),
            *_elsewhere(rule, territory),
            *_sometimes_empty(rule),
            *_subsumed(rule, everyone),
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


def _subsumed(rule: Rule, everyone: Sequence[Rule]) -> Iterator[Remark]:
    wider = sorted({other.slug for other in everyone if other.slug != rule.slug and is_subsumed(rule, other)})
    if wider:
        yield _remark(
            "subsumed",
            rule,
            "",
            f"Tout ce que cette règle trouverait, « {wider[0]} » le trouve déjà.",
            f'Whatever this rule would find, "{wider[0]}" finds already.',
        )


def is_subsumed(rule: Rule, by: Rule) -> bool:
    """Surely so: whenever `rule` is out of step, `by` is too, no later. What cannot be told counts as not so."""
    alike = rule.strict == by.strict and rule.on_suspend == by.on_suspend and rule.on_close == by.on_close
    if not alike or by.state is not RuleState.ACTIVE or not _is_where(rule, by) or rule.grace != by.grace:
        return False
    match rule.body, by.body:
        case Require() as mine, Require() as theirs:
            return _is_require_subsumed(mine, theirs)
        case Silence() as mine_silent, Silence() as theirs_silent:
            return (
                mine_silent.span == theirs_silent.span
                and _is_narrower(theirs_silent.of, mine_silent.of)
                and mine_silent.gap.roll == theirs_silent.gap.roll
                and _at_most(theirs_silent.gap.end, mine_silent.gap.end)
            )
        case _:
            return False


def _is_where(rule: Rule, by: Rule) -> bool:
    """Whether `by` applies wherever and whenever `rule` does."""
    places = by.territories is None or (rule.territories is not None and rule.territories <= by.territories)
    begins = by.effective_from is None or (rule.effective_from is not None and by.effective_from <= rule.effective_from)
    ends = by.effective_to is None or (rule.effective_to is not None and rule.effective_to <= by.effective_to)
    return places and begins and ends


def _is_require_subsumed(mine: Require, theirs: Require) -> bool:
    """Fewer activations, more targets that answer, more time: what fails here fails there."""
    bare = {"when": theirs.when, "expect": theirs.expect, "within": theirs.within, "min": theirs.min}
    return (
        msgspec.structs.replace(mine, **bare) == theirs
        and mine.use is Use.SHARED
        and _is_narrower(mine.when, theirs.when)
        and _is_narrower(theirs.expect, mine.expect)
        and mine.min <= theirs.min
        and mine.within.bounds == theirs.within.bounds
        and mine.within.roll == theirs.within.roll
        and _at_most(mine.within.start, theirs.within.start)
        and _at_most(theirs.within.end, mine.within.end)
    )


def _is_narrower(narrow: Selector, wide: Selector) -> bool:
    """Whether everything that the first picks, the second picks too."""
    same = msgspec.structs.replace(narrow, types=wide.types, where=wide.where, states=wide.states) == wide
    types = wide.types == ("*",) or set(narrow.types) <= set(wide.types)
    states = wide.states is None or (narrow.states is not None and narrow.states <= wide.states)
    conditions = {repr(part) for part in conjuncts(wide.where)} <= {repr(part) for part in conjuncts(narrow.where)}
    return same and types and states and conditions


def _at_most(left: Duration, right: Duration) -> bool:
    """Whether one lies no later than the other; only told of the same units."""
    if left == right:
        return True
    if left.unit is None or right.unit is None:
        return (left.unit is None and left.count < 0) or (right.unit is None and right.count > 0)
    return left.unit == right.unit and left.count <= right.count


def _remark(code: str, rule: Rule, path: str, fr: str, en: str) -> Remark:
    return Remark(code=code, rule=rule.slug, version=rule.version, path=path, fr=fr, en=en)
