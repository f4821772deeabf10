"""Folded pathways that are kept: what fails half-way is not kept."""

import pytest

from domain.contact import Channel, ContactRecorded, RecordContact
from infrastructure.database import Pool
from projections.pathway_folds import PathwayFolds
from tests.support.following import CCAS, TERRITORY, territory


async def test_a_pathway_that_could_not_be_folded_whole_is_asked_for_again(
    database_url: str, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    async with territory(database_url, pool) as place:
        pathway = await place.open()
        await place.act(pathway, CCAS, RecordContact(channel=Channel.PHONE))
        folds = PathwayFolds(place.log, TERRITORY)
        with monkeypatch.context() as patched:
            patched.setattr(ContactRecorded, "apply", fail)
            with pytest.raises(ValueError):
                await folds.standings([pathway], 2)
        standing = (await folds.standings([pathway], 2))[pathway]
    assert "contact" in {fact.type for fact in standing.facts}
