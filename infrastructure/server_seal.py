"""What the servers' own key seals for the database, each thing bound to its row, so that rows cannot be swapped."""

from uuid import UUID

from infrastructure.event_header import text_field, uuid_field
from infrastructure.key_file import KeyFile
from infrastructure.key_wrap import unwrap, wrap

EPOCH_BYTES = 4
COMMITMENT_BYTES = 32


class ServerSeal:
    """Sealed form: epoch(4), wrapped, commitment(32). `kind` tells one table's rows from another's, for ever."""

    def __init__(self, keys: KeyFile, kind: bytes) -> None:
        self._keys = keys
        self._kind = kind

    def seal(self, clear: bytes, territory: str, row: UUID) -> bytes:
        epoch = self._keys.epoch
        wrapped, commitment = wrap(self._keys.key(epoch), clear, self._place(territory, row))
        return epoch.to_bytes(EPOCH_BYTES, "big") + wrapped + commitment

    def is_current(self, sealed: bytes) -> bool:
        """Whether it was sealed by the key that seals now."""
        return _epoch(sealed) == self._keys.epoch

    def open(self, sealed: bytes, territory: str, row: UUID) -> bytes:
        """Raises KeyUnwrapFailed for an altered or displaced row, KeyFileUnusable for a key that is not there."""
        wrapped, commitment = sealed[EPOCH_BYTES:-COMMITMENT_BYTES], sealed[-COMMITMENT_BYTES:]
        return unwrap(self._keys.key(_epoch(sealed)), wrapped, commitment, self._place(territory, row))

    def _place(self, territory: str, row: UUID) -> bytes:
        return self._kind + text_field(territory) + uuid_field(row)


def _epoch(sealed: bytes) -> int:
    return int.from_bytes(sealed[:EPOCH_BYTES], "big")
