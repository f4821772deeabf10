"""Random rules for Hypothesis, of every kind and modifier, as the plain mappings that a document holds."""

from typing import Any

from hypothesis import strategies as st

RuleDocument = dict[str, Any]

WINDOWS = (
    ("0d", "30d"),
    ("-30d", "15d"),
    ("-30d", "0d"),
    ("-20d", "-5d"),
    ("0bd", "5bd"),
    ("-3bd", "2bd"),
    ("1wd", "4wd"),
    ("0d", "1m"),
    ("-2m", "1w"),
    ("0h", "48h"),
    ("-24h", "0h"),
    ("-12h", "36h"),
    ("0h", "2h"),
    ("-2h", "90min"),
    ("-24h", "3d"),
    ("0d", "48h"),
    ("0d", "inf"),
    ("-inf", "0d"),
    ("-inf", "inf"),
)
RELATIONS = (
    "before",
    "after",
    "meets",
    "met-by",
    "overlaps",
    "overlapped-by",
    "starts",
    "started-by",
    "during",
    "contains",
    "finishes",
    "finished-by",
    "equals",
    "intersects",
    "intersects",
    "inside",
    "covers",
    "disjoint",
)
WHERES: tuple[RuleDocument, ...] = (
    {"theme": "it"},
    {"theme": ["it", "wood"]},
    {"theme": {"exists": False}},
    {"level": {"ge": 1}},
    {"level": {"between": [0, 1]}},
    {"any": [{"theme": "it"}, {"level": {"lt": 1}}]},
    {"not": {"agency": "ccas"}},
    {"all": [{"theme": {"ne": "wood"}}, {"level": {"in": [0, 2]}}]},
)
FREE_STATE: RuleDocument = {"state": {"in": ["done", "no_show"]}}


def often(value: Any) -> st.SearchStrategy[Any]:
    """Half of the time the value, else nothing."""
    return st.sampled_from([None, value])


def seldom(*values: Any) -> st.SearchStrategy[Any]:
    """One of the values in a quarter of the cases, else nothing."""
    return st.sampled_from([*[None] * (3 * len(values)), *values])


