"""What those who may ask the vault show it: a secret in a file of its own, made by the vault."""

import secrets
import stat
from pathlib import Path

from infrastructure import durable_file
from infrastructure.key_file import KeyFileUnusable

SECRET_BYTES = 32


def make_token(path: Path) -> str:
    """The token; made if there is none yet."""
    if not path.exists():
        durable_file.create(path, secrets.token_urlsafe(SECRET_BYTES) + "\n")
    return read_token(path)


def read_token(path: Path) -> str:
    """Raises KeyFileUnusable when absent, empty, or readable by everybody."""
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
        token = path.read_text("ascii").strip()
    except FileNotFoundError:
        raise KeyFileUnusable(f"{path} is missing: copy the one that the vault made.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise KeyFileUnusable(f"{path} cannot be read: {type(error).__name__}.") from None
    if mode & 0o007:
        raise KeyFileUnusable(f"{path} can be read by everybody (mode {mode:03o}): chmod 640 it.")
    if not token:
        raise KeyFileUnusable(f"{path} is empty: copy the one that the vault made.")
    return token
