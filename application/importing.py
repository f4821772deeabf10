"""Imports from other systems, whatever the format: what was read, what was refused and why, how far we are.

A line that cannot be used never stops the others; it is reported by file, line and column, without the value it held.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, TypeAlias

import msgspec

from domain.errors import DomainError

IMPORTER = "@import"
"""The actor of all that an import records: no agent of an agency can be called so."""

Language: TypeAlias = Literal["fr", "en"]


class Reason(msgspec.Struct, frozen=True):
    """Why a line was refused, in both languages. `code` never changes."""

    code: str
    fr: str
    en: str

    @classmethod
    def of(cls, error: DomainError) -> "Reason":
        """The domain's refusal, by its title: a detail might quote the line."""
        return cls(error.code, error.title_fr, error.title())


class Refusal(msgspec.Struct, frozen=True):
    """One line that was not imported. `column` is None when the line as a whole is wrong."""

    file: str
    line: int
    column: str | None
    reason: Reason

    def told(self, language: Language) -> dict[str, Any]:
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "code": self.reason.code,
            "reason": self.reason.fr if language == "fr" else self.reason.en,
        }


class ImportImpossible(Exception):
    """Nothing was imported: the source as a whole cannot be read. Says which file and why, in both languages."""

    def __init__(self, file: Path | str, reason: Reason) -> None:
        super().__init__(f"{file}: {reason.en}")
        self.file = str(file)
        self.reason = reason


class Report(msgspec.Struct, kw_only=True):
    """What an import did, or would do when dry."""

    dry_run: bool = False
    lines_read: int = 0
    lines_deleted: int = 0
    """Lines that the source itself marks as deleted."""
    pathways: int = 0
    """Pathways opened by this run."""
    pathways_changed: int = 0
    """Pathways that were there already and got something new."""
    pathways_unchanged: int = 0
    entries_kept: int = 0
    """Entries that the source now tells otherwise, and that people corrected here: left as they are."""
    events: int = 0
    agencies: int = 0
    """Agencies registered by this run."""
    services: int = 0
    facts: int = 0
    """Facts of all the pathways of the source, as they stand after the run."""
    refusals: list[Refusal] = msgspec.field(default_factory=list)

    @property
    def lines_refused(self) -> int:
        return len({(refusal.file, refusal.line) for refusal in self.refusals})

    def told(self, language: Language, *, refusals_max: int) -> dict[str, Any]:
        """The summary a program reads. Refusals past the bound are counted, not listed."""
        counts = {name: getattr(self, name) for name in self.__struct_fields__ if name != "refusals"}
        return counts | {
            "lines_refused": self.lines_refused,
            "errors": [refusal.told(language) for refusal in self.refusals[:refusals_max]],
        }


Progress: TypeAlias = Callable[[int, int, int | None], None]
"""Called with (pathways done, events appended, pathways in all) as the import goes."""
