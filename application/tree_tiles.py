"""The tree cut into tiles of 256 hashes, as C2SP tlog-tiles does: what is kept, and what proofs are made from.

A hash of a tile at level `n` covers 256 ** n leaves. Only the last tile of a level may be partial.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from application.merkle import EMPTY_ROOT, HASH_BYTES, Range, node_hash, tree_hash

WIDTH = 256
HEIGHT = 8
TILE_BYTES = WIDTH * HASH_BYTES


class TileId(NamedTuple):
    level: int
    number: int


class Node(NamedTuple):
    """Root of the full subtree of `2 ** height` leaves that begins at leaf `number * 2 ** height`."""

    height: int
    number: int


Tiles = Mapping[TileId, bytes]


def extended(size: int, tails: Mapping[int, bytes], leaves: Sequence[bytes]) -> dict[TileId, bytes]:
    """The tiles that change when leaves are added to a tree of this size; `tails` are its partial tiles by level."""
    changed: dict[TileId, bytes] = {}
    level, hashes = 0, leaves
    while hashes:
        tile = b"".join((tails.get(level, b""), *hashes))
        number = size >> HEIGHT * (level + 1)
        above = []
        while len(tile) >= TILE_BYTES:
            full, tile = tile[:TILE_BYTES], tile[TILE_BYTES:]
            changed[TileId(level, number)] = full
            above.append(tree_hash(hashes_of(full)))
            number += 1
        if tile:
            changed[TileId(level, number)] = tile
        level, hashes = level + 1, above
    return changed


def partial_tiles(size: int) -> list[TileId]:
    """The tiles at the right edge of a tree of this size that are not full."""
    return [tile for tile, width in tiles_at_the_edge(size) if width]


def tiles_at_the_edge(size: int) -> list[tuple[TileId, int]]:
    """Per level, the tile that the next hash goes to, and how many it holds already."""
    edge = []
    level = 0
    while size >> HEIGHT * level:
        hashes = size >> HEIGHT * level
        edge.append((TileId(level, hashes // WIDTH), hashes % WIDTH))
        level += 1
    return edge


def cover(wanted: Range) -> list[Node]:
    """The full subtrees that a range of a tree is made of, from left to right."""
    nodes = []
    start = wanted.start
    while start < wanted.end:
        height = (wanted.end - start).bit_length() - 1
        if start:
            height = min(height, (start & -start).bit_length() - 1)
        nodes.append(Node(height, start >> height))
        start += 1 << height
    return nodes


def needed(ranges: Iterable[Range]) -> set[TileId]:
    """The tiles that `range_hash` reads."""
    return {_place(node)[0] for wanted in ranges for node in cover(wanted)}


def range_hash(wanted: Range, tiles: Tiles) -> bytes:
    """The hash of a range that a proof or a root is made of. Raises KeyError when a tile is missing or too short."""
    nodes = cover(wanted)
    if not nodes:
        return EMPTY_ROOT
    computed = _node(nodes[-1], tiles)
    for node in reversed(nodes[:-1]):
        computed = node_hash(_node(node, tiles), computed)
    return computed


def hashes_of(tile: bytes) -> list[bytes]:
    return [tile[at : at + HASH_BYTES] for at in range(0, len(tile), HASH_BYTES)]


def tile_path(tile: TileId, width: int = WIDTH) -> str:
    """`<level>/<number>[.p/<width>]`: 1234067 is written x001/x234/067."""
    digits = f"{tile.number:03d}"
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    number = "/".join([f"x{group}" for group in groups[:-1]] + groups[-1:])
    return f"{tile.level}/{number}" + (f".p/{width}" if width < WIDTH else "")


def _place(node: Node) -> tuple[TileId, int, int]:
    """Where the hashes that a node is the root of are: tile, first hash, number of hashes."""
    level, within = divmod(node.height, HEIGHT)
    first = node.number << within
    return TileId(level, first // WIDTH), first % WIDTH, 1 << within


def _node(node: Node, tiles: Tiles) -> bytes:
    tile, first, count = _place(node)
    hashes = tiles[tile][first * HASH_BYTES : (first + count) * HASH_BYTES]
    if len(hashes) != count * HASH_BYTES:
        raise KeyError(tile)
    return tree_hash(hashes_of(hashes))
