"""The page of the rules that come with the product: `python -m tests.support.default_rules_page` writes it again."""

from collections.abc import Iterator

from application.rulebook import shipped_rules
from domain.rules.rule import Escalation, Rule, RuleState
from domain.rules.sentence import sentence_of
from tests.support.documents import DOCS

PAGE = DOCS / "reference" / "default-rules.md"
ORDER = (
    "need-to-referral",
    "relocation-accompanied",
    "training-vs-relocation",
    "referral-acknowledged",
    "duplicate-diagnosis",
    "silence-90",
    "first-appointment",
    "outcome-recorded",
    "repeated-no-show",
    "no-show-recontact",
    "training-prescribed",
    "housing-diagnosis-first",
    "double-accompaniment",
    "accompaniment-review",
    "too-many-trainings",
    "handover-after-move",
    "closing-summary",
    "diagnosis-yearly",
    "double-booking",
    "urgent-48h",
    "training-evaluated",
    "contract-signed",
    "refused-then-alternative",
    "decision-before-next-request",
    "no-training-just-after-move",
    "health-restriction",
    "referent-ping-pong",
    "referral-loop",
    "consent-covers-sharing",
    "late-recording",
    "accepted-then-started",
    "housing-first-contact",
    "referent-named",
    "handover-confirmed",
    "transfer-answered",
    "decision-notified",
    "social-track-reexamined",
    "contract-renewed",
    "plan-stalled",
    "closed-with-open-items",
    "sanction-after-opinion",
    "sanction-despite-impediment",
    "contradictory-housing",
    "training-childcare",
    "training-mobility",
    "training-unstable-housing",
)
"""The place of a rule here is its number."""
SITUATIONS: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("A diagnosed training need with no link to the offer", ("need-to-referral",), ""),
    ("An orientation without a contract", ("contract-signed",), "A new orientation starts the two months again."),
    ("A right opened and no orientation", (), "No event says that a right was opened: a pathway may open without one."),
    (
        "A social orientation never examined again",
        ("social-track-reexamined",),
        "Six months for all: no event gives the motive that would make it twelve.",
    ),
    ("A referral never acknowledged", ("referral-acknowledged",), ""),
    ("A referral accepted, and nothing starts", ("first-appointment", "accepted-then-started"), ""),
    ("A referral refused, and no alternative", ("refused-then-alternative",), ""),
    ("A place accepted, and the person never seen", ("housing-first-contact",), ""),
    ("A relocation without socio-professional accompaniment", ("relocation-accompanied",), ""),
    ("A relocation to another territory, and nobody takes over", ("handover-after-move",), ""),
    ("A person followed in two territories", (), "A rule judges one pathway, and a pathway belongs to one territory."),
    ("A new referent that has not taken over", ("handover-confirmed",), ""),
    ("A reorientation asked for, not decided or not told", ("transfer-answered", "decision-notified"), ""),
    ("No referent", ("referent-named",), ""),
    (
        "Two agencies make the same diagnosis",
        ("duplicate-diagnosis",),
        "Health needs apart: facts hold their family only.",
    ),
    (
        "Two agencies contradict each other",
        ("contradictory-housing",),
        "On housing; other situations have no values that exclude each other.",
    ),
    ("A training without child care", ("training-childcare",), ""),
    ("A training without a way to get there", ("training-mobility",), "By the need alone: distances are not recorded."),
    ("A training before housing is stable", ("training-unstable-housing",), ""),
    ("A shelter stay that ends during a training", (), "A stay and its planned end are not recorded."),
    ("An appointment during training hours", (), "Trainings are known by days, not by hours."),
    ("Two appointments at once", ("double-booking",), "Travel time is not counted."),
    (
        "An appointment moved, and the partner not told",
        (),
        "Telling is the product's own work: deliveries are watched, they are no facts.",
    ),
    ("A past appointment without an outcome", ("outcome-recorded",), "Invitations without a slot are not recorded."),
    ("No contact", ("silence-90",), "Critical after 180 days."),
    ("A domiciliation about to lapse", (), "Domiciliations are not recorded."),
    ("A contract or a diagnosis that expires", ("contract-renewed", "diagnosis-yearly"), "Rights are not recorded."),
    (
        "A sanction despite a legitimate impediment",
        ("sanction-despite-impediment",),
        "Child care and loss of housing; a hospital stay is a suspension.",
    ),
    ("A sanction without the multidisciplinary team's opinion", ("sanction-after-opinion",), ""),
    ("A pathway closed with something open, or without a summary", ("closed-with-open-items", "closing-summary"), ""),
    ("A plan that does not move", ("plan-stalled",), ""),
    (
        "A need that the offer cannot meet",
        (),
        "What each service offers, where and to whom is not a fact of a pathway.",
    ),
    (
        "A coming of age, an exit from care, prison or hospital without a plan",
        (),
        "Birth dates are sealed apart; such exits are not recorded.",
    ),
    ("A crisis: people on the register not reached", (), "The register is another purpose, kept apart by law."),
    (
        "An answer to a request that another decision made moot",
        (),
        "It cannot happen: the request is cancelled in the same commit as the decision.",
    ),
)
"""(what people call out of step, the rules that find it, what is left out or why)."""
HEAD = """# The rules that come with Unisson, one by one

Written from the rules themselves (`application/default_rules/`) by `python -m tests.support.default_rules_page`; a test
compares. They hold in every territory, until its rulebook says otherwise. What each word means:
[rules](../explanation/rules.md). Windows are usual ones, to be set by each territory.

In each rule `owner` must act and `watch` looks on; who else: [who is told](rulebook.md#who-is-told). No text names
a health theme. What an import brings (`recorded by = import`) is left out where the other system has its own way of
writing it down.
"""


