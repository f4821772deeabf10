"""The bundle as files: SHA256SUMS must list exactly what is there, byte for byte, and each file must have a use."""

import hashlib
import re
from pathlib import Path

from api.verify.faults import Fault, fault

LIST = "SHA256SUMS"
_LINE = re.compile(r"([0-9a-f]{64})  ([!-~]+)")


class Files:
    """Read files through it: whatever was altered, or was never asked for, ends up in `faults`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.faults: list[Fault] = []
        self._sums = self._read_list()
        self._unused = set(self._sums)
        self._there = self._walk()
        for path in sorted(self._sums.keys() - self._there):
            self.faults.append(fault("file-missing", path))
        for path in sorted(self._there - self._sums.keys()):
            self.faults.append(fault("file-unaccounted", path))

    def under(self, prefix: str) -> list[str]:
        """Listed and present, sorted."""
        return sorted(path for path in self._sums if path.startswith(prefix) and path in self._there)

    def folders(self) -> list[str]:
        return sorted({path.split("/", 1)[0] for path in self._sums if "/" in path})

    def read(self, path: str) -> bytes | None:
        """None when it is not there."""
        if path not in self._sums or path not in self._there:
            return None
        try:
            content = (self.folder / path).read_bytes()
        except OSError as error:
            self._unused.discard(path)
            self.faults.append(fault("file-unreadable", path, why=error.strerror or type(error).__name__))
            return None
        self.checked(path, hashlib.sha256(content).hexdigest())
        return content

    def checked(self, path: str, digest: str) -> None:
        """This file had a use, and somebody hashed it."""
        if path in self._unused and digest != self._sums[path]:
            self.faults.append(fault("file-altered", path))
        self._unused.discard(path)

    def close(self) -> None:
        """What nobody asked for has no place in a bundle; it is compared with the list all the same."""
        for path in sorted(self._unused & self._there):
            self.faults.append(fault("file-unaccounted", path))
        self._unused.clear()

    def _read_list(self) -> dict[str, str]:
        try:
            content = (self.folder / LIST).read_bytes()
        except OSError as error:
            self.faults.append(fault("not-a-bundle", LIST, why=error.strerror or type(error).__name__))
            return {}
        sums: dict[str, str] = {}
        last = ""
        *lines, rest = content.decode("utf-8", "replace").split("\n")
        for number, line in enumerate(lines, start=1):
            match = _LINE.fullmatch(line)
            if match is None or match[2] <= last or not _is_plain(match[2]):
                self.faults.append(fault("list-altered", line=number))
            else:
                last = match[2]
                sums[last] = match[1]
        if rest:
            self.faults.append(fault("list-altered", line=len(lines) + 1))
        return sums

    def _walk(self) -> set[str]:
        there = set()
        for path in sorted(self.folder.rglob("*")):
            name = path.relative_to(self.folder).as_posix()
            if path.is_symlink() or not (path.is_file() or path.is_dir()):
                self.faults.append(fault("file-unaccounted", name))
            elif path.is_file():
                there.add(name)
            elif not any(path.iterdir()):
                self.faults.append(fault("file-unaccounted", name))
        return there - {LIST}


def _is_plain(path: str) -> bool:
    """Within the folder, written in one way."""
    return path != LIST and all(part not in ("", ".", "..") for part in path.split("/"))
