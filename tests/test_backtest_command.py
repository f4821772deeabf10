"""`unisson rules backtest`: what it prints, what it refuses, and with which status."""

from pathlib import Path

import msgspec
import pytest

from tests.support.command_line import unisson

RULE = """
rule: referred
kind: require
when: {on: diagnosis}
expect: {on: referral}
within: {from: 0d, to: 30d}
"""
FACTS = b"""
{"pathway": "a", "fact_id": "need", "type": "diagnosis", "start": "2026-01-05", "recorded_at": "2026-01-05T12:00"}
{"pathway": "a", "fact_id": "sent", "type": "referral", "start": "2026-01-20", "recorded_at": "2026-02-20T12:00"}
"""


@pytest.fixture
def files(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "rules.yaml").write_text(RULE)
    (tmp_path / "facts.ndjson").write_bytes(FACTS)
    return ("--rules", str(tmp_path / "rules.yaml"), "--facts", str(tmp_path / "facts.ndjson"))


async def test_the_same_question_gives_the_same_bytes(files: tuple[str, ...]) -> None:
    first = await unisson("rules", "backtest", *files, "--to", "2026-06-01", "--json")
    again = await unisson("rules", "backtest", *files, "--to", "2026-06-01", "--json", PYTHONHASHSEED="7")

    assert (first.status, first.err) == (0, "")
    assert first.out == again.out
    table = msgspec.json.decode(first.out)
    assert (table["mode"], table["to"], table["alerts"]) == ("as_known", "2026-05-31T22:00:00Z", 1)
    assert table["rules"][0]["cleared"] == {"late_evidence": 1}


async def test_it_speaks_french_first(files: tuple[str, ...]) -> None:
    ran = await unisson("rules", "backtest", *files, "--to", "2026-06-01")

    assert ran.out.splitlines()[:2] == [
        "parcours : 1 ; versions de faits : 2 ; alertes : 1",
        "referred@1  alertes : 1 ; refermées : 100 % ; fausses : 100 % ; ouvertes : 15 j",
    ]


async def test_in_hindsight_nothing_was_missing(files: tuple[str, ...]) -> None:
    ran = await unisson("rules", "backtest", *files, "--to", "2026-06-01", "--mode", "hindsight", "--json")

    assert msgspec.json.decode(ran.out)["alerts"] == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--territory", "FR-34"), "either --facts or --territory"),
        (("--to", "yesterday"), "--to: neither YYYY-MM-DD"),
        (("--from", "2026-06-01", "--to", "2026-05-01"), "--from is after --to"),
        (("--mode", "both"), "--mode"),
        (("--tz", "Paris"), "--tz"),
    ],
)
async def test_a_command_line_that_makes_no_sense_is_refused(
    files: tuple[str, ...], options: tuple[str, ...], said: str
) -> None:
    ran = await unisson("--lang", "en", "rules", "backtest", *files, *options)

    assert (ran.status, ran.out) == (2, "")
    assert said in ran.err


async def test_what_cannot_be_read_is_named(files: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "facts.ndjson").write_bytes(b'{"pathway": "a"}\n')
    bad_facts = await unisson("--lang", "en", "rules", "backtest", *files)
    (tmp_path / "rules.yaml").write_text("rule: referred\nkind: wish\n")
    bad_rule = await unisson("--lang", "en", "rules", "backtest", *files)
    (tmp_path / "rules.yaml").unlink()
    no_rule = await unisson("--lang", "en", "rules", "backtest", *files)

    assert (bad_facts.status, "facts.ndjson: line 1" in bad_facts.err) == (1, True)
    assert (bad_rule.status, "/kind" in bad_rule.err) == (1, True)
    assert (no_rule.status, "rules.yaml: No such file" in no_rule.err) == (1, True)
