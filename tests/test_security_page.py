"""The page on security names what exists: each threat has its control, the files where it is, and tests that try it."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "security.md").read_text()
SECTION = re.compile(r"^### (T\d+): .+\n((?:.*\n)*?)(?=^##|\Z)", re.MULTILINE)
THREATS = dict(SECTION.findall(PAGE))
TEST = re.compile(r"`(tests/\w+\.py)::(test_\w+)`")
FILE = re.compile(r"`([\w./-]+/[\w.-]+\.(?:py|conf|lock))`")


@cache
def names_in(path: str) -> frozenset[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse((ROOT / path).read_text())
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, functions))


def test_every_threat_has_its_section_in_order() -> None:
    assert list(THREATS) == [f"T{number}" for number in range(1, 29)]


@pytest.mark.parametrize("threat", THREATS)
def test_each_threat_names_its_control_its_files_and_its_tests(threat: str) -> None:
    section = THREATS[threat]
    labels = re.findall(r"^- \*\*(.+?)\*\*", section, re.MULTILINE)
    assert labels == ["Stopped by", "Where", "Tried by"]
    where = section.partition("- **Where**")[2].partition("- **Tried by**")[0]
    assert FILE.findall(where)
    for path in FILE.findall(section):
        assert (ROOT / path).is_file(), path
    assert TEST.findall(section)
    for path, name in TEST.findall(section):
        assert (ROOT / path).is_file(), path
        assert name in names_in(path), f"{path}::{name}"


@pytest.mark.parametrize("page", ["docs/security.md", "SECURITY.md", "deploy/README.md"])
def test_links_lead_somewhere(page: str) -> None:
    folder = (ROOT / page).parent
    links = [link for link in re.findall(r"\]\(([^)#]+)", (ROOT / page).read_text()) if "://" not in link]
    assert links
    for link in links:
        assert (folder / link).exists(), link
