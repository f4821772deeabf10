"""Who is shut out is given nothing recorded a second later; for longer: `python -m tests.campaigns.revocation`."""

from pathlib import Path

from tests.campaigns.revocation import campaign, faults


async def test_whoever_is_shut_out_is_given_nothing_recorded_a_second_later(database_url: str, tmp_path: Path) -> None:
    """Whatever took their right back, and however they read."""
    found = await campaign(database_url, tmp_path, events=200)
    assert faults(found) == []
    assert len(found) == 11
