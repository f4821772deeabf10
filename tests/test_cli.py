"""The command line: help in two languages, one line on failure, and each command on a database of its own."""

import asyncio
import json
import signal
from datetime import date, timedelta
from pathlib import Path

import asyncpg
import pytest

from api.cli import COMMANDS, root_page
from application.api_keys import parse
from domain.clock import SystemClock
from tests.support.command_line import Ran, start, unisson
from tests.support.hmis import ENROLLMENT, Export, during

TODAY = SystemClock().now().date()
TERRITORY = ("--territory", "FR-34")


@pytest.fixture
def here(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of an installation on a fresh database."""
    return {"UNISSON_DATABASE_URL": database_url, "UNISSON_DATA_DIR": str(tmp_path / "data")}


# Help and mistakes.


async def test_the_first_page_needs_neither_the_parser_nor_the_settings() -> None:
    ran = await unisson("--help", UNISSON_PORT="not a port")
    assert (ran.status, ran.out, ran.err) == (0, root_page(), "")
    assert all(f"  {name} " in ran.out for name in COMMANDS)


@pytest.mark.parametrize("arguments", [("--lang", "en", "facts", "export", "--help"), ("facts", "export", "--help")])
async def test_help_is_french_unless_english_is_asked(arguments: tuple[str, ...]) -> None:
    ran = await unisson(*arguments)
    english = "--lang" in arguments
    assert ran.status == 0
    assert ("File to write" in ran.out, "Fichier à écrire" in ran.out) == (english, not english)


async def test_the_language_may_be_chosen_by_the_environment() -> None:
    assert (await unisson("--help", UNISSON_LANG="en")).out.startswith("Usage: unisson COMMAND")


async def test_an_unknown_language_is_refused() -> None:
    assert (await unisson("--lang", "de", "--help")).status == 2


async def test_the_version_is_told() -> None:
    ran = await unisson("--version")
    assert (ran.status, ran.out.strip().count(".")) == (0, 2)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("expotr",), "expotr"),
        (("facts", "export"), "--territory"),
        (("facts", "export", "--territory", "Hérault"), "--territory"),
        (("keys", "create", *TERRITORY, "--agency", "CCAS de Sète"), "--agency"),
        (("keys", "create", *TERRITORY, "--agency", "ccas-sete", "--days", "x"), "--days"),
        (("rules", "evaluate", "--facts", "x", "--now", "yesterday"), "--now"),
        (("rules", "evaluate", "--facts", "x", "--now", "2026-07-01", "--tz", "Europe/Sète"), "--tz"),
        (("serve", "--roles", "cook"), "--roles"),
        (("agencies", "register", *TERRITORY, "--agency", "a1", "--name", "A", "--zones", "Sète"), "zones"),
    ],
)
async def test_a_mistake_is_told_on_one_line_that_names_it(arguments: tuple[str, ...], named: str) -> None:
    ran = await unisson(*arguments)
    assert (ran.status, ran.out) == (2, "")
    assert ran.err.startswith("unisson: ")
    assert named in ran.err
    assert ran.err.count("\n") == 1


async def test_a_bad_setting_is_told_on_one_line_that_names_the_variable() -> None:
    ran = await unisson("keys", "list", *TERRITORY, UNISSON_PORT="many")
    assert (ran.status, ran.err.count("\n")) == (2, 1)
    assert "UNISSON_PORT" in ran.err


async def test_a_database_that_does_not_answer_is_told_with_the_remedy(tmp_path: Path) -> None:
    ran = await unisson(
        "keys", "list", *TERRITORY, UNISSON_DATABASE_URL=f"postgresql://u@/d?host={tmp_path}", UNISSON_LANG="en"
    )
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "unisson doctor" in ran.err


# Keys and agencies.


async def test_a_key_is_shown_once_listed_without_its_secret_and_withdrawn(here: dict[str, str]) -> None:
    created = await unisson("keys", "create", *TERRITORY, "--agency", "ccas-sete", "--name", "Web", **here)
    token = created.out.strip()
    key_id, secret = parse(token)
    listed = await unisson("keys", "list", *TERRITORY, "--json", **here)
    (key,) = json.loads(listed.out)["keys"]
    assert (key["key_id"], key["agency"], key["name"], key["state"]) == (key_id, "ccas-sete", "Web", "active")
    assert secret not in listed.out
    assert (await unisson("keys", "revoke", key_id, *TERRITORY, **here)).status == 0
    (key,) = json.loads((await unisson("keys", "list", *TERRITORY, "--json", **here)).out)["keys"]
    assert key["state"] == "revoked"


async def test_withdrawing_an_unknown_key_fails(here: dict[str, str]) -> None:
    assert (await unisson("keys", "revoke", "nope", *TERRITORY, **here)).status == 1


async def test_an_agency_is_registered_then_listed(here: dict[str, str]) -> None:
    described = ("--name", "CCAS de Sète", "--network", "ccas-cias", "--capabilities", "housing,social")
    assert (await unisson("agencies", "register", *TERRITORY, "--agency", "ccas-sete", *described, **here)).status == 0
    listed = await unisson("agencies", "list", *TERRITORY, "--json", **here)
    assert json.loads(listed.out)["agencies"] == [
        {
            "agency": "ccas-sete",
            "name": "CCAS de Sète",
            "network": "ccas-cias",
            "capabilities": ["housing", "social"],
            "zones": [],
            "services": [],
        }
    ]


async def test_an_agency_able_to_do_what_rules_do_not_know_is_refused(here: dict[str, str]) -> None:
    ran = await unisson(
        "agencies", "register", *TERRITORY, "--agency", "ccas-sete", "--name", "X", "--capabilities", "magic", **here
    )
    assert (ran.status, ran.out) == (1, "")
    assert "/capabilities/0" in ran.err


# Import, facts, rules: the whole way, with no server.


def exported(folder: Path) -> Path:
    export = Export(folder)
    export.add("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "2024-13-01"})
    export.add("Event", during(EventID="40", EventDate="2024-01-10", Event="13"))
    return export.write()


async def imported(here: dict[str, str], folder: Path, *options: str) -> Ran:
    return await unisson("import", "hmis", str(exported(folder)), *TERRITORY, *options, **here)


async def test_an_import_tells_its_counts_and_its_refusals_with_a_status_of_its_own(
    here: dict[str, str], tmp_path: Path
) -> None:
    ran = await imported(here, tmp_path / "export", "--json", "--errors", str(tmp_path / "errors.csv"))
    summary = json.loads(ran.out)
    assert ran.status == 3
    assert {name: summary[name] for name in ("pathways", "events", "agencies", "lines_read", "lines_refused")} == {
        "pathways": 1,
        "events": 6,
        "agencies": 2,
        "lines_read": 6,
        "lines_refused": 1,
    }
    assert [(one["file"], one["line"], one["column"], one["code"]) for one in summary["errors"]] == [
        ("Enrollment.csv", 3, "EntryDate", "bad_date")
    ]
    assert (tmp_path / "errors.csv").read_text().splitlines()[1].startswith("Enrollment.csv,3,EntryDate,bad_date,")
    again = json.loads((await imported(here, tmp_path / "export", "--json")).out)
    assert (again["events"], again["pathways_unchanged"]) == (0, 1)


async def test_a_dry_run_says_so_and_records_nothing(here: dict[str, str], tmp_path: Path) -> None:
    ran = await imported(here, tmp_path / "export", "--dry-run", "--lang", "en")
    assert ran.out.startswith("Dry run: nothing was recorded.")
    assert (await unisson("facts", "export", *TERRITORY, **here)).out == ""


async def test_a_folder_without_the_required_files_is_refused_by_name(here: dict[str, str], tmp_path: Path) -> None:
    ran = await unisson("import", "hmis", str(tmp_path), *TERRITORY, **here)
    assert (ran.status, ran.out) == (1, "")
    assert "Client.csv" in ran.err


async def test_exported_facts_are_ordered_and_the_same_each_time(here: dict[str, str], tmp_path: Path) -> None:
    await imported(here, tmp_path / "export")
    first = await unisson("facts", "export", *TERRITORY, **here)
    file = tmp_path / "facts.ndjson"
    assert (await unisson("facts", "export", *TERRITORY, "--output", str(file), **here)).out == ""
    assert file.read_text() == first.out
    facts = [json.loads(line) for line in first.out.splitlines()]
    assert [(fact["type"], fact["start"]) for fact in facts] == [
        ("opened", "2024-01-08"),
        ("accompaniment", "2024-01-08"),
        ("referral", "2024-01-10"),
    ]
    fields = ["pathway", "fact_id", "type", "agency", "start", "end", "precision", "state", "attrs", "recorded_at"]
    assert list(facts[0])[:11] == [*fields, "position"]


async def test_exported_facts_are_judged_without_a_database(here: dict[str, str], tmp_path: Path) -> None:
    await imported(here, tmp_path / "export")
    file = tmp_path / "facts.ndjson"
    await unisson("facts", "export", *TERRITORY, "--output", str(file), **here)
    ran = await unisson("rules", "evaluate", "--facts", str(file), "--now", "2026-07-01", "--json")
    judged = {(one["rule"], one["status"]) for one in map(json.loads, ran.out.splitlines())}
    assert {("referral-acknowledged", "violated_open"), ("silence-90", "violated_open")} <= judged


@pytest.mark.parametrize(
    ("rules", "facts", "named"),
    [
        ("- {rule: r, kind: dance}", "", "rules.yaml"),
        (None, '{"pathway": "p"', "facts.ndjson"),
        (None, None, "facts.ndjson"),
    ],
)
async def test_a_file_that_cannot_be_judged_is_named(
    tmp_path: Path, rules: str | None, facts: str | None, named: str
) -> None:
    for name, content in (("rules.yaml", rules), ("facts.ndjson", facts)):
        if content is not None:
            (tmp_path / name).write_text(content)
    chosen = ("--rules", str(tmp_path / "rules.yaml")) if rules is not None else ()
    ran = await unisson("rules", "evaluate", *chosen, "--facts", str(tmp_path / "facts.ndjson"), "--now", "2026-07-01")
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert named in ran.err


async def test_a_reader_that_leaves_early_is_no_failure(here: dict[str, str], tmp_path: Path) -> None:
    lines = [
        json.dumps({"pathway": f"p{number}", "fact_id": str(number), "type": "referral", "start": "2026-01-05"})
        for number in range(5_000)
    ]
    (tmp_path / "facts.ndjson").write_text("\n".join(lines))
    process = await start(
        "rules", "evaluate", "--facts", str(tmp_path / "facts.ndjson"), "--now", "2026-07-01", "--json"
    )
    assert process.stdout is not None
    assert process.stderr is not None
    await process.stdout.readline()
    process.stdout._transport.close()  # type: ignore[attr-defined]
    assert await process.stderr.read() == b""
    assert await asyncio.wait_for(process.wait(), 30) == 0


# Doctor and the database's address.


async def test_the_doctor_tells_a_program_whether_all_is_well(here: dict[str, str]) -> None:
    ran = await unisson("doctor", "--json", **here)
    examined = json.loads(ran.out)
    assert examined["ok"] is (ran.status == 0)
    assert {"configuration", "database", "migrations", "disk"} <= {check["name"] for check in examined["checks"]}


async def test_the_doctor_explains_a_bad_setting_instead_of_failing() -> None:
    ran = await unisson("doctor", UNISSON_PORT="many")
    assert (ran.status, ran.err) == (1, "")
    assert "✗" in ran.out
    assert "UNISSON_PORT" in ran.out


async def test_the_address_of_an_external_database_is_told(here: dict[str, str]) -> None:
    ran = await unisson("database", "url", **here)
    assert ran.out == here["UNISSON_DATABASE_URL"] + "\n"


@pytest.mark.parametrize(("sign", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_an_embedded_database_is_held_open_until_interrupted(
    data_dir: Path, sign: signal.Signals, status: int
) -> None:
    process = await start("database", "url", "--keep", UNISSON_DATA_DIR=str(data_dir))
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM events") == 0
    await connection.close()
    process.send_signal(sign)
    _, err = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == status
    assert b"Traceback" not in err
    with pytest.raises((OSError, asyncpg.PostgresError)):
        await asyncpg.connect(url, timeout=5)


# Serving.


async def test_serve_tells_its_address_answers_and_stops_when_told(here: dict[str, str]) -> None:
    process = await start("serve", "--port", "0", "--lang", "en", **here)
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 60)).decode().strip()
    said, _, url = line.rpartition(" ")
    assert said == "Unisson answers at"
    host, port = url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /health/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    assert b" 200 " in await reader.readline()
    await reader.read()
    writer.close()
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 30) == 0


async def test_the_description_of_the_api_is_written_to_a_file(tmp_path: Path) -> None:
    file = tmp_path / "openapi.json"
    assert (await unisson("openapi", "--output", str(file))).status == 0
    assert json.loads(file.read_text())["openapi"].startswith("3.1")


async def test_a_file_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    ran = await unisson("openapi", "--output", str(tmp_path / "absent" / "openapi.json"))
    assert (ran.status, ran.out, ran.err.count("\n")) == (1, "", 1)
    assert "openapi.json" in ran.err


# Views and alerts.


async def test_alerts_are_found_listed_and_explained_with_no_server(here: dict[str, str], tmp_path: Path) -> None:
    await imported(here, tmp_path / "export")
    listed = json.loads((await unisson("alerts", "list", *TERRITORY, "--open", "--json", **here)).out)["alerts"]
    assert {alert["rule"] for alert in listed} >= {"referral-acknowledged", "silence-90"}
    referral = next(alert for alert in listed if alert["rule"] == "referral-acknowledged")
    explained = json.loads((await unisson("alerts", "explain", referral["alert"], "--json", **here)).out)
    assert explained["explanation"]["activation"]["start"] == date(2024, 1, 10).isoformat()
    assert "17 janvier 2024" in (await unisson("alerts", "explain", referral["alert"], **here)).out


async def test_what_was_out_of_step_before_an_import_is_recorded_and_nobody_is_told(
    here: dict[str, str], tmp_path: Path
) -> None:
    export = Export(tmp_path / "export")
    export.tables["Enrollment"][0]["EntryDate"] = (TODAY - timedelta(days=100)).isoformat()
    await unisson("import", "hmis", str(export.write()), *TERRITORY, **here)
    listed = json.loads((await unisson("alerts", "list", *TERRITORY, "--json", **here)).out)["alerts"]
    assert [(alert["rule"], alert["status"], alert["quiet"]) for alert in listed] == [("silence-90", "open", True)]


async def test_the_status_of_each_view_is_told(here: dict[str, str], tmp_path: Path) -> None:
    await imported(here, tmp_path / "export")
    await unisson("alerts", "list", *TERRITORY, **here)
    views = json.loads((await unisson("projections", "status", "--json", **here)).out)["projections"]
    assert {view["territory"] for view in views} == {"FR-34"}
    assert {"pathway_timeline", "desynchronisation"} <= {view["projection"] for view in views}
    assert all(view["lag_events"] == 0 for view in views)


async def test_a_view_is_rebuilt_and_says_the_same(here: dict[str, str], tmp_path: Path) -> None:
    await imported(here, tmp_path / "export")
    before = (await unisson("alerts", "list", *TERRITORY, "--json", **here)).out
    assert (await unisson("projections", "rebuild", "alert_board", "pathway_timeline", **here)).status == 0
    assert (await unisson("projections", "rebuild", **here)).status == 0
    assert (await unisson("alerts", "list", *TERRITORY, "--json", **here)).out == before
    views = json.loads((await unisson("projections", "status", "--json", **here)).out)["projections"]
    assert {view["build"] for view in views if view["projection"] == "alert_board"} == {3}


async def test_an_event_left_aside_is_shown_folded_again_or_left_out(here: dict[str, str], tmp_path: Path) -> None:
    await imported(here, tmp_path / "export")
    await unisson("alerts", "list", *TERRITORY, **here)
    assert json.loads((await unisson("projections", "parked", "--json", **here)).out) == {"parked": []}
    again = await unisson("projections", "retry", "alert_board", *TERRITORY, "--json", **here)
    assert json.loads(again.out) == {"folded": 0}
    ran = await unisson("projections", "skip", "alert_board", "1", *TERRITORY, **here)
    assert (ran.status, ran.err.count("\n")) == (1, 1)


async def test_an_unknown_view_cannot_be_rebuilt(here: dict[str, str]) -> None:
    ran = await unisson("projections", "rebuild", "alerts_bored", **here)
    assert (ran.status, ran.err.count("\n")) == (1, 1)
    assert "alerts_bored" in ran.err
