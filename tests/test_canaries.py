"""Nothing personal is left in clear by a small demonstration; the whole one is `python -m tests.campaigns.canaries`."""

from tests.campaigns.canaries import campaign


def test_no_name_and_no_note_is_found_in_what_a_demonstration_leaves_behind() -> None:
    searched = campaign(pathways=20)
    assert searched.control_found_in, "the search did not find what was written in clear on purpose"
    assert searched.files > 100
    assert searched.hits == []
