"""`unisson rules` on files and on a territory: linted, drafted, tried, published, retired; refused in one line."""

import json
from pathlib import Path

import pytest

from api import authentication
from api.cli import output
from application.agencies import Agencies
from application.evaluation import read_now
from application.rulebook import shipped_rules
from application.rulebooks import Rulebooks
from application.rules_in_force import RulesInForce
from domain.agency import CloseAgency, DescribeAgency
from domain.clock import SettableClock
from domain.rulebook import rulebook_id_of
from infrastructure.database import Pool
from tests.support.command_line import unisson
from tests.support.logs import postgres_log
from tests.support.rulebooks import backtest, document
from tests.support.service import TERRITORY

PLACE = ("--territory", TERRITORY, "--agency", "departement-34", "--agent", "agent-1")
RULES = """
- rule: contact-in-60-days
  kind: silence
  of: {on: contact_events}
  gap: 60d
  effective: {from: 2999-01-01}
  text: {fr: "Aucun contact.", en: "No contact."}
"""


@pytest.fixture
async def here(database_url: str, pool: Pool, tmp_path: Path) -> dict[str, str]:
    """An installation where one agency is registered."""
    async with postgres_log(database_url, pool) as log:
        agencies = Agencies(log, SettableClock(read_now("2026-03-02")))
        await agencies.carry_out(TERRITORY, "departement-34", DescribeAgency(name="Département"))
    return {
        "UNISSON_DATABASE_URL": database_url,
        "UNISSON_DATA_DIR": str(tmp_path / "data"),
        "UNISSON_LANG": "en",
    }


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "rules.yaml"
    path.write_text(RULES)
    return str(path)


async def test_rules_are_said_as_sentences_with_what_is_doubtful(file: str, tmp_path: Path) -> None:
    Path(file).write_text(RULES + "  inhibited_by: [nobody]\n")
    ran = await unisson("rules", "lint", file)
    assert ran.status == 0
    assert "contact-in-60-days@1" in ran.out
    assert "« nobody »" in ran.out
    facts = tmp_path / "facts.ndjson"
    facts.write_text("")
    ran = await unisson("rules", "lint", file, "--facts", str(facts), "--now", "2026-06-01", "--json")
    assert [remark["code"] for remark in json.loads(ran.out)["remarks"]] == ["unknown_inhibitor", "never_activated"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rule: Not a slug\nkind: silence\nof: {on: x}\ngap: 9d", "/rule"),
        ("rule: a\nkind: magic", "/kind"),
        ("rule: a\nkind: silence\nof: {on: contact}\ngap: 9d\ninhibited_by: [a]", "circle"),
        ("x" * 300_000, "256 kB"),
    ],
)
async def test_a_file_that_could_not_be_drafted_is_refused_in_one_line(file: str, text: str, said: str) -> None:
    Path(file).write_text(text)
    ran = await unisson("rules", "lint", file, UNISSON_LANG="en")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert file in ran.err
    assert said in ran.err


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("fr", "/0/gap : « 60 jours » n'est pas une durée comme 30d : "),
        ("en", "/0/gap: '60 jours' is not a duration such as 30d: "),
    ],
)
async def test_a_mistake_in_a_file_is_told_in_the_reader_s_language(file: str, language: str, said: str) -> None:
    Path(file).write_text(RULES.replace("60d", "60 jours"))
    ran = await unisson("--lang", language, "rules", "lint", file)
    assert (ran.status, ran.out) == (1, "")
    assert said in ran.err


async def test_a_time_without_facts_is_a_mistake(file: str) -> None:
    assert (await unisson("rules", "lint", file, "--now", "2026-06-01")).status == 2


async def test_a_rule_is_drafted_tried_published_and_retired(
    here: dict[str, str], file: str, database_url: str, pool: Pool
) -> None:
    drafted = await unisson("rules", "draft", file, *PLACE, "--json", **here)
    [rule] = json.loads(drafted.out)["rules"]
    assert (rule["rule"], rule["version"], rule["state"]) == ("contact-in-60-days", 1, "draft")
    publish = ("rules", "publish", "contact-in-60-days", "--version", "1", *PLACE)
    untried = await unisson(*publish, "--to", "active", **here)
    assert (untried.status, untried.out, untried.err.count("\n")) == (1, "", 1)
    assert "tried" in untried.err

    await keep_a_backtest(database_url, pool, rule["digest"])
    for to in ("shadow", "active"):
        assert (await unisson(*publish, "--to", to, **here)).status == 0
        listed = await unisson("rules", "list", "--territory", TERRITORY, "--state", to, "--json", **here)
        assert "contact-in-60-days" in [each["rule"] for each in json.loads(listed.out)["rules"]]
    again = await unisson(*publish, "--to", "active", **here)
    assert (again.status, again.err.count("\n")) == (1, 1)

    shown = await unisson("rules", "show", "contact-in-60-days", "--territory", TERRITORY, "--json", **here)
    assert json.loads(shown.out)["document"]["gap"] == "60d"
    assert "60 days" in json.loads(shown.out)["sentence"]["en"]
    assert (await unisson("rules", "retire", "contact-in-60-days", *PLACE, **here)).out.split()[1] == "retired"


