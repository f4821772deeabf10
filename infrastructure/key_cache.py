"""Clear keys kept in memory for a short time: the bound on how long a destroyed key may still be used here."""

import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from application.key_vault import Keyring

TTL_SECONDS = 60.0
SUBJECTS_MAX = 50_000

Place = tuple[str, UUID]


class KeyCache:
    """Keyrings by territory and subject; the least recently used go first."""

    def __init__(
        self,
        ttl_seconds: float = TTL_SECONDS,
        subjects_max: int = SUBJECTS_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._subjects_max = subjects_max
        self._monotonic = monotonic
        self._entries: OrderedDict[Place, tuple[float, Keyring]] = OrderedDict()

    def get(self, place: Place) -> Keyring | None:
        entry = self._entries.get(place)
        if entry is None:
            return None
        if entry[0] <= self._monotonic():
            del self._entries[place]
            return None
        self._entries.move_to_end(place)
        return entry[1]

    def put(self, place: Place, keyring: Keyring) -> None:
        self._entries[place] = (self._monotonic() + self._ttl_seconds, keyring)
        self._entries.move_to_end(place)
        if len(self._entries) > self._subjects_max:
            self._entries.popitem(last=False)

    def forget(self, place: Place) -> None:
        self._entries.pop(place, None)

    def __len__(self) -> int:
        return len(self._entries)
