"""Text is kept in one form, whoever typed it and however it was written down."""

import json
import unicodedata
from contextlib import suppress
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.text_form import MARKS_IN_A_ROW, TooManyMarks, composed
from tests.support.service import TERRITORY, Service, running

APART, TOGETHER = "Chloe\u0301", "Chlo\u00e9"
LETTERS = 'ancdef019\\"\n\t/u\u0301\u0323\u00e9\u0345\u037e\u212b\U0001f600\u1100\u1161\u2028'


@given(st.text(st.one_of(st.sampled_from(LETTERS), st.characters(codec="utf-8")), max_size=30), st.booleans())
def test_text_is_composed_and_nothing_else_changes(text: str, escaped: bool) -> None:
    raw = json.dumps({text: [text, 1.50, None]}, ensure_ascii=escaped).encode()
    expected = unicodedata.normalize("NFC", text)
    assert json.loads(composed(raw)) == {expected: [expected, 1.50, None]}


@given(st.binary(max_size=60))
def test_what_is_no_json_is_left_for_its_refusal(raw: bytes) -> None:
    with suppress(UnicodeDecodeError, TooManyMarks):
        assert composed(raw).decode() is not None


@pytest.mark.parametrize("written", ['"\\n\u0301"', '"\\u00ea\\u0301"', '"a\\\\u0301"', '"\\ud800e\\u0301"'])
def test_a_mark_joins_no_letter_of_an_escape(written: str) -> None:
    before, after = json.loads(written), json.loads(composed(written.encode()))
    assert after == (before if "\ud800" in before else unicodedata.normalize("NFC", before))


@pytest.mark.parametrize(("marks", "fits"), [(MARKS_IN_A_ROW, True), (MARKS_IN_A_ROW + 1, False)])
@pytest.mark.parametrize("mark", ["\u0323", "\U0001e94a"])
def test_no_letter_carries_more_marks_than_any_language_needs(mark: str, marks: int, *, fits: bool) -> None:
    raw = f'"a{mark * marks}"'.encode()
    if fits:
        assert composed(raw) == unicodedata.normalize("NFC", raw.decode()).encode()
    else:
        with pytest.raises(TooManyMarks):
            composed(raw)


async def test_a_name_is_stored_in_one_form_and_its_repeat_is_the_same_request(
    database_url: str, tmp_path: Path
) -> None:
    async with running(database_url, tmp_path) as service:
        ccas = await service.agency()
        answers = [
            await ccas.post(
                "/v1/pathways",
                content=json.dumps({"given_name": name}, ensure_ascii=escaped).encode(),
                headers={"Content-Type": "application/json", "Idempotency-Key": "k"},
            )
            for name, escaped in ((APART, False), (APART, True), (TOGETHER, False))
        ]
        assert [answer.status_code for answer in answers] == [201] * 3
        assert len({answer.json()["id"] for answer in answers}) == 1
        assert await _given_name(service, answers[0].json()["id"]) == TOGETHER


async def _given_name(service: Service, pathway: str) -> str:
    opened, *_ = await service.runtime.log.read_stream(TERRITORY, UUID(pathway))
    return str(opened.event.given_name)  # type: ignore[attr-defined]
