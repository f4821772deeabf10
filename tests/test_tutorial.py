"""The tutorial does what it shows, command after command."""

import shutil
from pathlib import Path

import pytest

from tests.support.documents import DOCS
from tests.test_docs import carried_out, must_be_as_shown


@pytest.mark.skipif(shutil.which("curl") is None, reason="the tutorial calls the API with curl")
async def test_the_tutorial_is_as_shown(data_dir: Path) -> None:
    must_be_as_shown(await carried_out(DOCS / "tutorial.md", data_dir, {}))
