"""Zones: communes and territories."""

import msgspec
import pytest

from domain.zones import Zone, changes_territory, department_of


@pytest.mark.parametrize(
    ("zone", "department"),
    [("34172", "FR-34"), ("2A004", "FR-2A"), ("97411", "FR-974"), ("98735", "FR-987"), ("FR-30", "FR-30")],
)
def test_a_zone_lies_in_a_department(zone: str, department: str) -> None:
    assert msgspec.convert(zone, Zone) == zone
    assert department_of(zone) == department


@pytest.mark.parametrize("zone", ["3417", "341720", "2C004", "fr-34", "FR-", "34172\n", "", "34 172"])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(zone, Zone)


def test_a_move_within_the_department_keeps_the_territory() -> None:
    assert not changes_territory("34172", "34032")
    assert changes_territory("34172", "30189")
    assert not changes_territory("FR-34", "34032")
