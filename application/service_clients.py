"""Partners' software: registered with its public keys, so that no secret is ever shared with it or stored."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from application.access import Scope
from application.credentials import random_text

CLIENT_ID_LENGTH = 16
ALGORITHMS = ("ES256", "ES384", "PS256", "RS256", "EdDSA")
"""What it may sign with. Asymmetric ones only: whoever checks never holds what would let it sign."""
SERVICE_SCOPES = frozenset(
    {
        Scope.READ,
        Scope.WRITE,
        Scope.MANAGE,
        Scope.STEER,
        Scope.IDENTITY,
        Scope.HEALTH,
        Scope.NOTES,
        Scope.SHARE,
        Scope.MATCH,
        Scope.ERASE,
    }
)
"""All that a partner's software may ever hold: auditing is for people, under a mandate."""


class ServiceClient(msgspec.Struct, frozen=True, kw_only=True):
    """One piece of software of one agency."""

    client_id: str
    territory: str
    agency: str
    label: str
    scopes: frozenset[Scope]
    keys: str
    """A JSON Web Key Set, public parts only."""
    created_at: datetime
    disabled_at: datetime | None = None


class ServiceClients(Protocol):
    """Where clients are stored, and what they have shown."""

    async def add(self, client: ServiceClient) -> None: ...

    async def find(self, client_id: str) -> ServiceClient | None: ...

    async def of_territory(self, territory: str) -> Sequence[ServiceClient]:
        """Every client ever registered there, the latest first."""

    async def change_keys(self, territory: str, client_id: str, keys: str) -> bool:
        """False when there is no such client."""

    async def disable(self, territory: str, client_id: str, at: datetime) -> bool:
        """For good: its tokens stop working at once. False when there is no such client."""

    async def show(self, territory: str, client_id: str, statement: str, expires_at: datetime) -> bool:
        """Remember that the client showed a signed statement of this identifier. False: it had been shown before."""


def new_client_id() -> str:
    return f"un_cl_{random_text(CLIENT_ID_LENGTH)}"
