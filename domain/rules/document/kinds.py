"""What is particular to each kind of rule, as a rules document writes it; keys of other kinds are refused."""

from collections.abc import Callable, Mapping

import msgspec

from domain.facts import FactState
from domain.rules.complaints import Complaint, Words, either
from domain.rules.document.selectors import (
    OF_ACTIVATION,
    Groups,
    read_activation,
    read_counted,
    read_cut,
    read_exemption,
    read_selector,
    read_states,
    read_target,
    read_types,
    unrelated,
)
from domain.rules.document.windows import read_gap, read_in_last, read_window, read_window_or_ever
from domain.rules.reading import MISSING, Fields
from domain.rules.refusal import RuleRefused
from domain.rules.rule import (
    EVERY_TYPE,
    At,
    Body,
    Effect,
    Forbid,
    Limit,
    OnClose,
    OnSuspend,
    Require,
    Selector,
    Silence,
    Use,
)
from domain.rules.values import Of

SHAPES: Mapping[str, Words] = {
    "require": Words(
        "a « when », « expect » et « within »",
        "has `when`, `expect` and `within`",
    ),
    "forbid": Words(
        "a « when », « forbid », et « within » ou « relation »",
        "has `when`, `forbid`, and `within` or `relation`",
    ),
    "limit": Words(
        "a « count », « max », et « in_last » ou « concurrent »",
        "has `count`, `max`, and `in_last` or `concurrent`",
    ),
    "silence": Words(
        "a « of », « gap » et parfois « while »",
        "has `of`, `gap` and perhaps `while`",
    ),
}
KINDS: tuple[str, ...] = tuple(SHAPES)
OWNERS: Mapping[str, tuple[str, ...]] = {
    "when": ("require", "forbid"),
    "expect": ("require",),
    "forbid": ("forbid",),
    "count": ("limit",),
    "max": ("limit",),
    "in_last": ("limit",),
    "concurrent": ("limit",),
    "of": ("silence",),
    "gap": ("silence",),
    "while": ("silence",),
    "within": ("require", "forbid"),
    "relation": ("require", "forbid"),
    "bounds": ("require", "forbid"),
    "roll": ("require", "forbid", "silence"),
    "min": ("require",),
    "use": ("require",),
    "until": ("require", "forbid"),
    "since": ("require", "forbid"),
    "next_among": ("require", "forbid"),
    "prev_among": ("require", "forbid"),
    "unless": ("require", "forbid", "limit"),
    "strict": ("require", "forbid", "silence"),
}
"""The kinds that know a key; all kinds know the others."""
WHY_NOT: Mapping[tuple[str, str], Words] = {
    ("forbid", "min"): Words(
        "un seul fait interdit est déjà de trop",
        "one forbidden fact is one too many",
    ),
    ("forbid", "use"): Words(
        "ce qui est interdit l'est à chaque déclenchement",
        "what is forbidden is forbidden to each activation",
    ),
    ("limit", "min"): Words(
        "ce qui compte est « max »",
        "what counts is `max`",
    ),
    ("limit", "strict"): Words(
        "les faits sont comptés dans leur ordre, même au même moment",
        "facts are counted in their order, ties included",
    ),
    ("limit", "roll"): Words(
        "une période qui regarde en arrière n'est jamais déplacée",
        "a window that looks back is never moved",
    ),
}
MAX_COUNTED = 1_000


def refuse_keys_of_others(fields: Fields, kind: str) -> None:
    for key, owners in OWNERS.items():
        if kind not in owners:
            why = WHY_NOT.get((kind, key)) or _owned_by(owners)
            fields.refuse(key, Complaint.KEY_OF_ANOTHER_KIND, key=key, why=why, kind=kind, shape=SHAPES[kind])


def read_body(fields: Fields, kind: str, groups: Groups) -> Body:
    return READERS[kind](fields, groups)


def read_on_suspend(fields: Fields, kind: str) -> OnSuspend:
    """Deadlines wait while the pathway is suspended; what is forbidden stays forbidden."""
    policy = fields.choice("on_suspend", OnSuspend, "freeze" if kind in ("require", "silence") else "run")
    if kind == "limit" and policy is OnSuspend.FREEZE:
        raise RuleRefused(fields.at("on_suspend"), Complaint.FREEZE_IN_LIMIT)
    return policy


