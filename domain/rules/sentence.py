"""A rule as one controlled sentence, in French or in English: the same words for the same thing, every condition said.

« Quand un diagnostic [besoin = formation] est posé, une orientation [même thème] doit suivre sous 30 jours. »
"""

from collections.abc import Iterator
from typing import Any

from msgspec import structs

from domain.rules.labels import FEMININE, FIELDS, TYPES, VALUES, Spoken, group_of
from domain.rules.rule import (
    EVERY_TYPE,
    SELF,
    At,
    Cut,
    Effect,
    Exemption,
    Forbid,
    Limit,
    Link,
    OnClose,
    OnSuspend,
    Require,
    Rule,
    Selector,
    Silence,
    Use,
)
from domain.rules.values import Of, Reference
from domain.rules.vocabulary import OPENED
from domain.rules.where import All, Any_, Condition, Not, Operator, Test, conjuncts
from domain.rules.windows import EVER, Duration, Window
from domain.rules.words import ENGLISH, FRENCH, UNITS

OPERATORS = {
    Operator.EQ: "=",
    Operator.NE: "≠",
    Operator.LT: "<",
    Operator.LE: "≤",
    Operator.GT: ">",
    Operator.GE: "≥",
    Operator.HAS: "=",
}


def sentence_of(rule: Rule, language: str) -> str:
    """`language` is "fr" or "en"."""
    speaker = Speaker(language)
    match rule.body:
        case Require():
            said = speaker.require(rule, rule.body)
        case Forbid():
            said = speaker.forbid(rule, rule.body)
        case Limit():
            said = speaker.limit(rule.body)
        case Silence():
            said = speaker.silence(rule.body)
    return said[0].upper() + said[1:] + "".join(speaker.modifiers(rule)) + "."


RELATIONS = {
    "before": ("après sa fin", "after its end"),
    "after": ("avant son début", "before its start"),
    "meets": ("dès sa fin", "from its end on"),
    "met-by": ("jusqu'à son début", "up to its start"),
    "overlaps": ("à cheval sur sa fin", "across its end"),
    "overlapped-by": ("à cheval sur son début", "across its start"),
    "starts": ("dès son début et au-delà de sa fin", "from its start to after its end"),
    "started-by": ("dès son début et jusqu'avant sa fin", "from its start to before its end"),
    "during": ("d'avant son début à après sa fin", "from before its start to after its end"),
    "contains": ("entre son début et sa fin", "between its start and its end"),
    "finishes": ("d'avant son début à sa fin", "from before its start to its end"),
    "finished-by": ("d'après son début à sa fin", "from after its start to its end"),
    "equals": ("exactement en même temps", "at exactly the same time"),
    "intersects": ("en même temps", "at the same time"),
    "inside": ("pendant toute sa durée", "during the whole of it"),
    "covers": ("entièrement pendant sa durée", "wholly during it"),
    "disjoint": ("hors de sa durée", "outside of it"),
}
"""Where the target lies, seen from the activation's interval."""


