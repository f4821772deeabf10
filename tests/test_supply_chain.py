"""The check of what comes from elsewhere can fail: on a missing hash, on a licence, on a known vulnerability."""

import json
import threading
from collections.abc import Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from cyclonedx.model.bom import Bom

from tests.supply_chain.__main__ import main
from tests.supply_chain.advisories import Audit, AuditFailed, audit
from tests.supply_chain.bill_of_materials import bill_of_materials
from tests.supply_chain.licences import examine, is_permitted, licence_of
from tests.supply_chain.locked import DEVELOP, RUN, Unpinned, packages

HASH = "a" * 64
NOBODY = "http://127.0.0.1:9/v1/query"


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    path = tmp_path / "some.lock"
    path.write_text(f"idna==3.6 \\\n    --hash=sha256:{HASH}\nattrs==25.1.0 \\\n    --hash=sha256:{HASH}\n")
    return path


class Advisories(BaseHTTPRequestHandler):
    """Knows of one vulnerability."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        found: dict[str, object] = {
            "id": "PYSEC-2024-60",
            "modified": "2024-05-01T00:00:00Z",
            "aliases": ["CVE-2024-3651"],
        }
        found |= {"summary": "slow", "affected": [{"package": asked["package"], "ranges": []}]}
        body = json.dumps({"vulns": [found]} if asked["package"]["name"] == "idna" else {}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


@pytest.fixture
def service() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Advisories) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()
        thread.join()


def test_a_known_vulnerability_is_found(lock: Path, service: str) -> None:
    assert audit([lock], service) == Audit(asked=True, audited=2, known=("idna 3.6: PYSEC-2024-60",))


def test_a_known_vulnerability_fails_the_check(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lock: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tests.supply_chain.__main__.DEVELOP", lock)
    assert main(["--osv-url", service, "--bill", str(tmp_path / "bill.json")]) == 1
    assert "known vulnerability: idna 3.6: PYSEC-2024-60" in capsys.readouterr().err


def test_a_silent_service_is_no_failure_and_no_clean_bill(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bill = tmp_path / "bill.json"
    assert main(["--osv-url", NOBODY, "--bill", str(bill)]) == 0
    said = capsys.readouterr()
    assert "NOT CHECKED" in said.err
    assert "vulnerabilities known" not in said.out
    assert json.loads(bill.read_text())["bomFormat"] == "CycloneDX"


@pytest.mark.parametrize("line", ["idna==3.6\n", f"idna \\\n    --hash=sha256:{HASH}\n", "idna>=3.6 --hash=sha256:x\n"])
def test_a_package_without_version_or_hash_fails_the_check(lock: Path, line: str) -> None:
    lock.write_text(lock.read_text() + line)
    with pytest.raises(Unpinned):
        packages(lock)


def test_an_audit_that_could_not_be_done_for_another_reason_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(AuditFailed):
        audit([tmp_path / "absent.lock"], NOBODY)


@pytest.mark.parametrize("lock", [RUN, DEVELOP], ids=["run", "dev"])
def test_locks_are_read_whole(lock: Path) -> None:
    assert len(packages(lock)) == sum("==" in line for line in lock.read_text().splitlines())


def test_what_runs_may_be_shipped() -> None:
    refused, unread = examine(packages(RUN))
    assert refused == []
    assert len(unread) < 5


@pytest.mark.parametrize(
    ("fields", "permitted"),
    [
        ({"License-Expression": "MIT"}, True),
        ({"License-Expression": "Apache-2.0 OR GPL-3.0-only"}, True),
        ({"License-Expression": "Apache-2.0 AND GPL-3.0-only"}, False),
        ({"License-Expression": "AGPL-3.0-or-later"}, False),
        ({"License": "BSD-3-Clause", "Classifier": "License :: OSI Approved :: BSD License"}, True),
        ({"License": "MIT License\n\nCopyright"}, True),
        ({"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"}, False),
        ({"License": "Proprietary"}, False),
        ({}, False),
    ],
)
def test_copyleft_and_silence_are_not_permitted(fields: dict[str, str], *, permitted: bool) -> None:
    metadata = Message()
    for name, value in fields.items():
        metadata[name] = value
    licence = licence_of(metadata)
    assert (licence is not None and is_permitted(licence)) is permitted


def test_the_bill_lists_all_that_runs_with_its_hashes() -> None:
    written = bill_of_materials()
    assert written == bill_of_materials()
    read = Bom.from_json(data=json.loads(written))  # type: ignore[attr-defined]
    assert read.validate()
    components = {each["name"]: each for each in json.loads(written)["components"]}
    for package in packages(RUN):
        assert {each["content"] for each in components[package.name]["hashes"]} == set(package.hashes)
    assert components["swagger-ui-dist"]["version"] == "5.35.0"
    assert all("licenses" in each for each in components.values() if each["name"] not in {"colorama", "httpx2-jsfetch"})
