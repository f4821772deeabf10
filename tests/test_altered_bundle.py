"""Whatever is done to the files of a bundle is noticed, whether or not its list of files is put right afterwards."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.verify.command import main, one_line, verify
from api.verify.segments import MAGIC
from infrastructure.database import create_pool
from infrastructure.pruning import PostgresPruning
from tests.support.altered import files_of, listed_again
from tests.support.sealed_events import T, append_erasure
from tests.support.sealed_log import said, sealed_log

ALONE = """
import sys
from api.verify.command import main
status = main(sys.argv[1:])
ours = {name for name in sys.modules if name.split(".")[0] in OURS}
known = {name for name in sys.modules if name.split(".")[0] not in sys.stdlib_module_names}
strangers = {name.split(".")[0] for name in known} - {"api", "cryptography", "_cffi_backend", "cffi", "__main__"}
assert all(name == "api" or name.startswith("api.verify") for name in ours), ours
assert not {name for name in strangers if not name.startswith(("_", "sitecustomize"))}, strangers
sys.exit(status)
""".replace("OURS", repr({"api", "domain", "application", "infrastructure", "projections"}))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Filled once, by the first test."""
    return tmp_path_factory.mktemp("made") / "bundle"


@pytest.fixture
async def bundle(database_url: str, tmp_path: Path, made: Path) -> Path:
    """257 events, so that there are two levels of tiles; one person erased and pruned."""
    if not made.exists():
        async with create_pool(database_url) as pool, sealed_log(database_url, pool, tmp_path) as log:
            await log.grow(people=58)
            await append_erasure(log.writer, log.people[0], after=4)
            await PostgresPruning(pool).prune(T, log.people[0])
            await log.grow(people=1)
            (await log.bundle()).rename(made)
    return made


@pytest.fixture
def copy(bundle: Path, tmp_path: Path) -> Path:
    return shutil.copytree(bundle, tmp_path / "copy")


def test_the_bundle_is_what_the_tests_below_need(bundle: Path) -> None:
    assert verify(bundle).faults == []
    names = {str(path.relative_to(bundle)) for path in files_of(bundle)}
    assert names == {
        "SHA256SUMS",
        "FR-34/key",
        "FR-34/checkpoint",
        "FR-34/last-signed",
        "FR-34/events/000000000001",
        "FR-34/tile/0/000",
        "FR-34/tile/0/001.p/1",
        "FR-34/tile/1/000.p/1",
    }
    lines = (bundle / "SHA256SUMS").read_text()
    checked = subprocess.run(["sha256sum", "--check", "--quiet"], cwd=bundle, input=lines, text=True, check=False)
    assert checked.returncode == 0


def test_any_altered_byte_is_noticed(bundle: Path) -> None:
    """Of any file; then of any file but the list, which is made again."""
    files = files_of(bundle)

    @given(st.sampled_from(files), st.data())
    def altered(file: Path, data: st.DataObject) -> None:
        original = file.read_bytes()
        sums = (bundle / "SHA256SUMS").read_bytes()
        place = data.draw(st.integers(0, len(original) - 1))
        changed = bytearray(original)
        changed[place] ^= data.draw(st.integers(1, 255))
        try:
            file.write_bytes(changed)
            assert verify(bundle).faults, (file, place)
            if file.name != "SHA256SUMS":
                listed_again(bundle)
                assert verify(bundle).faults, (file, place, "listed again")
        finally:
            file.write_bytes(original)
            (bundle / "SHA256SUMS").write_bytes(sums)

    altered()
    assert verify(bundle).faults == []


@pytest.mark.parametrize("position", [0, 2, 257, 2**63, 2**64 - 1])
def test_an_event_that_says_it_is_elsewhere_is_noticed(copy: Path, position: int) -> None:
    file = copy / "FR-34/events/000000000001"
    raw = bytearray(file.read_bytes())
    raw[len(MAGIC) : len(MAGIC) + 8] = position.to_bytes(8, "big")
    file.write_bytes(raw)
    listed_again(copy)
    assert verify(copy).faults


def test_an_event_of_a_time_that_no_calendar_has_is_noticed(copy: Path) -> None:
    file = copy / "FR-34/events/000000000001"
    raw = file.read_bytes()
    file.write_bytes(raw.replace(b"\x00\x08\x00\x06", b"\x00\x08\x7f\xff"))
    listed_again(copy)
    assert verify(copy).faults