class Speaker:
    """One language; every part of a rule has its words."""

    def __init__(self, language: str) -> None:
        self.french = language == FRENCH
        self.language = FRENCH if self.french else ENGLISH

    def say(self, fr: str, en: str) -> str:
        return fr if self.french else en

    def require(self, rule: Rule, body: Require) -> str:
        target, verb = self._counted_target(body), self._duty(body)
        bound = self._bound(body.until, body.since)
        where = self._place(body.expect, body.within, bound)
        return (
            f"{self._activation(body.when)}, {target} {verb}{self._strictly(rule)}{where}"
            f"{self._chain(body.next_among, body.prev_among)}{self._one_to_one(body.use)}{self._release(body.until)}"
            f"{self._unless(body.unless)}"
        )

    def forbid(self, rule: Rule, body: Forbid) -> str:
        words = self._words(body.forbid.types)
        none = self.say("aucune" if words.gender == FEMININE else "aucun", "no")
        same = body.when.types == body.forbid.types
        other = self.say(" autre", " other") if same else ""
        bound = self._bound(body.until, body.since)
        where = self._place(body.forbid, body.within, bound)
        return (
            f"{self._activation(body.when)}, {none}{other} {self._noun(words)}{self._where(body.forbid)} "
            f"{self.say('ne doit avoir lieu', 'may take place')}{self._strictly(rule)}{where}"
            f"{self._chain(body.next_among, body.prev_among)}{self._release(body.until)}{self._unless(body.unless)}"
        )

    def limit(self, body: Limit) -> str:
        words = self._words(body.count.types)
        many = words.fr_many if self.french else words.en_many
        over = self.say("à la fois", "at a time")
        if body.in_last is not None:
            over = self._within_last(body.in_last.start)
        counted = f"{body.max} {many}{self._where(body.count)}"
        return f"{self.say('pas plus de', 'no more than')} {counted} {over}{self._unless(body.unless)}"

    def _within_last(self, span: Duration) -> str:
        if span.unit is None:
            return self.say("en tout", "in all")
        return f"{self.say('en', 'in')} {self._span(span)}"

    def silence(self, body: Silence) -> str:
        words = self._words(body.of.types)
        gap = self._span(body.gap.end)
        said = self.say(
            f"jamais plus de {gap} sans {words.fr}{self._where(body.of)}",
            f"never more than {gap} without {self._indefinite(body.of)}",
        )
        if body.span is None:
            return said + self.say(" tant que le parcours est ouvert", " while the pathway is open")
        span = self._indefinite(body.span)
        return said + self.say(f" tant que dure {span}", f" while {span} lasts")

    def modifiers(self, rule: Rule) -> Iterator[str]:
        """What else a reader must know of when it holds and when it is told."""
        if _rolls(rule):
            yield self.say(
                ", reporté au jour ouvré suivant s'il tombe un jour chômé",
                ", or the next working day when none is worked",
            )
        if rule.on_suspend is OnSuspend.RUN and isinstance(rule.body, Require | Silence):
            yield self.say(", même pendant une suspension", ", even during a suspension")
        if rule.on_close is OnClose.KEEP:
            yield self.say(", même après la clôture", ", even after the closing")
        if rule.grace is not None:
            wait = self._span(rule.grace)
            yield self.say(f" ; signalé {wait} plus tard", f"; told {wait} later")

    def _activation(self, when: Selector) -> str:
        """« Quand un diagnostic [besoin = formation] est posé », “When a diagnosis [need = training] is made”."""
        if when.types == (OPENED,):
            return self.say(
                f"quand le parcours{self._where(when)} s'ouvre", f"when the pathway{self._where(when)} opens"
            )
        words = self._words(when.types)
        starts, ends = (words.fr_starts, words.fr_ends) if self.french else (words.en_starts, words.en_ends)
        verb = ends if when.at is At.END else starts
        if when.at is At.RECORDED:
            verb = self.say("est enregistrée" if words.gender == FEMININE else "est enregistré", "is recorded")
        return f"{self.say('quand', 'when')} {self._indefinite(structs.replace(when, at=At.START))} {verb}"

    def _indefinite(self, selector: Selector) -> str:
        words = self._words(selector.types)
        if self.french:
            article = "une" if words.gender == FEMININE else "un"
        else:
            article = "an" if words.en[0] in "aeiou" else "a"
        return f"{article} {self._noun(words)}{self._where(selector)}"

    def _counted_target(self, body: Require) -> str:
        words = self._words(body.expect.types)
        if body.expect.types == (SELF,):
            return self.say("ce fait", "that fact")
        if body.min > 1:
            many = words.fr_many if self.french else words.en_many
            return f"{self.say('au moins', 'at least')} {body.min} {many}{self._where(body.expect)}"
        if body.when.types != body.expect.types:
            return self._indefinite(body.expect)
        article = self.say("une autre" if words.gender == FEMININE else "un autre", "another")
        return f"{article} {self._noun(words)}{self._where(body.expect)}"

    def _duty(self, body: Require) -> str:
        must, window = self.say("doivent" if body.min > 1 else "doit", "must"), body.within
        if body.expect.types == (SELF,):
            return self.say("doit être saisi", "must be recorded")
        if window == EVER:
            return f"{must} {self.say('exister', 'exist')}"
        if window.start.count >= 0:
            return f"{must} {self.say('suivre', 'follow')}"
        if window.end.count <= 0:
            return f"{must} {self.say('précéder', 'come before')}"
        return f"{must} {self.say('exister', 'exist')}"

    def _words(self, types: tuple[str, ...]) -> Spoken:
        group = group_of(types)
        if group is not None:
            return group
        known = [TYPES.get(name) or _unnamed(name) for name in types]
        return known[0] if len(known) == 1 else _any_of(known)

    def _noun(self, words: Spoken) -> str:
        return words.fr if self.french else words.en

    def _where(self, selector: Selector) -> str:
        """« [besoin = formation, même thème] »; empty when there is no condition."""
        parts = [self._condition(part) for part in conjuncts(selector.where)]
        parts += [self._link(link, same=True) for link in selector.match]
        parts += [self._link(link, same=False) for link in selector.differ]
        if selector.states is not None and "planned" in {state.value for state in selector.states}:
            parts.append(self.say("prévu compte", "planned counts"))
        if selector.at is At.RECORDED and selector.types != (SELF,):
            parts.append(self.say("à sa saisie", "when it is recorded"))
        return f" [{', '.join(parts)}]" if parts else ""

    def _condition(self, condition: Condition) -> str:
        match condition:
            case Test():
                return self._test(condition)
            case All(conditions=inner):
                return self.say(" et ", " and ").join(self._nested(part) for part in inner)
            case Any_(conditions=inner):
                return self.say(" ou ", " or ").join(self._nested(part) for part in inner)
            case Not(condition=part):
                return f"{self.say('sauf', 'not')} {self._nested(part)}"

    def _nested(self, condition: Condition) -> str:
        said = self._condition(condition)
        return f"({said})" if isinstance(condition, All | Any_) and len(condition.conditions) > 1 else said

    def _test(self, test: Test) -> str:
        field, operand = self._field(test.field), test.operand
        match test.operator:
            case Operator.EQ if operand is True:
                return field
            case Operator.EQ if operand is False:
                return f"{self.say('pas', 'not')} {field}"
            case Operator.EXISTS:
                return f"{self.say('avec', 'with') if operand else self.say('sans', 'no')} {field}"
            case Operator.IN if isinstance(operand, tuple):
                return f"{field} = {self.say(' ou ', ' or ').join(self._value(item) for item in operand)}"
            case Operator.BETWEEN:
                least, greatest = (self._value(item) for item in operand)
                return f"{least} ≤ {field} ≤ {greatest}"
            case Operator.NE if isinstance(operand, tuple):
                return f"{field} ≠ {', '.join(self._value(item) for item in operand)}"
            case operator:
                return f"{field} {OPERATORS.get(operator, '=')} {self._said_of(test.field, operand)}"

    def _said_of(self, field: str, value: Any) -> str:
        return self._noun(self._words((value,))) if field == "type" and isinstance(value, str) else self._value(value)

    def _value(self, value: Any) -> str:
        if isinstance(value, Reference):
            return self._reference(value)
        if value is None:
            return self.say("absent", "absent")
        if isinstance(value, bool):
            return self.say("oui", "yes") if value else self.say("non", "no")
        labels = VALUES.get(value) if isinstance(value, str) else None
        return str(value) if labels is None else self.say(*labels)

    def _reference(self, reference: Reference) -> str:
        field = self._field(reference.field)
        owner = {
            Of.WHEN: self.say("du déclencheur", "of what set it off"),
            Of.WHILE: self.say("de l'intervalle", "of the interval"),
            Of.PATHWAY: self.say("du parcours", "of the pathway"),
        }[reference.of]
        return f"{field} {owner}"

    def _link(self, link: Link, *, same: bool) -> str:
        """« même thème », « autre service »; across two fields, both are named. An id names what it leads to."""
        ours, theirs = link.field, link.value.field
        if ours.endswith("_id") and theirs == "id":
            about = self.say("qui s'y rapporte", "about it")
            return about if same else self.say("sans rapport", "not about it")
        label = self._field(ours)
        if ours == theirs:
            return f"{self.say('même', 'same')} {label}" if same else f"{self.say('autre', 'other')} {label}"
        return f"{label} {'=' if same else '≠'} {self._reference(link.value)}"

    def _field(self, name: str) -> str:
        labels = FIELDS.get(name)
        return f"« {name} »" if labels is None and self.french else name if labels is None else self.say(*labels)

    def _place(self, target: Selector, window: Window, bound: str) -> str:
        """In which window, or in which relation to the activation's interval, or both."""
        if target.relation is None:
            return self._when(window, bound)
        related = self.say(" ou ", " or ").join(self.say(*RELATIONS[name]) for name in target.relation.names)
        return f" {related}" if window == EVER and not bound else f" {related}{self._when(window, bound)}"

    def _when(self, window: Window, bound: str) -> str:
        """Where the target counts. A bound by another fact says it better than an endless side."""
        start, end = window.start, window.end
        endless = end.unit is None and end.count > 0
        if bound and (endless or (start.unit is None and start.count < 0 and end.count <= 0)):
            return f" {bound}"
        return f" {self._window(start, end)}{' ' + bound if bound else ''}"

    def _window(self, start: Duration, end: Duration) -> str:
        before, after = self._span(start), self._span(end)
        match (start.unit is None, start.count, end.unit is None, end.count):
            case (True, _, True, _):
                return self.say("à un moment quelconque", "at any time")
            case (False, 0, True, _):
                return self.say("par la suite", "afterwards")
            case (True, _, False, 0):
                return self.say("auparavant", "beforehand")
            case (False, 0, False, 0):
                exact = start.is_exact
                return self.say("au même instant" if exact else "le même jour", "then" if exact else "on the same day")
            case (False, 0, False, _):
                return self.say(f"sous {after}", f"within {after}")
            case (False, _, False, 0):
                return self.say(f"dans les {before} d'avant", f"in the {before} before")
        return self.say(
            f"entre {self._side(start)} et {self._side(end)}", f"between {self._side(start)} and {self._side(end)}"
        )

    def _side(self, side: Duration) -> str:
        if side.unit is None:
            return self.say("toujours", "ever")
        if side.count == 0:
            return self.say("le jour même", "the same day")
        where = self.say("avant", "before") if side.count < 0 else self.say("après", "after")
        return f"{self._span(side)} {where}"

    def _span(self, duration: Duration) -> str:
        """« 30 jours », without its sign; empty when endless."""
        if duration.unit is None:
            return ""
        count = abs(duration.count)
        singular, plural = UNITS[self.language][duration.unit]
        return f"{count} {singular if count == 1 else plural}"

    def _strictly(self, rule: Rule) -> str:
        return self.say(" strictement", " strictly") if rule.strict else ""

    def _bound(self, until: Cut | None, since: Cut | None) -> str:
        said = []
        if until is not None and until.effect is Effect.DEADLINE:
            said.append(f"{self.say('avant', 'before')} {self._next(until.selector)}")
        if since is not None:
            said.append(f"{self.say('depuis', 'since')} {self._previous(since.selector)}")
        return " ".join(said)

    def _next(self, selector: Selector) -> str:
        words = self._words(selector.types)
        nxt = self.say("la prochaine" if words.gender == FEMININE else "le prochain", "the next")
        return f"{nxt} {self._noun(words)}{self._where(selector)}"

    def _previous(self, selector: Selector) -> str:
        words = self._words(selector.types)
        last = self.say("la dernière" if words.gender == FEMININE else "le dernier", "the last")
        return f"{last} {self._noun(words)}{self._where(selector)}"

    def _release(self, until: Cut | None) -> str:
        if until is None or until.effect is not Effect.RELEASE:
            return ""
        return (
            f", {self.say('sauf si survient d’ici là', 'unless there comes first')} {self._indefinite(until.selector)}"
        )

    def _unless(self, exemption: Exemption | None) -> str:
        if exemption is None:
            return ""
        there_is = self.say("sauf s'il y a", "unless there is")
        where = "" if exemption.within == EVER else self._when(exemption.within, "")
        return f", {there_is} {self._indefinite(exemption.selector)}{where}"

    def _chain(self, following: tuple[str, ...], preceding: tuple[str, ...]) -> str:
        return "".join(
            f", {place} {self._plural(types)}"
            for types, place in (
                (following, self.say("à compter parmi les prochains faits :", "as the next of:")),
                (preceding, self.say("à compter parmi les faits précédents :", "as the one before, of:")),
            )
            if types
        )

    def _plural(self, types: tuple[str, ...]) -> str:
        words = self._words(types)
        return words.fr_many if self.french else words.en_many

    def _one_to_one(self, use: Use) -> str:
        if use is not Use.ONE_TO_ONE:
            return ""
        return self.say(", chacun pour un seul", ", each for one only")


