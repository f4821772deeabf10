"""A vault that runs in another process, perhaps on another machine. The key-encryption key never leaves it."""

from collections.abc import Iterable, Mapping, Sequence
from types import NoneType, TracebackType
from typing import Self, TypeAlias, TypeVar
from urllib.parse import urlsplit
from uuid import UUID

import httpx2
import msgspec

from application.blind_index import IndexKey
from application.kek_epochs import Epoch
from application.key_vault import MACHINERY, Keyring, Use
from domain.compartments import Compartment
from infrastructure import vault_calls
from infrastructure.vault_calls import PATH, REFUSALS, Call, Refused, Ring

TIMEOUT_SECONDS = 10.0
CONNECTIONS_MAX = 20
SUBJECTS_PER_CALL = 2000
TERMS_PER_CALL = 50  # Of the longest names that there may be, these still fit.

Hashes: TypeAlias = dict[int, list[bytes]]

T = TypeVar("T")


class VaultUnreachable(ConnectionError):
    """The vault does not answer, or does not know us; nothing can be sealed or opened meanwhile."""


class VaultLine:
    """The way to the vault: `async with` it, then ask."""

    def __init__(self, url: str, token: str) -> None:
        """`url`: `unix:///path`, `https://host`, or `http://` on this machine."""
        parts = urlsplit(url)
        limits = httpx2.Limits(max_connections=CONNECTIONS_MAX)
        self._client = httpx2.AsyncClient(
            transport=httpx2.AsyncHTTPTransport(uds=parts.path if parts.scheme == "unix" else None, limits=limits),
            base_url="http://vault" if parts.scheme == "unix" else url,
            headers={"Authorization": f"Bearer {token}"},
            timeout=TIMEOUT_SECONDS,
            trust_env=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ask(self, call: Call, answer: type[T]) -> T:
        """Raises what the vault raised, or VaultUnreachable."""
        try:
            response = await self._client.post(PATH, content=msgspec.msgpack.encode(call))
        except httpx2.TransportError as error:
            raise VaultUnreachable(type(error).__name__) from None
        if response.status_code == 409:
            refused = msgspec.msgpack.decode(response.content, type=Refused)
            raise REFUSALS[refused.kind](refused.message)
        if response.status_code != 200:
            raise VaultUnreachable(f"HTTP {response.status_code}")
        return msgspec.msgpack.decode(response.content, type=answer)


class RemoteKeys:
    """See `KeyVault`; remembers nothing, like `KeyStore`."""

    def __init__(self, line: VaultLine) -> None:
        self._line = line

    async def keyrings(
        self,
        territory: str,
        subjects: Iterable[UUID],
        *,
        fresh: bool = False,  # noqa: ARG002 (always is)
        use: Use = MACHINERY,
    ) -> dict[UUID, Keyring]:
        wanted = list(subjects)
        found: dict[UUID, Keyring] = {}
        for start in range(0, len(wanted), SUBJECTS_PER_CALL):
            some = wanted[start : start + SUBJECTS_PER_CALL]
            found |= await self._line.ask(vault_calls.Keyrings(territory, some, use), dict[UUID, Ring])
        return found

    async def ensure(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> Keyring:
        return await self._line.ask(vault_calls.Ensure(territory, subject, list(compartments)), Ring)

    async def destroy(self, territory: str, subject: UUID, compartments: Iterable[Compartment]) -> None:
        await self._line.ask(vault_calls.Destroy(territory, subject, list(compartments)), NoneType)

    async def restrict(self, territory: str, subject: UUID, restricted: bool) -> None:
        await self._line.ask(vault_calls.Restrict(territory, subject, restricted), NoneType)


class RemoteBlindKeys:
    """See `BlindKeys`."""

    def __init__(self, line: VaultLine) -> None:
        self._line = line

    async def hashes(self, territory: str, terms: Sequence[str]) -> Mapping[int, Sequence[bytes]]:
        found: dict[int, list[bytes]] = {}
        for start in range(0, max(len(terms), 1), TERMS_PER_CALL):  # Of no terms too, the versions are told.
            some = list(terms[start : start + TERMS_PER_CALL])
            for version, hashes in (await self._line.ask(vault_calls.Hashes(territory, some), Hashes)).items():
                found.setdefault(version, []).extend(hashes)
        return found

    async def index_keys(self, territory: str) -> list[IndexKey]:
        return await self._line.ask(vault_calls.IndexKeys(territory), list[IndexKey])

    async def rotate_index(self, territory: str) -> IndexKey:
        return await self._line.ask(vault_calls.RotateIndex(territory), IndexKey)

    async def retire_index(self, territory: str) -> IndexKey:
        return await self._line.ask(vault_calls.RetireIndex(territory), IndexKey)


class RemoteKekEpochs:
    """See `KekEpochs`."""

    def __init__(self, line: VaultLine) -> None:
        self._line = line

    async def epochs(self) -> list[Epoch]:
        return await self._line.ask(vault_calls.Epochs(), list[Epoch])

    async def current(self) -> Epoch:
        return (await self.epochs())[-1]

    async def rotate(self) -> Epoch:
        return await self._line.ask(vault_calls.Rotate(), Epoch)

    async def rewrap(self, limit: int) -> int:
        return await self._line.ask(vault_calls.Rewrap(limit), int)

    async def destroy(self, number: int, *, at_once: bool = False) -> None:
        await self._line.ask(vault_calls.DestroyEpoch(number, at_once), NoneType)
