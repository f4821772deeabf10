"""A process's own view of the key vault: remembers clear keys for a short time, and forgets when it is told."""

from collections.abc import Iterable
from uuid import UUID

from application.key_vault import MACHINERY, Keyring, KeyVault, Purpose, Use, must_be_allowed
from domain.compartments import Compartment
from infrastructure.database import Pool
from infrastructure.key_cache import KeyCache

CHANNEL = "unisson_keys"


class CachedKeyVault:
    """See `KeyVault`. `pool` is of the database over which every process hears what to forget."""

    def __init__(self, store: KeyVault, pool: Pool, cache: KeyCache | None = None) -> None:
        self._store = store
        self._pool = pool
        self._cache = cache if cache is not None else KeyCache()

    async def keyrings(
        self, territory: str, subjects: Iterable[UUID], *, fresh: bool = False, use: Use = MACHINERY
    ) -> dict[UUID, Keyring]:
        must_be_allowed(use)
        if use.purpose is not Purpose.RECORD:
            return await self._store.keyrings(territory, subjects, use=use)
        found: dict[UUID, Keyring] = {}
        unknown = []
        for subject in subjects:
            keyring = None if fresh else self._cache.get((territory, subject))
            if keyring is None:
                unknown.append(subject)
            else:
                found[subject] = keyring
        if unknown:
            purges = self._cache.purges
            for subject, keyring in (await self._store.keyrings(territory, unknown, use=use)).items():
                found[subject] = keyring
                self._cache.put((territory, subject), keyring, purges)
        return found

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        needed = set(compartments)
        keyring = self._cache.get((territory, subject))
        if keyring is None or not needed <= keyring.keys():
            purges = self._cache.purges
            keyring = await self._store.ensure(territory, subject, needed)
            self._cache.put((territory, subject), keyring, purges)
        return keyring

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        await self._store.destroy(territory, subject, compartments)
        await self._let_all_forget(territory, subject)

    async def restrict(self, territory: str, subject: UUID, restricted: bool) -> None:
        await self._store.restrict(territory, subject, restricted)
        await self._let_all_forget(territory, subject)

    def forget_told(self, payload: str) -> None:
        """Forget the person whom another process names over `CHANNEL`."""
        territory, _, subject = payload.rpartition(" ")
        self._cache.forget((territory, UUID(subject)))

    async def _let_all_forget(self, territory: str, subject: UUID) -> None:
        """Whoever does not hear forgets by itself within `CACHE_SECONDS`."""
        self._cache.forget((territory, subject))
        await self._pool.execute("SELECT pg_notify($1, $2)", CHANNEL, f"{territory} {subject}")
