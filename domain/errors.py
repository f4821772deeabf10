"""Refusals. A subclass's docstring is its default message and problem title; `code` never changes once published."""

from typing import Any, ClassVar


class DomainError(Exception):
    """The request was refused."""

    code: ClassVar[str] = "refused"
    status: ClassVar[int] = 409
    title_fr: ClassVar[str] = "La demande a été refusée."

    def __init__(
        self, detail: str | None = None, *, detail_fr: str | None = None, field: str | None = None, **context: Any
    ) -> None:
        """`field` is the JSON pointer of what is wrong; `context` holds coded values only, never personal data."""
        super().__init__(detail or self.title())
        self.detail = detail or self.title()
        self.detail_fr = detail_fr or self.title_fr
        self.field = field
        self.context = context

    @classmethod
    def title(cls) -> str:
        return (cls.__doc__ or "").strip().splitlines()[0]
