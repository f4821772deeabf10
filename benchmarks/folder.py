"""Where a benchmark keeps its database: thrown away at the end."""

import shutil
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import uvloop


def in_a_folder(work: Callable[[Path], Coroutine[Any, Any, None]]) -> None:
    """Open to pass through: PostgreSQL may run as another user."""
    folder = Path(tempfile.mkdtemp(prefix="unisson-bench-"))
    folder.chmod(0o711)
    try:
        uvloop.run(work(folder))
    finally:
        shutil.rmtree(folder)
