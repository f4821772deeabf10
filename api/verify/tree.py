"""The Merkle tree of RFC 6962, fed from left to right; it keeps one hash per level."""

from hashlib import sha256

HASH_BYTES = 32
WIDTH = 256


def node(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


class Frontier:
    """Roots of the full subtrees that a tree is made of, the largest first."""

    def __init__(self) -> None:
        self.size = 0
        self._roots: list[bytes] = []

    def append(self, leaf: bytes) -> None:
        place = self.size
        while place & 1:
            leaf = node(self._roots.pop(), leaf)
            place >>= 1
        self._roots.append(leaf)
        self.size += 1

    def root(self, end: bytes | None = None) -> bytes:
        """Of what was appended; `end` is the root of a smaller tree that follows it."""
        roots = self._roots if end is None else [*self._roots, end]
        if not roots:
            return sha256(b"").digest()
        root = roots[-1]
        for left in reversed(roots[:-1]):
            root = node(left, root)
        return root


def root_of(hashes: list[bytes]) -> bytes:
    frontier = Frontier()
    for leaf in hashes:
        frontier.append(leaf)
    return frontier.root()


class Tree:
    """A whole log: the roots at the sizes asked for beforehand, and the tiles above the leaves."""

    def __init__(self, wanted: set[int]) -> None:
        self._wanted = sorted(wanted, reverse=True)
        self._frontier = Frontier()
        self._tail: list[bytes] = []
        self.roots: dict[int, bytes] = {}
        self.tile_roots: list[bytes] = []
        """Hashes of level 1."""

    @property
    def size(self) -> int:
        return self._frontier.size * WIDTH + len(self._tail)

    @property
    def root(self) -> bytes:
        return self._frontier.root(root_of(self._tail) if self._tail else None)

    def append(self, leaf: bytes) -> None:
        self._tail.append(leaf)
        if len(self._tail) == WIDTH:
            tile = root_of(self._tail)
            self._tail.clear()
            self._frontier.append(tile)
            self.tile_roots.append(tile)
        if self._wanted and self._wanted[-1] <= self.size:
            self.roots[self._wanted.pop()] = self.root

    def tiles(self, level: int, count: int) -> list[bytes]:
        """The tiles of a level above the leaves that hold its first `count` hashes; the last may be partial."""
        hashes = self.tile_roots
        for _ in range(level - 1):
            hashes = [root_of(hashes[at : at + WIDTH]) for at in range(0, len(hashes) - WIDTH + 1, WIDTH)]
        hashes = hashes[:count]
        return [b"".join(hashes[at : at + WIDTH]) for at in range(0, len(hashes), WIDTH)]


def tile_path(level: int, number: int, width: int) -> str:
    """As C2SP tlog-tiles names it."""
    groups = [f"{number % 1000:03d}"]
    while number := number // 1000:
        groups.append(f"x{number % 1000:03d}")
    path = f"{level}/{'/'.join(reversed(groups))}"
    return path if width == WIDTH else f"{path}.p/{width}"
