"""A short campaign of made-up requests; the whole one is `make fuzz`."""

from pathlib import Path

from tests.campaigns.http_fuzz import IDENTITIES, campaign

CASES = 120


def test_no_request_breaks_it_and_none_looks_where_it_may_not(session_data_dir: Path) -> None:
    folder = session_data_dir / "fuzzed"
    folder.mkdir()
    folder.chmod(0o711)
    done = campaign(folder, CASES)
    assert done.faults == []
    assert done.is_clean
    assert done.cases >= CASES
    assert min(done.by_identity.get(identity, 0) for identity in IDENTITIES) > CASES // 10
