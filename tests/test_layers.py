"""The layers point one way only: api -> infrastructure | projections -> application -> domain."""

from importlinter.cli import lint_imports


def test_every_import_follows_the_layers() -> None:
    assert lint_imports(no_cache=True) == 0
