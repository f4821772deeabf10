"""The reference list of needs."""

import json
from pathlib import Path

import pytest

from domain import themes_v1
from domain.themes import UnknownTheme, family_of, kind_of, must_be_known, public_theme

PUBLISHED = Path(__file__).parents[2] / "shared" / "data" / "data_inclusion_schema_v1" / "thematiques.json"


def test_the_list_is_the_published_one() -> None:
    if not PUBLISHED.exists():
        pytest.skip("the published list is not beside this repository (../shared/data)")
    published = {entry["value"]: entry["label"] for entry in json.loads(PUBLISHED.read_text(encoding="utf-8"))}
    assert published == themes_v1.NEEDS


def test_each_need_belongs_to_a_family_with_a_kind() -> None:
    assert (len(themes_v1.NEEDS), len(themes_v1.FAMILIES)) == (69, 16)
    assert {family_of(need) for need in themes_v1.NEEDS} == set(themes_v1.FAMILIES)
    assert all(kind_of(need) for need in themes_v1.NEEDS)


@pytest.mark.parametrize(
    ("theme", "kind"),
    [
        ("se-former--trouver-sa-formation", "training"),
        ("logement-hebergement--louer-un-logement", "housing"),
        ("sante--addictions", "health"),
        ("equipement-et-alimentation--alimentation", "food"),
        ("equipement-et-alimentation--habillement", "equipment"),
    ],
)
def test_rules_speak_of_coarse_kinds(theme: str, kind: str) -> None:
    assert kind_of(theme) == kind


def test_a_health_theme_is_public_as_its_family_only() -> None:
    assert public_theme("sante--addictions") == ("sante", "sante--addictions")
    assert public_theme("mobilite--financer-ma-mobilite") == ("mobilite--financer-ma-mobilite", None)


@pytest.mark.parametrize("theme", ["", "sante", "sante--", "se-former--voler"])
def test_an_unknown_theme_is_refused(theme: str) -> None:
    with pytest.raises(UnknownTheme) as refused:
        must_be_known(theme, "/needs/0/theme")
    assert (refused.value.status, refused.value.code, refused.value.field) == (422, "unknown_theme", "/needs/0/theme")