def rarely(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from([*[None] * (9 * len(values)), *values])


def without_nothing(document: RuleDocument) -> RuleDocument:
    return {name: value for name, value in document.items() if value is not None}


@st.composite
def selectors(draw: st.DrawFn, *types: str | list[str], links: bool = True) -> RuleDocument:
    """Facts of one of these types, with conditions; `links` where there is an activation to correlate with."""
    selector = {
        "on": draw(st.sampled_from(types)),
        "at": draw(rarely("end", "recorded")),
        "where": draw(rarely(*WHERES, FREE_STATE, FREE_STATE)),
    }
    if links:
        selector["match"] = draw(seldom({"theme": "theme"}, {"agency": "agency"}, {"theme": "$when.theme"}))
        selector["differ"] = draw(rarely({"agency": "agency"}))
    return without_nothing(selector)


@st.composite
def windows(draw: st.DrawFn) -> RuleDocument:
    start, end = draw(st.sampled_from(WINDOWS))
    within = {"from": start, "to": end}
    if start.endswith("h") and end.endswith(("h", "min")):
        within["bounds"] = draw(st.sampled_from(["[]", "[]", "[)", "(]", "()"]))
    elif not end.endswith(("h", "min")) and draw(st.integers(0, 3)) == 0:
        within["roll"] = "next_working"
    return within


@st.composite
def options(draw: st.DrawFn) -> RuleDocument:
    """What every kind may say."""
    return without_nothing(
        {
            "strict": draw(seldom(True)),
            "grace": draw(seldom("3bd", "2d", "12h")),
            "on_suspend": draw(often(draw(st.sampled_from(["freeze", "run", "cancel"])))),
            "on_close": draw(often(draw(st.sampled_from(["cancel", "keep", "force"])))),
            "accept": draw(seldom(["done", "planned"])),
            "territory": draw(rarely(["FR-34"], ["FR-34", "FR-974"])),
            "effective": draw(rarely({"from": "2026-03-24"}, {"from": None, "to": "2026-04-02"})),
            "state": draw(rarely("shadow")),
        }
    )


@st.composite
def cuts(draw: st.DrawFn, *effects: str) -> RuleDocument:
    cut = draw(selectors("withdrawal", "diagnosis", "referral"))
    return {name: value for name, value in cut.items() if name != "at"} | {"effect": draw(st.sampled_from(effects))}


@st.composite
def requires(draw: st.DrawFn) -> RuleDocument:
    rule = {
        "rule": "need-to-referral",
        "kind": "require",
        "when": draw(selectors("diagnosis", "referral", "training", links=False)),
        "expect": draw(selectors("referral", ["referral", "contact"], "training", "*")),
        "within": draw(windows()),
        "min": draw(seldom(2)),
        "until": draw(often(draw(cuts("release", "deadline")))),
    }
    return without_nothing(rule) | draw(options())


@st.composite
def chained_requires(draw: st.DrawFn) -> RuleDocument:
    """With `since`, `next_among` or `prev_among`."""
    rule = draw(requires())
    chain = draw(st.sampled_from(["since", "next_among", "prev_among"]))
    types = st.sampled_from([["referral", "training"], ["referral", "training", "diagnosis"], "*"])
    return rule | {chain: draw(cuts("deadline")) if chain == "since" else draw(types)}


@st.composite
def self_requires(draw: st.DrawFn) -> RuleDocument:
    """Late recording."""
    rule = {
        "rule": "late-recording",
        "kind": "require",
        "when": draw(selectors("diagnosis", ["referral", "training"], links=False)),
        "expect": {"on": "self", "at": "recorded"},
        "within": draw(st.sampled_from([{"from": "0bd", "to": "10bd"}, {"from": "0h", "to": "48h"}])),
    }
    return rule | draw(options())


@st.composite
def one_to_one_requires(draw: st.DrawFn) -> RuleDocument:
    """Without what would make the windows of one rule overtake each other."""
    rule = draw(requires())
    return {name: value for name, value in rule.items() if name not in ("until", "min")} | {"use": "one_to_one"}


@st.composite
def silences(draw: st.DrawFn) -> RuleDocument:
    of = draw(selectors("contact", ["contact", "training"], "contact_events", links=False))
    of.pop("at", None)
    gap = draw(st.sampled_from(["10d", "30d", "1m", "8bd", "36h"]))
    return {"rule": "silence", "kind": "silence", "of": of, "gap": gap} | draw(options())


@st.composite
def watching_silences(draw: st.DrawFn) -> RuleDocument:
    """While something lasts: the contacts that name it."""
    rule = draw(silences())
    span = draw(selectors("training", links=False))
    return rule | {
        "of": rule["of"] | {"on": "contact", "match": {"about": "$while.id"}},
        "while": {name: value for name, value in span.items() if name != "at"},
    }


@st.composite
def related_requires(draw: st.DrawFn) -> RuleDocument:
    rule = draw(requires())
    rule |= {"relation": draw(relations)}
    return rule if draw(st.booleans()) else {name: value for name, value in rule.items() if name != "within"}


relations = st.lists(st.sampled_from(RELATIONS), min_size=1, max_size=3, unique=True)


@st.composite
def exempted(draw: st.DrawFn, rules: st.SearchStrategy[RuleDocument]) -> RuleDocument:
    """One of these rules, with an `unless`."""
    return draw(rules) | {"unless": draw(exemptions())}


@st.composite
def exemptions(draw: st.DrawFn) -> RuleDocument:
    unless = draw(selectors("withdrawal", "contact"))
    unless["within"] = draw(often(draw(windows())))
    return without_nothing(unless)


@st.composite
def forbids(draw: st.DrawFn) -> RuleDocument:
    rule = {
        "rule": "no-such-pair",
        "kind": "forbid",
        "when": draw(selectors("diagnosis", "training", "relocation", links=False)),
        "forbid": draw(selectors("diagnosis", "training", ["training", "relocation"])),
        "within": draw(windows()),
    }
    return without_nothing(rule) | draw(options())


@st.composite
def chained_forbids(draw: st.DrawFn) -> RuleDocument:
    """With `until`, `since`, `next_among` or `prev_among`."""
    rule = draw(forbids())
    name = draw(st.sampled_from(["until", "since", "next_among", "prev_among"]))
    types = st.sampled_from([["diagnosis", "training"], ["diagnosis", "training", "relocation", "contact"], "*"])
    cut = {"until": cuts("release", "deadline"), "since": cuts("deadline")}.get(name, types)
    return rule | {name: draw(cut)}


@st.composite
def related_forbids(draw: st.DrawFn) -> RuleDocument:
    """By the relation of their intervals, in a window or not."""
    rule = draw(forbids()) | {"relation": draw(relations)}
    return rule if draw(st.booleans()) else {name: value for name, value in rule.items() if name != "within"}


@st.composite
def limits(draw: st.DrawFn) -> RuleDocument:
    count = draw(selectors("contact", ["training", "relocation"], "*", links=False))
    count["match"] = draw(seldom({"theme": "theme"}, {"agency": "agency"}))
    concurrent = draw(st.booleans())
    if concurrent:
        count.pop("at", None)
    rule = {
        "rule": "too-many",
        "kind": "limit",
        "count": without_nothing(count),
        "max": draw(st.integers(0, 3)),
    }
    if concurrent:
        rule["concurrent"] = True
    else:
        rule["in_last"] = draw(st.sampled_from(["5d", "30d", "3bd", "1m", "48h", "inf"]))
    refused = ("on_suspend", "on_close", "strict")
    return without_nothing(rule) | {name: value for name, value in draw(options()).items() if name not in refused}


def every_kind() -> st.SearchStrategy[RuleDocument]:
    plain = (requires(), forbids(), limits(), silences(), watching_silences())
    chains = (chained_requires(), chained_forbids(), one_to_one_requires(), self_requires())
    related = (related_requires(), related_forbids())
    return st.one_of(*plain, *chains, *related, *map(exempted, (requires(), forbids(), related_forbids(), limits())))