def test_any_bytes_in_place_of_a_file_are_noticed_and_never_fail(bundle: Path) -> None:
    files = [path for path in files_of(bundle) if path.name != "SHA256SUMS"]

    @given(st.sampled_from(files), st.binary(max_size=400), st.booleans())
    def replaced(file: Path, content: bytes, is_kept: bool) -> None:
        original, sums = file.read_bytes(), (bundle / "SHA256SUMS").read_bytes()
        try:
            file.write_bytes(original[: len(content)] + content if is_kept else content)
            listed_again(bundle)
            assert verify(bundle).faults
        finally:
            file.write_bytes(original)
            (bundle / "SHA256SUMS").write_bytes(sums)

    replaced()


NUMBERS = st.one_of(st.integers(0, 300), st.integers(0, 2**64 - 1))
IDS = st.sampled_from([b"", bytes(16), b"\1" * 16, b"x"])
HEADERS = st.one_of(
    st.binary(max_size=60),
    st.tuples(
        st.sampled_from([b"FR-34", b"", b"FR-30"]),
        IDS,
        st.integers(0, 3).map(lambda version: version.to_bytes(4, "big")),
        st.sampled_from([b"contact.recorded", b"person.erased"]),
        st.binary(max_size=3),
        st.binary(max_size=3),
        IDS,
        IDS,
        IDS,
        NUMBERS.map(lambda time: time.to_bytes(8, "big")),
    ).map(lambda fields: b"\x01" + b"".join(len(field).to_bytes(2, "big") + field for field in fields)),
)
FIELDS = st.tuples(HEADERS, st.one_of(st.just(b""), HEADERS), st.binary(max_size=33), st.binary(max_size=33))
ENTRIES = st.tuples(
    NUMBERS.map(lambda position: position.to_bytes(8, "big")),
    FIELDS.map(lambda fields: b"".join(len(field).to_bytes(4, "big") + field for field in fields)),
    st.sampled_from([b"\xff" * 4, bytes(4), b"\0\0\0\1x", b"\x7f\xff\xff\xff"]),
).map(b"".join)


def test_any_events_are_read_without_failing(bundle: Path) -> None:
    """Made up: they have the shape of events, and say anything."""
    file, rest = bundle / "FR-34/events/000000000001", (bundle / "FR-34/events/000000000002")
    original, sums = file.read_bytes(), (bundle / "SHA256SUMS").read_bytes()

    @given(st.lists(ENTRIES, max_size=6), st.lists(ENTRIES, min_size=1, max_size=3), st.booleans())
    def made_up(entries: list[bytes], others: list[bytes], is_kept: bool) -> None:
        file.write_bytes((original if is_kept else MAGIC) + b"".join(entries))
        rest.write_bytes(MAGIC + b"".join(others))
        listed_again(bundle)
        verdict = verify(bundle)
        assert verdict.faults
        assert "\n" not in one_line(verdict.faults, "fr")

    try:
        made_up()
    finally:
        file.write_bytes(original)
        rest.unlink()
        (bundle / "SHA256SUMS").write_bytes(sums)


