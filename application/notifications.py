"""Who must hear of an intervention out of step, and what each may be told.

Nothing is ever told to a whole network (Conseil constitutionnel, decision 2023-858 DC): content goes to those who take
part in the pathway; another agency that could act learns only that there is something to look at.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any

from domain.alert import Recipient, Role, Sees
from domain.facts import Fact
from domain.rules.rule import Require, Rule
from domain.rules.values import Of, Reference, field_of
from domain.rules.where import Condition, Operator, Test, conjuncts


def recipients(
    rule: Rule,
    activation: Fact,
    found: Iterable[Fact],
    participants: Collection[str],
    referent: str | None,
    able: Collection[str],
) -> tuple[Recipient, ...]:
    """Each agency once, in the strongest of its roles, by name.

    `found` are the facts that should not be there: who did them is concerned as who did the activation is. `able` are
    the agencies able to do what is expected.
    """
    roles: dict[str, Role] = {}
    for agency, role in _concerned(rule, [activation, *found], participants, referent, able):
        roles.setdefault(agency, role)
    return tuple(
        Recipient(agency, role, Sees.CONTENT if agency in participants else Sees.NOTICE)
        for agency, role in sorted(roles.items())
    )


def needed_kinds(rule: Rule) -> frozenset[str]:
    """The kinds of intervention that would satisfy the rule; empty when it names none."""
    if not isinstance(rule.body, Require):
        return frozenset()
    return frozenset(kind for part in conjuncts(rule.body.expect.where) for kind in _kinds(part))


def _kinds(condition: Condition) -> Iterator[str]:
    match condition:
        case Test(field="kind", operator=Operator.EQ, operand=str(kind)):
            yield kind
        case Test(field="kind", operator=Operator.IN, operand=kinds):
            yield from (kind for kind in kinds if isinstance(kind, str))


def _concerned(
    rule: Rule, acted: Sequence[Fact], participants: Collection[str], referent: str | None, able: Collection[str]
) -> Iterator[tuple[str, Role]]:
    """(agency, role), the strongest role of an agency first."""
    activation = acted[0]
    for fact in acted:
        yield fact.agency, Role.ACTING
    if referent is not None:
        yield referent, Role.REFERENT
    owner = _resolved(rule.route.owner, activation, referent)
    if owner is not None:
        yield owner, Role.ABLE_TO_ACT
    here = [agency for agency in able if agency in participants]
    for agency in here or able:
        yield agency, Role.ABLE_TO_ACT
    for watch in rule.route.watch:
        watcher = _resolved(watch, activation, referent)
        if watcher is not None:
            yield watcher, Role.WATCHER


def _resolved(who: Reference | str | None, activation: Fact, referent: str | None) -> str | None:
    """The agency that a rule's route names; None when there is none."""
    match who:
        case Reference(of=Of.WHEN, field=field):
            found: Any = field_of(activation, field)
        case Reference(of=Of.PATHWAY, field="referent"):
            found = referent
        case str():
            found = who
        case _:
            found = None
    return found if isinstance(found, str) and found else None
