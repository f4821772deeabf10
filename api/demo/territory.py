"""The demonstration's territory: its agencies, its communes, and the people it invents."""

from random import Random
from typing import NamedTuple

TERRITORY = "FR-34"
COMMUNES = ("34172", "34032", "34301", "34003", "34145", "34142", "34108", "34154")


class DemoAgency(NamedTuple):
    slug: str
    name: str
    network: str
    capabilities: tuple[str, ...]


AGENCIES = (
    DemoAgency("ccas-montpellier", "CCAS de Montpellier (fictif)", "ccas-cias", ("social", "rights", "food")),
    DemoAgency("maison-solidarites-beziers", "Solidarités (fictif)", "maisons-des-solidarites", ("social",)),
    DemoAgency("france-travail-sete", "Agence pour l'emploi (fictive)", "france-travail", ("employment",)),
    DemoAgency("mission-locale-lunel", "Mission locale (fictive)", "mission-locale", ("employment", "mobility")),
    DemoAgency("formation-herault", "Centre de formation (fictif)", "afpa", ("training", "literacy")),
    DemoAgency("siao-herault", "SIAO (fictif)", "siao", ("housing",)),
    DemoAgency("habitat-solidaire", "Association pour le logement (fictive)", "emmaus", ("housing", "social")),
    DemoAgency("sante-proximite", "Centre de santé (fictif)", "csapa", ("health",)),
)
REFERENTS = tuple(agency.slug for agency in AGENCIES[:4])
ABLE_TO: dict[str, str] = {
    "se-former--trouver-sa-formation": "formation-herault",
    "se-former--monter-son-dossier-de-formation": "formation-herault",
    "logement-hebergement--changer-de-logement": "habitat-solidaire",
    "logement-hebergement--rechercher-une-solution-dhebergement-temporaire": "siao-herault",
    "mobilite--preparer-un-permis": "mission-locale-lunel",
    "sante--acces-aux-soins": "sante-proximite",
    "trouver-un-emploi--maintien-dans-lemploi": "france-travail-sete",
}
TRAINING_THEMES = tuple(theme for theme in ABLE_TO if theme.startswith("se-former--"))
OTHER_THEMES = tuple(theme for theme in ABLE_TO if not theme.startswith("se-former--"))

_STARTS = (
    "Ar",
    "Bel",
    "Cor",
    "Dam",
    "Es",
    "Fer",
    "Gal",
    "Hau",
    "Jou",
    "Lan",
    "Mar",
    "Nor",
    "Per",
    "Quer",
    "Roz",
    "Tar",
)
_MIDDLES = ("be", "ci", "do", "gue", "lo", "mi", "na", "que", "ra", "so", "te", "vi", "zan")
_ENDS = ("dier", "gnac", "lard", "mont", "nnec", "rieu", "ssac", "teau", "vigne", "zier")
_GIVEN = ("Amina", "Bastien", "Chloé", "Driss", "Élodie", "Farid", "Gaëlle", "Hugo", "Inès", "Joris", "Karima", "Léo")


class Person(NamedTuple):
    given_name: str
    family_name: str
    birth_date: str
    note: str
    """Free text that must never be found in clear anywhere."""


def invent_person(random: Random, number: int) -> Person:
    """A person who does not exist. Family names are invented, so that finding one in a file proves a leak."""
    family = random.choice(_STARTS) + random.choice(_MIDDLES) + random.choice(_MIDDLES) + random.choice(_ENDS)
    return Person(
        given_name=random.choice(_GIVEN),
        family_name=f"{family}-{_STARTS[number % 16]}{_MIDDLES[number // 16 % 13]}{_ENDS[number % 10]}",
        birth_date=f"{random.randint(1955, 2005)}-{random.randint(1, 12):02d}-{random.randint(1, 28):02d}",
        note=f"Entretien difficile, en parler en équipe ({random.getrandbits(64):016x}).",
    )