def _rolls(rule: Rule) -> bool:
    match rule.body:
        case Require(within=window) | Forbid(within=window) | Silence(gap=window):
            return window.roll
        case Limit():
            return False


def _unnamed(name: str) -> Spoken:
    """A type that only the rule's author knows."""
    if name == EVERY_TYPE:
        return Spoken("fait", "m", "faits", "a lieu", "se termine", "fact", "facts", "takes place", "ends")
    fr, en = f"fait « {name} »", f'fact "{name}"'
    return Spoken(fr, "m", fr, "a lieu", "se termine", en, en, "takes place", "ends")


def _any_of(known: list[Spoken]) -> Spoken:
    """Several types at once: the first one's verbs, unless they differ."""
    first = known[0]
    starts = first.fr_starts if len({words.fr_starts for words in known}) == 1 else "a lieu"
    ends = first.fr_ends if len({words.fr_ends for words in known}) == 1 else "prend fin"
    en_starts = first.en_starts if len({words.en_starts for words in known}) == 1 else "takes place"
    en_ends = first.en_ends if len({words.en_ends for words in known}) == 1 else "ends"
    fr, fr_many = (_listed([words[place] for words in known], "ou") for place in (0, 2))
    en, en_many = (_listed([words[place] for words in known], "or") for place in (5, 6))
    return Spoken(fr, first.gender, fr_many, starts, ends, en, en_many, en_starts, en_ends)


def _listed(words: list[str], last: str) -> str:
    """« a, b ou c »."""
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
