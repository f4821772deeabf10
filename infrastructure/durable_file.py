"""Small files that must survive a crash whole: created once, or replaced, and on disk before anybody relies on them."""

import os
import secrets
from pathlib import Path
from urllib.parse import quote


def create(path: Path, text: str) -> bool:
    """For its owner only. False when it exists: of two processes that create it, the first wins."""
    draft = _draft(path, text)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    _sync_folder(path.parent)
    return True


def replace(path: Path, text: str) -> None:
    """Whoever reads it sees the old text or the new one."""
    _draft(path, text).replace(path)
    _sync_folder(path.parent)


def safe_name(text: str) -> str:
    """A file name of its own for any text."""
    name = quote(text, safe="")
    return f"%2E{name[1:]}" if name.startswith(".") else name


def _draft(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