def read_on_close(fields: Fields, kind: str) -> OnClose:
    policy = fields.choice("on_close", OnClose, "cancel")
    if kind == "limit" and policy is OnClose.FORCE:
        raise RuleRefused(fields.at("on_close"), Complaint.FORCE_IN_LIMIT)
    return policy


def _require(fields: Fields, groups: Groups) -> Require:
    expect = read_target(fields, "expect", groups, read_states(fields), may_be_self=True)
    chains = {name: _chain(fields, name, groups) for name in ("next_among", "prev_among")}
    return Require(
        when=read_activation(fields, "when", groups),
        expect=_in_chains(fields, "expect", expect, chains),
        ends_with_activation=_ends_with_activation(fields, expect),
        within=read_window(fields) if expect.relation is None else read_window_or_ever(fields),
        min=fields.whole("min", 1, 1, 1_000),
        use=fields.choice("use", Use, "shared"),
        until=read_cut(fields, "until", groups, None),
        since=read_cut(fields, "since", groups, Effect.DEADLINE),
        **chains,
        unless=read_exemption(fields, groups),
    )


def _forbid(fields: Fields, groups: Groups) -> Forbid:
    states = read_states(fields)
    forbidden = read_target(fields, "forbid", groups, states)
    chains = {name: _chain(fields, name, groups) for name in ("next_among", "prev_among")}
    return Forbid(
        when=read_activation(fields, "when", groups),
        forbid=_in_chains(fields, "forbid", forbidden, chains),
        accepts_planned=FactState.PLANNED in states,
        ends_with_activation=_ends_with_activation(fields, forbidden),
        within=read_window(fields) if forbidden.relation is None else read_window_or_ever(fields),
        until=read_cut(fields, "until", groups, None),
        since=read_cut(fields, "since", groups, Effect.DEADLINE),
        **chains,
        unless=read_exemption(fields, groups),
    )


def _limit(fields: Fields, groups: Groups) -> Limit:
    count = read_counted(fields, groups, read_states(fields))
    is_concurrent = fields.flag("concurrent", default=False)
    if is_concurrent and "in_last" in fields:
        raise RuleRefused(fields.at("in_last"), Complaint.IN_LAST_AND_CONCURRENT)
    if not is_concurrent and "in_last" not in fields:
        raise RuleRefused(fields.path, Complaint.IN_LAST_MISSING)
    if is_concurrent and count.at is not At.START:
        raise RuleRefused(f"{fields.at('count')}/at", Complaint.CONCURRENT_WITHOUT_POINT)
    return Limit(
        count=count,
        max=fields.whole("max", MISSING, 0, MAX_COUNTED),
        in_last=None if is_concurrent else read_in_last(fields),
        unless=read_exemption(fields, groups),
    )


def _silence(fields: Fields, groups: Groups) -> Silence:
    states = read_states(fields)
    span = None
    known = OF_ACTIVATION
    if "while" in fields:
        span = read_activation(fields, "while", groups, frozenset({FactState.DONE}))
        known |= {Of.WHILE}
    of = read_selector(unrelated(fields, "of"), groups, known=known, states=states)
    return Silence(of=of, gap=read_gap(fields), span=span)


READERS: Mapping[str, Callable[[Fields, Groups], Body]] = {
    "require": _require,
    "forbid": _forbid,
    "limit": _limit,
    "silence": _silence,
}


def _owned_by(kinds: tuple[str, ...]) -> Words:
    names = either(kinds)
    return Words(f"c'est l'affaire des règles de genre {names.fr}", f"it belongs to rules of kind {names.en}")


def _ends_with_activation(fields: Fields, target: Selector) -> bool:
    """Nothing can change after the activation's interval, save by a target whose own point comes later."""
    if target.relation is None or "within" in fields or target.at is not At.START:
        return False
    return target.relation.is_settled_by_the_end


def _in_chains(fields: Fields, name: str, target: Selector, chains: Mapping[str, tuple[str, ...]]) -> Selector:
    """A target is the next, or the previous, of the chain's types: it has one of them."""
    for chain, types in chains.items():
        if not types or types == (EVERY_TYPE,):
            continue
        kept = types if target.types == (EVERY_TYPE,) else tuple(one for one in target.types if one in types)
        if not kept:
            raise RuleRefused(fields.at(chain), Complaint.CHAIN_WITHOUT_TARGET, target=name)
        target = msgspec.structs.replace(target, types=kept)
    return target


def _chain(fields: Fields, name: str, groups: Groups) -> tuple[str, ...]:
    return read_types(fields.take(name), fields.at(name), groups) if name in fields else ()