async def keep_a_backtest(database_url: str, pool: Pool, digest: str) -> None:
    clock = SettableClock(read_now("2026-03-02"))
    async with postgres_log(database_url, pool, clock) as log:
        rulebooks = Rulebooks(log, clock, RulesInForce(shipped_rules()))
        kept = backtest(document(), digest=digest)
        await rulebooks.record_backtest(TERRITORY, "contact-in-60-days", 1, kept, by="departement-34")


async def test_whoever_acts_is_told_by_a_pseudonym_and_never_by_a_name(file: str) -> None:
    ran = await unisson("rules", "draft", file, *PLACE[:4], "--agent", "Jean Dupont")
    assert (ran.status, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "--agent" in ran.err
    assert "Dupont" not in ran.err
    assert authentication.AGENT.pattern == output.AGENT


@pytest.mark.parametrize(
    "act",
    [
        ("draft", "FILE"),
        ("withdraw", "contact-in-60-days", "--version", "1"),
        ("publish", "contact-in-60-days", "--version", "1", "--to", "active"),
        ("retire", "silence-90"),
    ],
    ids=lambda act: str(act[0]),
)
async def test_an_agency_that_does_not_exist_changes_no_rule(
    here: dict[str, str], file: str, act: tuple[str, ...], database_url: str, pool: Pool
) -> None:
    drafted = await unisson("rules", "draft", file, *PLACE, "--json", **here)
    [rule] = json.loads(drafted.out)["rules"]
    await keep_a_backtest(database_url, pool, rule["digest"])
    before = await pool.fetchval("SELECT max(position) FROM events")
    arguments = [file if one == "FILE" else one for one in act]
    ran = await unisson("rules", *arguments, "--territory", TERRITORY, "--agency", "nobody-at-all", **here)
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "--agency nobody-at-all: No agency of the territory" in ran.err
    assert await pool.fetchval("SELECT max(position) FROM events") == before


THREE = RULES + "".join(RULES.replace("contact-in-60-days", slug) for slug in ("b", "a"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (THREE.replace("rule: a", "rule: silence-90"), "silence-90@1: This version is published"),
        (
            THREE.replace("rule: a", "rule: a\n  inhibited_by: [b]").replace("rule: b", "rule: b\n  inhibited_by: [a]"),
            "circle",
        ),
        (THREE.replace("rule: a", "rule: Not a slug"), "cannot name a rule"),
    ],
)
async def test_of_several_rules_all_are_drafted_or_none(
    here: dict[str, str], file: str, pool: Pool, text: str, said: str
) -> None:
    Path(file).write_text(text)
    refused = await unisson("rules", "draft", file, *PLACE, **here)
    assert (refused.status, refused.out, refused.err.count("\n")) == (1, "", 1)
    assert file in refused.err
    assert said in refused.err
    assert await rulebook_events(pool) == 0

    Path(file).write_text(THREE)
    drafted = await unisson("rules", "draft", file, *PLACE, "--json", **here)
    assert [rule["rule"] for rule in json.loads(drafted.out)["rules"]] == ["contact-in-60-days", "b", "a"]
    assert await rulebook_events(pool) == 4


async def rulebook_events(pool: Pool) -> int:
    count: int = await pool.fetchval("SELECT count(*) FROM events WHERE stream_id = $1", rulebook_id_of(TERRITORY))
    return count


async def test_an_agency_that_has_left_changes_no_rule(
    here: dict[str, str], file: str, database_url: str, pool: Pool
) -> None:
    async with postgres_log(database_url, pool) as log:
        agencies = Agencies(log, SettableClock(read_now("2026-03-02")))
        await agencies.carry_out(TERRITORY, "departement-34", CloseAgency())
    ran = await unisson("rules", "draft", file, *PLACE, **here)
    assert (ran.status, ran.out) == (1, "")
    assert "has left" in ran.err


async def test_the_rules_of_a_territory_are_listed_in_columns(here: dict[str, str]) -> None:
    listed = await unisson("rules", "list", "--territory", TERRITORY, **here)
    lines = listed.out.splitlines()
    assert len(lines) == len(shipped_rules().rules)
    columns = {
        tuple(place for place, char in enumerate(line) if char != " " and line[place - 2 : place] == "  ")
        for line in lines
    }
    assert len(columns) == 1


async def test_a_draft_is_given_up(here: dict[str, str], file: str) -> None:
    await unisson("rules", "draft", file, *PLACE, **here)
    given_up = await unisson("rules", "withdraw", "contact-in-60-days", "--version", "1", *PLACE, **here)
    assert (given_up.status, given_up.out) == (0, "contact-in-60-days@1  withdrawn\n")
    absent = await unisson("rules", "show", "contact-in-60-days", "--territory", TERRITORY, **here)
    assert (absent.status, absent.err.count("\n")) == (1, 1)
