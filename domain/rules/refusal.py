"""Why a rules document was refused: one sentence and the path, inside the document, of what is wrong."""

from typing import ClassVar

from domain.errors import DomainError
from domain.rules.complaints import SAID_MAX, Complaint, Said, cut, printable


class RuleRefused(DomainError):
    """The rules document is not valid."""

    code: ClassVar[str] = "rule_invalid"
    status: ClassVar[int] = 422
    title_fr: ClassVar[str] = "Le document de règles n'est pas valide."

    def __init__(self, path: str, complaint: Complaint, **said: Said) -> None:
        """`path` is a JSON pointer, empty for the whole document; `said` fills the braces of the complaint."""
        french, english = complaint.told(**said)
        field = "/".join(cut(name) for name in path.split("/")) or "/"
        place = printable(field, SAID_MAX)
        super().__init__(f"{place}: {english}", detail_fr=f"{place} : {french}", field=field)
        self.complaint = complaint
        self.sentence = english
        self.sentence_fr = french
        self._said = said

    def below(self, path: str) -> "RuleRefused":
        """The same, its place counted from what holds the document."""
        return RuleRefused(f"{path}{(self.field or '').rstrip('/')}", self.complaint, **self._said)
