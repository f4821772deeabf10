"""Secrets of webhook endpoints: made, sealed by the servers' key for the database, opened to sign."""

import base64
import secrets
from uuid import UUID

from infrastructure.database import Pool
from infrastructure.key_file import KeyFile
from infrastructure.server_seal import ServerSeal

PREFIX = "whsec_"
SECRET_BYTES = 32
SEALED = "SELECT territory, endpoint_id, secret, previous_secret FROM webhook_endpoints ORDER BY territory, endpoint_id"
RESEAL = """
UPDATE webhook_endpoints SET secret = $3, previous_secret = $4
WHERE territory = $1 AND endpoint_id = $2 AND secret = $5"""


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


class SecretBox:
    """Seals the secrets of endpoints."""

    def __init__(self, keys: KeyFile) -> None:
        self._seal = ServerSeal(keys, b"webhook secret v1")

    def seal(self, secret: str, territory: str, endpoint_id: UUID) -> bytes:
        return self._seal.seal(secret.encode(), territory, endpoint_id)

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed by the key that seals now."""
        return self._seal.is_current(sealed)

    def open(self, sealed: bytes, territory: str, endpoint_id: UUID) -> str:
        """Raises KeyUnwrapFailed for an altered or displaced row, KeyFileUnusable for a key that is not there."""
        return self._seal.open(sealed, territory, endpoint_id).decode()


async def reseal(pool: Pool, box: SecretBox) -> None:
    """Seal anew what an earlier key sealed: earlier releases used the key-encryption key, whose epochs come and go."""
    for territory, endpoint_id, *sealed in await pool.fetch(SEALED):
        if all(box.is_current(each) for each in sealed if each is not None):
            continue
        again = [each and box.seal(box.open(each, territory, endpoint_id), territory, endpoint_id) for each in sealed]
        await pool.execute(RESEAL, territory, endpoint_id, *again, sealed[0])
