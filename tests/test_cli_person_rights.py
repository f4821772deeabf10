"""`unisson rights`, `erasure` and `retention`: what an operator does on the machine, on an officer's word."""

import json
from pathlib import Path

import pytest

from tests.support.command_line import unisson
from tests.support.service import CCAS, TERRITORY, running

OFFICER = ("--territory", TERRITORY, "--agency", "dpd-34")


@pytest.fixture
async def here(database_url: str, tmp_path: Path) -> dict[str, str]:
    return {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path), "UNISSON_LANG": "en"}


@pytest.fixture
async def pathway(database_url: str, tmp_path: Path) -> str:
    """Of somebody with a name, whom nothing followed yet."""
    async with running(database_url, tmp_path, roles=frozenset({"api"})) as service:
        place = await (await service.agency(CCAS)).opened(family_name="Quatremère")
    return place.rpartition("/")[2]


async def test_a_person_is_told_then_held_then_erased(here: dict[str, str], pathway: str, tmp_path: Path) -> None:
    page = tmp_path / "answer.html"
    told = await unisson(
        "rights", "export", pathway, *OFFICER, "--agent", "a-1", "--html", "--output", str(page), **here
    )
    assert (told.status, told.out) == (0, "")
    assert "Quatremère" in page.read_text("utf-8")
    assert (await unisson("rights", "hold", pathway, *OFFICER, "--ground", "audit", **here)).status == 0
    refused = await unisson("erasure", "request", pathway, *OFFICER, **here)
    assert (refused.status, "A legal hold keeps" in refused.err) == (1, True)
    assert (await unisson("rights", "release", pathway, *OFFICER, **here)).status == 0
    erased = await unisson("erasure", "request", pathway, *OFFICER, "--json", **here)
    assert json.loads(erased.out)["level"] == "unusable"
    erasure = json.loads(erased.out)["erasure"]
    certificate = await unisson("erasure", "certificate", erasure, "--territory", TERRITORY, **here)
    assert json.loads(certificate.out)["pathway_id"] == pathway
    assert "Quatremère" not in certificate.out
