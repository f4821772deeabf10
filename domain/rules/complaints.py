"""What may be wrong with a rules document, in words for those who write rules: French and English side by side.

What stands in braces is given by whoever complains; the same in both languages.
"""

from collections.abc import Iterable
from enum import Enum, unique
from typing import Any, NamedTuple, TypeAlias

QUOTED_MAX = 100
"""Characters of what an author wrote that are repeated in one place."""
SAID_MAX = 300
"""Of what we say ourselves, such as a list of names."""
OURS = frozenset({"known", "circle", "problem"})
"""What stands in braces and is a list or a sentence of ours."""


class Words(NamedTuple):
    """The same thing, told in both languages."""

    fr: str
    en: str


Said: TypeAlias = str | int | Words


@unique
class Complaint(Enum):
    """A sentence for one fault. It starts in lower case: the place of the fault comes before it."""

    # Any field.
    MAPPING_EXPECTED = (
        "un ensemble de champs est attendu ici ; trouvé : {given}.",
        "a mapping is expected here, not {given}.",
    )
    KEY_MISSING = "il manque « {key} ».", "`{key}` is missing."
    KEY_UNKNOWN = "« {key} » n'est pas connu ici.", "`{key}` is not known here."
    KEY_MISSPELT = (
        "« {key} » n'est pas connu ici. Vouliez-vous écrire « {close} » ?",
        "`{key}` is not known here. Did you mean `{close}`?",
    )
    KEY_NOT_TEXT = (
        "le nom de champ {key} n'est pas un texte ; mettez-le entre guillemets si c'en est un.",
        "the key {key} is not a text; quote it if it is meant as one.",
    )
    KEY_OF_ANOTHER_KIND = (
        "« {key} » n'a pas de sens ici : {why}. Une règle « {kind} » {shape}.",
        "`{key}` has no meaning here: {why}. A {kind} rule {shape}.",
    )
    FLAG_EXPECTED = (
        "« true » (oui) ou « false » (non) est attendu ; trouvé : {given}.",
        "true or false is expected, not {given}.",
    )
    WHOLE_EXPECTED = "un nombre entier est attendu ; trouvé : {given}.", "a whole number is expected, not {given}."
    OUT_OF_RANGE = "{value} n'est pas entre {least} et {most}.", "{value} is not between {least} and {most}."
    NUMBER_TOO_LARGE = "ce nombre est trop grand.", "this number is too large."
    TEXT_EXPECTED = "un texte est attendu ; trouvé : {given}.", "a text is expected, not {given}."
    TEXT_EMPTY = "le texte est vide.", "the text is empty."
    TEXT_TOO_LONG = "le texte dépasse {most} caractères.", "the text is longer than {most} characters."
    TEXT_HOLDS_CONTROLS = (
        "le texte contient des caractères invisibles (ou un saut de ligne) qui ne sont pas admis ici.",
        "the text holds control characters (or a line break) that are not allowed here.",
    )
    TEXT_HOLDS_HALVES = "un texte contient une moitié de caractère.", "a text holds half a character."
    LIST_EMPTY = "la liste est vide.", "the list is empty."
    NOT_ONE_OF = "{given} n'est pas admis ici ; choisissez parmi : {known}.", "{given} is not one of {known}."

    # The rule, and the document that holds it.
    NO_RULE = "il n'y a aucune règle ici.", "there is no rule here."
    RULE_EXPECTED = (
        "une règle ou une liste de règles est attendue ; trouvé : {given}.",
        "a rule or a list of rules is expected, not {given}.",
    )
    RULES_EXPECTED = "une liste de règles est attendue ; trouvé : {given}.", "a list of rules is expected, not {given}."
    ONE_RULE_AT_A_TIME = "un brouillon ne contient qu'une règle à la fois.", "one rule at a time is drafted."
    RULE_TOO_LONG = "la règle dépasse {kilobytes} ko.", "the rule is longer than {kilobytes} kB."
    SLUG_UNFIT = (
        "{given} ne peut pas nommer une règle : des minuscules sans accent, des chiffres et des tirets, 100 au plus.",
        "{given} cannot name a rule: small letters, digits and hyphens, at most 100.",
    )
    KIND_UNKNOWN = (
        "{given} n'est pas un genre de règle ; choisissez parmi : {known}.",
        "{given} is not a kind of rule; known: {known}.",
    )
    VERSION_TWICE = (
        "la version {version} de la règle « {rule} » est déjà à l'endroit {first} ; une version ne change jamais.",
        "version {version} of '{rule}' is already at {first}; versions never change.",
    )
    ONE_PATHWAY_ONLY = (
        "« scope » n'est pas connu : une règle juge un parcours à la fois.",
        "`scope` is not known: a rule judges one pathway at a time.",
    )
    EVERY_TERRITORY_ALONE = (
        "« * » veut dire tous les territoires ; il s'écrit seul.",
        '"*" means every territory and stands alone.',
    )
    NOT_A_DATE = "{given} n'est pas une date comme 2026-01-31.", "{given} is not a date such as 2026-01-31."
    NEVER_EFFECTIVE = (
        "la règle ne vaut aucun jour : « to » (exclu) ne vient pas après « from ».",
        "the rule is never effective: `to` (excluded) is not after `from`.",
    )
    CIRCLE = (
        "ces règles se masquent l'une l'autre, en rond : {circle}.",
        "these rules hide each other in a circle: {circle}.",
    )

    # Which facts are meant.
    GROUPS_EXPECTED = (
        "un ensemble de noms, chacun avec sa liste de types, est attendu ; trouvé : {given}.",
        "a mapping of names to lists of types is expected here, not {given}.",
    )
    GROUP_NAME_TAKEN = (
        "« {name} » a déjà un sens et ne peut pas nommer un groupe.",
        "'{name}' has a meaning of its own and cannot name a group.",
    )
    TYPES_EXPECTED = (
        "un ensemble de types de faits, chacun avec la liste de ses champs, est attendu ; trouvé : {given}.",
        "a mapping of types of facts to lists of their fields is expected here, not {given}.",
    )
    TYPE_NAME_TAKEN = (
        "« {name} » a déjà un sens et ne peut pas nommer un type de faits.",
        "'{name}' has a meaning of its own and cannot name a type of facts.",
    )
    TYPE_UNKNOWN = (
        "aucun fait n'est de type « {name} » ; un type venu d'ailleurs se déclare sous « types », avec ses champs.",
        "no fact is of type '{name}'; a type from elsewhere is declared under `types`, with its fields.",
    )
    TYPE_MISSPELT = (
        "aucun fait n'est de type « {name} ». Vouliez-vous écrire « {close} » ?",
        "no fact is of type '{name}'. Did you mean '{close}'?",
    )
    GROUP_OF_GROUPS = (
        "« {name} » est un groupe ; un groupe ne contient que des types de faits.",
        "'{name}' is a group; a group holds types of facts only.",
    )
    FIELD_UNKNOWN = (
        "un fait « {types} » n'a pas de champ « {name} » ; il a : {known}.",
        "a fact '{types}' has no field '{name}'; it has: {known}.",
    )
    FIELD_MISSPELT = (
        "un fait « {types} » n'a pas de champ « {name} ». Vouliez-vous écrire « {close} » ?",
        "a fact '{types}' has no field '{name}'. Did you mean '{close}'?",
    )
    PATHWAY_FIELD_UNKNOWN = (
        "d'un parcours, une règle ne connaît pas « {name} » ici ; elle connaît : {known}.",
        "of a pathway, a rule does not know '{name}' here; it knows: {known}.",
    )
    SELF_STANDS_ALONE = (
        "« self » s'écrit seul, et seulement dans « expect », « until » ou « since ».",
        "`self` stands alone, in `expect`, `until` or `since` only.",
    )
    LINKS_EXPECTED = (
        "des champs à comparer deux à deux (« theme: theme ») sont attendus ; trouvé : {given}.",
        "a mapping of fields to fields is expected here, not {given}.",
    )
    NOTHING_TO_LINK = (
        "il n'y a ici rien à quoi comparer ; utilisez « where ».",
        "there is nothing to correlate with here; use `where`.",
    )
    COUNTED_BY_ITSELF = (
        "les faits sont comptés selon leur propre « {field} » : écrivez {field}: {field}.",
        "the facts are counted by their `{field}`: write {field}: {field}.",
    )
    DIFFER_IN_COUNT = (
        "« differ » n'a pas de sens dans « count » ; « match » fait des groupes, comptés à part.",
        "`differ` has no meaning in `count`; `match` makes groups, counted apart.",
    )
    RELATION_UNKNOWN = (
        "{given} n'est pas une relation entre deux périodes ; choisissez parmi : {known}.",
        "{given} is not a relation between intervals; known: {known}.",
    )
    RELATION_TWICE = (
        "« relation » est dit deux fois : ici et dans la règle.",
        "`relation` is said twice: here and in the rule.",
    )
    RELATION_MISPLACED = (
        "« relation » précise ce qui est attendu ou interdit ; il n'a pas de sens ici.",
        "`relation` qualifies what is expected or forbidden; it has no meaning here.",
    )
    EFFECT_MISSING = "il manque « effect » : release ou deadline.", "`effect` is missing: release or deadline."
    CHAIN_WITHOUT_TARGET = (
        "aucun de ces types n'est dans « {target} » : rien ne pourrait jamais convenir.",
        "none of these types is in `{target}`: nothing could ever be the one.",
    )

    # Conditions.
    CONDITIONS_EXPECTED = (
        "des champs avec leurs conditions sont attendus ; trouvé : {given}.",
        "a mapping of fields to conditions is expected, not {given}.",
    )
    CONDITION_EMPTY = (
        "la condition est vide ; retirez-la pour accepter tous les faits.",
        "the condition is empty; leave it out to match every fact.",
    )
    CONDITIONS_TOO_DEEP = (
        "les conditions sont imbriquées sur plus de {most} niveaux.",
        "conditions are nested more than {most} deep.",
    )
    OPERATOR_MISSING = "il manque la comparaison, parmi : {known}.", "the operator is missing: one of {known}."
    OPERATOR_UNKNOWN = (
        "{given} n'est pas une comparaison ; choisissez parmi : {known}.",
        "{given} is not one of {known}.",
    )
    EXISTS_TAKES_A_FLAG = (
        "« exists » attend « true » (oui) ou « false » (non) ; trouvé : {given}.",
        "`exists` takes true or false, not {given}.",
    )
    IN_TAKES_A_LIST = "« in » attend une liste ; trouvé : {given}.", "`in` takes a list, not {given}."
    BETWEEN_TAKES_TWO = (
        "« between » attend une liste de deux valeurs, la plus petite puis la plus grande.",
        "`between` takes a list of two values, the least and the greatest.",
    )
    BETWEEN_UNLIKE = (
        "« between » attend deux nombres, deux textes ou deux dates ; un nombre et un texte n'ont pas d'ordre.",
        "`between` takes two numbers, two texts or two dates; a number and a text have no order.",
    )
    BETWEEN_REVERSED = (
        "rien n'est entre {least} et {greatest} : la plus petite valeur vient d'abord.",
        "nothing is between {least} and {greatest}: the least comes first.",
    )
    ORDERED_EXPECTED = (
        "un nombre, un texte ou une date est attendu ; trouvé : {given}.",
        "a number, a text or a date is expected, not {given}.",
    )
    SINGLE_VALUE_EXPECTED = (
        "une seule valeur est attendue ; trouvé : {given}.",
        "a single value is expected, not {given}.",
    )
    NOT_A_REFERENCE = (
        "{given} ne renvoie à rien : écrivez $when.champ ou $pathway.champ.",
        "{given} is not a reference: write $when.field or $pathway.field.",
    )
    REFERENCE_MISPLACED = (
        "{given} n'a pas de sens ici ; ce qui en a un ici : {known}.",
        "{given} has no meaning here; references known here: {known}.",
    )

    # Durations and windows.
    NOT_A_DURATION = (
        (
            "{given} n'est pas une durée comme 30d : un nombre entier jusqu'à {most}, puis d (jours), bd (ouvrés), "
            "wd (ouvrables), w (semaines), m (mois), y (ans), h (heures) ou min (minutes) ; ou inf, -inf (sans fin)."
        ),
        (
            "{given} is not a duration such as 30d: a whole number up to {most}, then d (days), bd (business days), "
            "wd (working days), w (weeks), m (months), y (years), h (hours) or min (minutes); or inf, -inf (endless)."
        ),
    )
    SPAN_EXPECTED = (
        "une durée limitée est attendue, zéro ou plus.",
        "a finite duration, zero or more, is expected.",
    )
    GAP_NOT_POSITIVE = (
        "un « gap » est une durée limitée, plus longue que zéro.",
        "a gap is a positive, finite duration.",
    )
    IN_LAST_NOT_POSITIVE = (
        "une durée plus longue que zéro est attendue, comme 60d, ou inf.",
        "a positive duration such as 60d, or inf, is expected.",
    )
    WINDOW_EMPTY = (
        "la fenêtre est vide : elle commence (« from ») à {start} et finit (« to ») à {end}.",
        "the window is empty: it starts at {start} and ends at {end}.",
    )
    WITHIN_MISPLACED = (
        "« within » n'a pas de sens ici ; il s'écrit dans la règle, ou dans « unless ».",
        "`within` has no meaning here; it stands in the rule, or in `unless`.",
    )
    NO_WINDOW_TO_CHANGE = (
        "« {key} » : il n'y a pas de « within » ici qu'il puisse changer.",
        "`{key}`: there is no `within` here for it to change.",
    )
    BOUNDS_WITHOUT_HOURS = (
        "« bounds » vaut pour les fenêtres en heures ou en minutes ; les jours sont toujours compris.",
        "`bounds` applies to windows in hours or minutes; days are always included.",
    )
    ROLL_WITHOUT_DAY = (
        "« roll » déplace un dernier jour ; une fenêtre qui finit à une heure précise n'en a pas.",
        "`roll` moves a last day; a window that ends on an hour has none.",
    )

    # What a limit counts.
    IN_LAST_MISSING = (
        "il manque « in_last » (dans une période qui glisse) ou « concurrent: true » (en même temps).",
        "`in_last` (a sliding window) or `concurrent: true` (at a time) is missing.",
    )
    IN_LAST_AND_CONCURRENT = (
        "une limite compte dans une période qui glisse ou en même temps, pas les deux.",
        "a limit counts either in a sliding window or at a time, not both.",
    )
    CONCURRENT_WITHOUT_POINT = (
        "« concurrent » compte des périodes : il n'y a pas de moment à choisir.",
        "`concurrent` counts intervals: there is no point to choose.",
    )
    FREEZE_IN_LIMIT = (
        "« freeze » déplace une échéance ; une limite n'en a pas. Écrivez run, ou rien.",
        "`freeze` moves a deadline; a limit has none. Write run, or nothing.",
    )
    FORCE_IN_LIMIT = (
        "« force » déplace une échéance ; une limite n'en a pas. Écrivez keep, ou rien.",
        "`force` moves a deadline; a limit has none. Write keep, or nothing.",
    )

    # Who is told, and the text of the alert.
    AGENCY_UNFIT = (
        "{given} ne peut pas nommer un organisme : son nom court, $when.agency ou $pathway.referent est attendu.",
        "{given} cannot name an agency: its short name, $when.agency or $pathway.referent is expected.",
    )
    NOTIFY_UNFIT = (
        "{given} ne peut pas être appelé : coordinator, agency_lead ou le nom court d'un organisme est attendu.",
        "{given} cannot be called upon: coordinator, agency_lead or an agency's short name is expected.",
    )
    PLACEHOLDER_UNKNOWN = (
        "{placeholder} n'est pas connu dans une règle « {kind} » ; écrivez {known}.",
        "{placeholder} is not known in a {kind} rule; write {known}.",
    )

    # The YAML it is written in.
    DOCUMENT_TOO_LARGE = "le document dépasse {kilobytes} ko.", "the document is larger than {kilobytes} kB."
    NOT_UTF8 = (
        "le document n'est pas un texte en UTF-8 : enregistrez-le dans cet encodage.",
        "the document is not UTF-8 text.",
    )
    NOT_YAML = (
        "ce n'est pas du YAML : ligne {line}, colonne {column} : {problem}.",
        "this is not YAML: line {line}, column {column}: {problem}.",
    )
    NOT_YAML_TEXT = (
        "ce n'est pas du YAML : le texte contient un caractère qui n'y est pas admis.",
        "this is not YAML: the text holds a character that is not allowed there.",
    )
    YAML_KEY_NOT_PLAIN = (
        "ligne {line} : le nom d'un champ est un simple texte.",
        "line {line}: a key is a plain text.",
    )
    YAML_KEY_TWICE = "ligne {line} : ce champ est donné deux fois.", "line {line}: this key is given twice."
    YAML_ALIAS = (
        "ligne {line} : les renvois YAML (*{name}) ne sont pas acceptés.",
        "line {line}: aliases (*{name}) are not accepted.",
    )
    YAML_ANCHOR = (
        "ligne {line} : les ancres YAML (&{name}) ne sont pas acceptées.",
        "line {line}: anchors (&{name}) are not accepted.",
    )
    YAML_TAG = (
        "ligne {line} : les étiquettes YAML ({name}) ne sont pas acceptées.",
        "line {line}: tags ({name}) are not accepted.",
    )
    YAML_MERGE_KEY = (
        "ligne {line} : les fusions YAML (<<) ne sont pas acceptées.",
        "line {line}: merge keys (<<) are not accepted.",
    )
    YAML_TOO_DEEP = (
        "ligne {line} : le document est imbriqué sur plus de {most} niveaux.",
        "line {line}: nested more than {most} deep.",
    )

    def __init__(self, fr: str, en: str) -> None:
        self.fr = fr
        self.en = en

    def told(self, **said: Said) -> Words:
        """The two sentences. KeyError when something that stands in braces is not given."""
        french = {name: _filled(name, one, one.fr if isinstance(one, Words) else one) for name, one in said.items()}
        english = {name: _filled(name, one, one.en if isinstance(one, Words) else one) for name, one in said.items()}
        return Words(self.fr.format(**french), self.en.format(**english))


