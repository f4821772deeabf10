"""Clear keys kept in memory for a short time: the bound on how long a destroyed key may still be used here."""

import time
from collections import OrderedDict
from collections.abc import Callable
from uuid import UUID

from application.key_vault import CACHE_SECONDS, Keyring

SUBJECTS_MAX = 50_000

Place = tuple[str, UUID]


class KeyCache:
    """Keyrings by territory and subject; the least recently used go first."""

    def __init__(
        self,
        ttl_seconds: float = CACHE_SECONDS,
        subjects_max: int = SUBJECTS_MAX,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ttl_seconds = ttl_seconds
        self._subjects_max = subjects_max
        self._monotonic = monotonic
        self._entries: OrderedDict[Place, tuple[float, Keyring]] = OrderedDict()
        self.purges = 0
        """How often anything was forgotten: what was asked for before the last time may be gone, and is not kept."""

    def get(self, place: Place) -> Keyring | None:
        entry = self._entries.get(place)
        if entry is None:
            return None
        if entry[0] <= self._monotonic():
            del self._entries[place]
            return None
        self._entries.move_to_end(place)
        return entry[1]

    def put(self, place: Place, keyring: Keyring, purges: int | None = None) -> None:
        """`purges` as it was when the keyring was asked for; None: it was made here and now."""
        if purges is not None and purges != self.purges:
            return
        self._entries[place] = (self._monotonic() + self._ttl_seconds, keyring)
        self._entries.move_to_end(place)
        if len(self._entries) > self._subjects_max:
            self._entries.popitem(last=False)

    def forget(self, place: Place) -> None:
        self.purges += 1
        self._entries.pop(place, None)

    def __len__(self) -> int:
        return len(self._entries)
