"""The words of explanations, in French and English. No sentence is made here."""

from collections.abc import Mapping

from domain.rules.obligation import Status
from domain.rules.relations import Macro, Relation
from domain.rules.windows import Unit

FRENCH, ENGLISH = "fr", "en"

UNITS: Mapping[str, Mapping[Unit, tuple[str, str]]] = {
    FRENCH: {
        Unit.DAYS: ("jour", "jours"),
        Unit.BUSINESS_DAYS: ("jour ouvré", "jours ouvrés"),
        Unit.WORKING_DAYS: ("jour ouvrable", "jours ouvrables"),
        Unit.WEEKS: ("semaine", "semaines"),
        Unit.MONTHS: ("mois", "mois"),
        Unit.YEARS: ("an", "ans"),
        Unit.HOURS: ("heure", "heures"),
        Unit.MINUTES: ("minute", "minutes"),
    },
    ENGLISH: {
        Unit.DAYS: ("day", "days"),
        Unit.BUSINESS_DAYS: ("business day", "business days"),
        Unit.WORKING_DAYS: ("working day (Saturdays included)", "working days (Saturdays included)"),
        Unit.WEEKS: ("week", "weeks"),
        Unit.MONTHS: ("month", "months"),
        Unit.YEARS: ("year", "years"),
        Unit.HOURS: ("hour", "hours"),
        Unit.MINUTES: ("minute", "minutes"),
    },
}
STATUS_TEXTS: Mapping[str, Mapping[Status, str]] = {
    FRENCH: {
        Status.PENDING: "En attente.",
        Status.SATISFIED: "Respecté.",
        Status.VIOLATED_OPEN: "Délai dépassé, rien n'a encore répondu.",
        Status.VIOLATED_LATE: "Fait en retard.",
        Status.CLEARED: "Levé.",
        Status.WAIVED: "Dérogation accordée.",
        Status.CANCELLED: "Sans objet.",
    },
    ENGLISH: {
        Status.PENDING: "Pending.",
        Status.SATISFIED: "Satisfied.",
        Status.VIOLATED_OPEN: "The deadline has passed and nothing has answered it yet.",
        Status.VIOLATED_LATE: "Done late.",
        Status.CLEARED: "Cleared.",
        Status.WAIVED: "Waived.",
        Status.CANCELLED: "No longer applies.",
    },
}
STATUS_TEXTS_OF_KIND: Mapping[tuple[str, str, Status], str] = {
    (FRENCH, "forbid", Status.PENDING): "Rien d'interdit jusqu'ici.",
    (ENGLISH, "forbid", Status.PENDING): "Nothing forbidden so far.",
    (FRENCH, "forbid", Status.VIOLATED_OPEN): "Deux faits qui s'excluent ont été constatés.",
    (ENGLISH, "forbid", Status.VIOLATED_OPEN): "Two facts that exclude each other were found.",
    (FRENCH, "limit", Status.VIOLATED_OPEN): "La limite est dépassée.",
    (ENGLISH, "limit", Status.VIOLATED_OPEN): "The limit is exceeded.",
}
"""Where one kind of rule says it otherwise."""
FAILURES: Mapping[str, Mapping[str, str]] = {
    FRENCH: {
        "state": "n'est pas dans un état accepté ({detail})",
        "window": "est hors du délai ({detail})",
        "relation": "n'est pas dans la relation voulue (le fait déclencheur {detail})",
        "match": "ne correspond pas sur « {field} » ({detail})",
        "differ": "ne diffère pas sur « {field} » ({detail})",
        "where": "ne remplit pas la condition sur « {field} » ({detail})",
    },
    ENGLISH: {
        "state": "is not in an accepted state ({detail})",
        "window": "is outside the window ({detail})",
        "relation": "is not in a wanted relation (the activation {detail})",
        "match": 'does not correspond on "{field}" ({detail})',
        "differ": 'does not differ on "{field}" ({detail})',
        "where": 'does not meet the condition on "{field}" ({detail})',
    },
}
NOT_EXEMPTING = {
    FRENCH: "Le fait {fact_id} n'en dispense pas : il {said}.",
    ENGLISH: "Fact {fact_id} does not exempt from it: it {said}.",
}
RELATIONS: Mapping[str, Mapping[str, str]] = {
    FRENCH: {
        Relation.BEFORE: "se termine avant lui",
        Relation.AFTER: "commence après lui",
        Relation.MEETS: "se termine quand il commence",
        Relation.MET_BY: "commence quand il se termine",
        Relation.OVERLAPS: "commence avant lui et se termine pendant",
        Relation.OVERLAPPED_BY: "commence pendant et se termine après lui",
        Relation.STARTS: "commence avec lui et se termine avant",
        Relation.STARTED_BY: "commence avec lui et se termine après",
        Relation.DURING: "a lieu pendant",
        Relation.CONTAINS: "commence avant lui et se termine après",
        Relation.FINISHES: "commence après lui et se termine avec lui",
        Relation.FINISHED_BY: "commence avant lui et se termine avec lui",
        Relation.EQUALS: "commence et se termine avec lui",
        Macro.INTERSECTS: "a lieu au moins en partie en même temps",
        Macro.INSIDE: "a lieu tout entier pendant",
        Macro.COVERS: "le couvre tout entier",
        Macro.DISJOINT: "n'a aucun moment en commun avec lui",
    },
    ENGLISH: {
        Relation.BEFORE: "ends before it",
        Relation.AFTER: "starts after it",
        Relation.MEETS: "ends when it starts",
        Relation.MET_BY: "starts when it ends",
        Relation.OVERLAPS: "starts before it and ends during it",
        Relation.OVERLAPPED_BY: "starts during it and ends after it",
        Relation.STARTS: "starts with it and ends before it",
        Relation.STARTED_BY: "starts with it and ends after it",
        Relation.DURING: "takes place during it",
        Relation.CONTAINS: "starts before it and ends after it",
        Relation.FINISHES: "starts after it and ends with it",
        Relation.FINISHED_BY: "starts before it and ends with it",
        Relation.EQUALS: "starts and ends with it",
        Macro.INTERSECTS: "takes place at the same time, at least in part",
        Macro.INSIDE: "takes place wholly during it",
        Macro.COVERS: "covers it wholly",
        Macro.DISJOINT: "has no moment in common with it",
    },
}
"""What the activation does, the other fact being "it"."""
SAID_IN_FRENCH: Mapping[str, str] = {
    "absent": "absent",
    "same moment": "au même moment",
    "planned": "prévu",
    "cancelled": "annulé",
}

_FRENCH_MONTHS = (
    "janvier", "février", "mars", "avril", "mai", "juin",
    "juillet", "août", "septembre", "octobre", "novembre", "décembre",
)  # fmt: skip
_ENGLISH_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip
MONTHS = {FRENCH: _FRENCH_MONTHS, ENGLISH: _ENGLISH_MONTHS}
