"""Searches for persons: that somebody looked, and answered for it. Never for whom."""

from typing import Any, ClassVar

from domain.aggregate import Event, stored
from domain.recognition import SearchReason


@stored
class PersonSearched(Event, frozen=True, kw_only=True):
    """Somebody looked whether a person is known. For whom, and with what outcome, is not said."""

    TOPIC: ClassVar[str] = "person.searched"
    OF_PERSON: ClassVar[bool] = False

    searches_left: int
    """Of the hour; 0: the last that is allowed, worth asking about."""

    def apply(self, aggregate: Any) -> None:
        """Nothing is decided on searches."""


@stored
class SearchConfirmed(Event, frozen=True, kw_only=True):
    """Who searched said that the person is before them, and was told whether others know the person."""

    TOPIC: ClassVar[str] = "person.search-confirmed"
    OF_PERSON: ClassVar[bool] = False

    reason: SearchReason
    known: bool

    def apply(self, aggregate: Any) -> None:
        """Nothing is decided on searches."""
