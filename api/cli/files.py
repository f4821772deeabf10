"""Files that commands read and write, with failures that name them."""

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import msgspec

from api.cli.failure import Failure


@contextlib.contextmanager
def written(output: Path | None) -> Iterator[BinaryIO]:
    """Standard output, or a file that appears only once it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.flush()
        return
    draft = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        with draft.open("wb") as file:
            yield file
        draft.replace(output)
    except OSError as error:
        raise unusable(output, error) from error
    finally:
        draft.unlink(missing_ok=True)


def write_document(output: Path | None, document: object) -> None:
    """As indented JSON."""
    with written(output) as file:
        file.write(msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")


def unusable(path: Path, error: OSError) -> Failure:
    """Why a file could not be read or written, as the system says it."""
    reason = error.strerror or type(error).__name__
    return Failure(f"{path} : {reason}", f"{path}: {reason}")