def page() -> str:
    rules = {rule.slug: rule for rule in shipped_rules()}
    parts = [HEAD, *(entry(number, rules[slug]) for number, slug in enumerate(ORDER, start=1)), *situations()]
    return "\n".join(parts)


def entry(number: int, rule: Rule) -> str:
    owner = "" if rule.route.owner is None else f"owner `{rule.route.owner}`"
    watch = ", ".join(f"`{who}`" for who in rule.route.watch)
    told = f"not told when older than {rule.stale_after}" if rule.stale_after else ""
    state = "" if rule.state is RuleState.ACTIVE else str(rule.state)
    hidden = ", ".join(f"`{slug}`" for slug in rule.inhibited_by)
    facts = (
        state,
        severity_of(rule),
        owner,
        f"watch {watch}" if watch else "",
        told,
        f"hidden while {hidden} is open" if hidden else "",
    )
    return "\n".join(
        (
            f"## R{number:02} `{rule.slug}`",
            "",
            f"« {sentence_of(rule, 'fr')} »",
            "",
            sentence_of(rule, "en"),
            "",
            f"- {'; '.join(fact for fact in facts if fact)}",
            f"- {rule.basis}",
            "",
        )
    )


def severity_of(rule: Rule) -> str:
    return ", ".join((str(rule.raises.severity), *(_step(step) for step in rule.raises.escalate)))


def _step(step: Escalation) -> str:
    notified = f" ({step.notify})" if step.notify else ""
    return f"{step.to} after {step.after}{notified}"


def situations() -> Iterator[str]:
    yield "## What is called out of step, and what finds it\n"
    yield "| situation | found by | left out, or why not |"
    yield "| --- | --- | --- |"
    for situation, slugs, remark in SITUATIONS:
        yield f"| {situation} | {' '.join(f'`{slug}`' for slug in slugs) or 'not expressible'} | {remark} |"
    yield ""
    yield "`late-recording` counts and raises no alert: what is recorded late is, by then, done late. It speaks of"
    yield "facts that later steps do not change, since a fact is as old as its last version.\n"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()
