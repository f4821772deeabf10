"""What of an identity is hashed: which ways of writing the same person agree, and which persons do not."""

from datetime import date
from itertools import combinations

import pytest

from application.identity_terms import Identity, Kind, digits, letters, sound, terms_of

BORN = date(1987, 3, 14)


@pytest.mark.parametrize(
    "names",
    [
        "Dupont Dupond Dupon",
        "Lefebvre Lefèvre LEFEVRE",
        "Rousseau Rousso Roussot Rousseaux",
        "Thibault Thibaud Tibo",
        "Gauthier Gautier Gotier",
        "Ben-Ali Benali",
        "Mohammed Mohamed",
        "Philippe Filip",
        "Schmitt Chmit",
        "Guérin Gueryn",
        "Hernandez Ernandes",
        "Clément Clemant",
        "Picard Piccard Picquard",
        "Laurent Laurant Lorent",
        "Œuvrard Oeuvrar",
    ],
)
def test_names_that_sound_alike_agree(names: str) -> None:
    assert len({sound(letters(name)) for name in names.split()}) == 1


def test_names_that_sound_otherwise_do_not() -> None:
    names = "Martin Morin Durand Dupont Leroy Leroux Moreau Renard Richard Robert Petit Garcia Girard Guérin Diallo"
    for one, other in combinations(names.split(), 2):
        assert sound(letters(one)) != sound(letters(other)), (one, other)


def test_no_name_sounds_like_nothing() -> None:
    assert all(sound(letters(name)) for name in ("Xe", "Ott", "He", "Ede", "Ez", "Sy", "Łoś", "Ng", "李", "Дурова"))


@pytest.mark.parametrize("number", ["06 12 34 56 78", "+33 6 12 34 56 78", "0033612345678", "+33(0)6.12.34.56.78"])
def test_a_french_number_is_one_however_it_is_written(number: str) -> None:
    assert digits(number) == "0612345678"


def test_a_foreign_number_keeps_its_country() -> None:
    assert digits("+212 6 12 34 56 78") == "+212612345678"


def test_the_order_of_the_names_does_not_matter_and_a_day_does() -> None:
    one = terms_of(Identity(given_name="Élodie", family_name="Martin", birth_date=BORN))
    swapped = terms_of(Identity(given_name="MARTIN", family_name="elodie", birth_date=BORN))
    another = terms_of(Identity(given_name="Élodie", family_name="Martin", birth_date=date(1987, 3, 15)))
    assert one[Kind.EXACT] == swapped[Kind.EXACT]
    assert not set(one.values()) & set(another.values())


@pytest.mark.parametrize(
    ("identity", "kinds"),
    [
        (Identity(given_name="Élodie", family_name="Martin", phone="0612345678", email="e@example.org"), set()),
        (Identity(birth_date=BORN), set()),
        (Identity(family_name="Martin", birth_date=BORN), set()),
        (Identity(phone="06 12 34 56 78", birth_date=BORN), {Kind.PHONE}),
        (Identity(email=" E@example.org ", birth_date=BORN), {Kind.EMAIL}),
        (Identity(given_name="-", family_name="Martin", birth_date=BORN), set()),
        (Identity(given_name="Élodie", family_name="Martin", birth_date=BORN), {Kind.EXACT, Kind.SOUND}),
    ],
)
def test_no_field_is_ever_hashed_alone(identity: Identity, kinds: set[Kind]) -> None:
    assert set(terms_of(identity)) == kinds


def test_terms_of_different_kinds_never_meet() -> None:
    terms = terms_of(Identity(given_name="a", family_name="a", birth_date=BORN, phone="0612345678", email="0612345678"))
    assert len(set(terms.values())) == len(terms) == 4