def _filled(name: str, said: Said, one: str | int) -> str:
    """What is in words already was cut where it is quoted."""
    return printable(one, SAID_MAX if isinstance(said, Words) or name in OURS else QUOTED_MAX)


def shown(value: Any) -> Words:
    """A value as its author wrote it: a text in quotes, or else what it is."""
    if isinstance(value, str):
        return Words(f"« {printable(value)} »", f"'{printable(value)}'")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Words(str(value), str(value))
    return name_of(value)


def name_of(value: Any) -> Words:
    """What a value is, in words an author of rules knows."""
    match value:
        case None:
            return Words("rien", "nothing")
        case bool():
            return Words("un oui ou non", "a yes/no")
        case int():
            return Words("un nombre", "a number")
        case float():
            return Words("un nombre à virgule", "a decimal number")
        case str():
            return Words("un texte", "a text")
        case {}:
            return Words("un ensemble de champs", "a mapping")
        case [*_]:
            return Words("une liste", "a list")
        case _:
            return Words("autre chose", "this")


def either(names: Iterable[str]) -> Words:
    named = list(names)
    return Words(" ou ".join(named), " or ".join(named))


def cut(text: str, most: int = QUOTED_MAX) -> str:
    return text if len(text) <= most else f"{text[:most]}…"


def printable(said: str | int, most: int = QUOTED_MAX) -> str:
    """Cut, and nothing in it that a terminal would obey."""
    return "".join(
        char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut(str(said), most)
    )