@given(content=st.binary(max_size=300))
def test_any_list_is_read_without_failing(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.mktemp("bundle")
    (folder / "SHA256SUMS").write_bytes(content)
    assert verify(folder).faults


def removed(bundle: Path) -> None:
    (bundle / "FR-34/events/000000000001").unlink()


def removed_tile(bundle: Path) -> None:
    (bundle / "FR-34/tile/1/000.p/1").unlink()


def removed_checkpoint(bundle: Path) -> None:
    (bundle / "FR-34/checkpoint").unlink()


def renamed(bundle: Path) -> None:
    (bundle / "FR-34/events/000000000001").rename(bundle / "FR-34/events/000000000002")


def added(bundle: Path) -> None:
    (bundle / "FR-34/notes.txt").write_text("nothing to see")


def added_tile(bundle: Path) -> None:
    (bundle / "FR-34/tile/0/002").write_bytes(bytes(8192))


def added_segment(bundle: Path) -> None:
    shutil.copy(bundle / "FR-34/events/000000000001", bundle / "FR-34/events/000000000258")


def added_link(bundle: Path) -> None:
    (bundle / "FR-34/link").symlink_to("/etc/hostname")


def added_folder(bundle: Path) -> None:
    (bundle / "FR-34/empty").mkdir()


def added_log(bundle: Path) -> None:
    shutil.copytree(bundle / "FR-34", bundle / "FR-30")


def added_with_an_odd_name(bundle: Path) -> None:
    (bundle / os.fsdecode(b"\xff\n")).write_text("x")


def truncated(bundle: Path) -> None:
    """At the end of an event, so that it still reads."""
    file = bundle / "FR-34/events/000000000001"
    raw = file.read_bytes()
    last = raw.rindex((257).to_bytes(8, "big"))
    file.write_bytes(raw[:last])


DONE = (
    (removed, "FR-34: end cut off: 257 events sealed, 0 present"),
    (removed_tile, "FR-34/tile/1/000.p/1: tile of the tree missing"),
    (removed_checkpoint, "FR-34/checkpoint: file missing"),
    (renamed, "FR-34/events/000000000002: begins at event 1 instead of 2"),
    (added, "FR-34/notes.txt: file that nothing accounts for"),
    (added_tile, "FR-34/tile/0/002: file that nothing accounts for"),
    (added_segment, "FR-34, event 1: follows event 257: order changed"),
    (added_link, "FR-34/link: file that nothing accounts for"),
    (added_folder, "FR-34/empty: file that nothing accounts for"),
    (added_log, "FR-30, event 1: header of another territory"),
    (truncated, "FR-34: end cut off: 257 events sealed, 256 present"),
)


@pytest.mark.parametrize("is_listed", [False, True])
@pytest.mark.parametrize(("change", "told"), DONE)
def test_a_changed_folder_is_noticed(
    copy: Path,
    capsys: pytest.CaptureFixture[str],
    change: Callable[[Path], None],
    told: str,
    is_listed: bool,
) -> None:
    change(copy)
    if is_listed:
        listed_again(copy)
    status, lines = said(capsys, str(copy))
    assert (status, len(lines)) == (1, 1)
    if is_listed or change in (removed_checkpoint, added, added_tile, added_link, added_folder):
        assert told in lines[0]


def test_an_odd_file_name_is_told_on_one_line(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added_with_an_odd_name(copy)
    status, lines = said(capsys, str(copy))
    assert (status, len(lines)) == (1, 1)
    assert "file that nothing accounts for" in lines[0]


@pytest.mark.parametrize("name", ["absent", "empty", "file"])
def test_what_is_no_bundle_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("x")
    status, lines = said(capsys, str(tmp_path / name))
    assert (status, len(lines)) == (1, 1)
    assert "not a bundle" in lines[0]


def test_an_empty_list_proves_nothing(tmp_path: Path) -> None:
    (tmp_path / "SHA256SUMS").touch()
    assert [fault.code for fault in verify(tmp_path).faults] == ["not-a-bundle"]


def test_json_tells_everything_found(copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(copy), "--json"]) == 0
    held = json.loads(capsys.readouterr().out)
    assert (held["ok"], held["faults"], held["logs"][0]["events"]) == (True, [], 257)
    added(copy)
    assert main([str(copy), "--json", "--lang", "fr"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert told["ok"] is False
    assert told["faults"] == [
        {
            "code": "file-unaccounted",
            "where": "FR-34/notes.txt",
            "position": None,
            "text": "FR-34/notes.txt : fichier que rien n'explique",
        }
    ]


@pytest.fixture
def installed() -> Path:
    script = Path(sys.executable).with_name("unisson-verify")
    if not script.exists():
        pytest.skip("the environment was made before this command: make test installs it")
    return script


def test_the_installed_command_checks_a_bundle(installed: Path, copy: Path) -> None:
    held = subprocess.run([installed, copy], capture_output=True, text=True, check=False)
    assert (held.returncode, held.stderr) == (0, "")
    (copy / "FR-34/key").write_text("x\n")
    told = subprocess.run([installed, copy], capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr, told.stdout.count("\n")) == (1, "", 1)


def test_the_verifier_loads_nothing_else_of_the_project(bundle: Path) -> None:
    done = subprocess.run([sys.executable, "-c", ALONE, bundle], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
