"""The last checkpoint of each log, a file each: what a sealer or a witness remembers outside the database."""

from pathlib import Path

from infrastructure import durable_file


class NoteFolder:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def last(self, log: str) -> str | None:
        try:
            return self._file(log).read_text("utf-8")
        except FileNotFoundError:
            return None

    def remember(self, log: str, note: str) -> None:
        """On disk when this returns."""
        durable_file.replace(self._file(log), note)

    def _file(self, log: str) -> Path:
        return self.folder / durable_file.safe_name(log)
