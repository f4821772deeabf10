"""Why a rules document was refused: one sentence and the path, inside the document, of what is wrong."""

from typing import ClassVar

from domain.errors import DomainError


class RuleRefused(DomainError):
    """The rules document is not valid."""

    code: ClassVar[str] = "rule_invalid"
    status: ClassVar[int] = 422
    title_fr: ClassVar[str] = "Le document de règles n'est pas valide."

    def __init__(self, path: str, sentence: str) -> None:
        """`path` is a JSON pointer; `/` stands for the whole document."""
        super().__init__(f"{path or '/'}: {sentence}", field=path or "/")
        self.sentence = sentence
        self.detail_fr = f"{path or '/'} : règle refusée : {sentence}"
