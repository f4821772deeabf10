"""Trees, proofs and tiles: the published vectors, the RFC's own definitions, and what must never be believed."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.verify import tree as verifier
from application.merkle import (
    EMPTY_ROOT,
    Range,
    consistency_ranges,
    includes,
    inclusion_ranges,
    is_consistent,
    tree_hash,
)
from application.tree_tiles import TileId, extended, partial_tiles, range_hash, tile_path
from tests.support import rfc6962

# From the reference implementation of RFC 6962 (certificate-transparency, merkletree/merkle_tree_test.cc).
INPUTS = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
]
VECTORS = [sha256(b"\x00" + bytes.fromhex(text)).digest() for text in INPUTS]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
INCLUSION = {
    (0, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (5, 8): [
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 3): ["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
}
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ],
    (6, 8): [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ],
    (2, 5): [
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ],
}


def leaves(count: int) -> list[bytes]:
    return [sha256(b"\x00" + number.to_bytes(4, "big")).digest() for number in range(count)]


def tiles_of(hashes: list[bytes], steps: list[int] | None = None) -> dict[TileId, bytes]:
    """Sealed in pages of these sizes, the last page again and again."""
    tiles: dict[TileId, bytes] = {}
    size, pages = 0, list(steps or [len(hashes)])
    while size < len(hashes):
        page = hashes[size : size + (pages.pop(0) if len(pages) > 1 else pages[0])]
        tails = {tile.level: tiles[tile] for tile in partial_tiles(size)}
        tiles |= extended(size, tails, page)
        size += len(page)
    return tiles


def inclusion_proof(tiles: dict[TileId, bytes], index: int, size: int) -> list[bytes]:
    return [range_hash(wanted, tiles) for wanted in inclusion_ranges(index, size)]


def consistency_proof(tiles: dict[TileId, bytes], old: int, size: int) -> list[bytes]:
    return [range_hash(wanted, tiles) for wanted in consistency_ranges(old, size)]


LEAVES = leaves(1200)
TILES = tiles_of(LEAVES)
BIG = [*range(1, 20), 255, 256, 257, 511, 512, 513, 1000, 1200]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size: int) -> None:
    root = bytes.fromhex(ROOTS[size - 1])
    assert rfc6962.mth(VECTORS[:size]) == tree_hash(VECTORS[:size]) == verifier.root_of(VECTORS[:size]) == root
    assert range_hash(Range(0, size), tiles_of(VECTORS)) == root


def test_the_root_of_nothing_is_the_hash_of_nothing() -> None:
    assert EMPTY_ROOT == rfc6962.mth([]) == tree_hash([]) == verifier.root_of([])


@pytest.mark.parametrize(("index", "size"), INCLUSION)
def test_inclusion_proofs_are_the_published_ones(index: int, size: int) -> None:
    assert [each.hex() for each in inclusion_proof(tiles_of(VECTORS), index, size)] == INCLUSION[index, size]


@pytest.mark.parametrize(("old", "size"), CONSISTENCY)
def test_consistency_proofs_are_the_published_ones(old: int, size: int) -> None:
    assert [each.hex() for each in consistency_proof(tiles_of(VECTORS), old, size)] == CONSISTENCY[old, size]


@given(st.lists(st.integers(1, 700), min_size=1, max_size=6))
def test_tiles_are_the_same_however_the_log_was_cut_into_pages(steps: list[int]) -> None:
    count = min(sum(steps), len(LEAVES))
    assert tiles_of(LEAVES[:count], steps) == tiles_of(LEAVES[:count])


@given(st.integers(1, 1200), st.data())
def test_proofs_are_those_of_the_definition_and_hold(size: int, data: st.DataObject) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))
    root, old_root = rfc6962.mth(LEAVES[:size]), rfc6962.mth(LEAVES[:old])
    assert range_hash(Range(0, size), TILES) == verifier.root_of(LEAVES[:size]) == root

    inclusion = inclusion_proof(TILES, index, size)
    assert inclusion == rfc6962.path(index, LEAVES[:size])
    assert includes(LEAVES[index], index, size, inclusion, root)

    consistency = consistency_proof(TILES, old, size)
    assert consistency == rfc6962.proof(old, LEAVES[:size])
    assert is_consistent(old, old_root, size, root, consistency)


@given(st.integers(1, 600), st.data())
def test_no_other_inclusion_proof_holds(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    root, good = rfc6962.mth(LEAVES[:size]), inclusion_proof(TILES, index, size)
    bad = data.draw(damaged(good))
    assert not includes(LEAVES[index], index, size, bad, root)
    assert not includes(LEAVES[index + 1], index, size, good, root)
    assert not includes(LEAVES[index], index, size, good, LEAVES[0] if size > 1 else LEAVES[1])
    other = data.draw(st.integers(0, 2 * size).filter(lambda each: each != index))
    assert not includes(LEAVES[index], other, size, good, root)


@given(st.integers(2, 600), st.data())
def test_no_other_consistency_proof_holds(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size - 1))
    old_root, root = rfc6962.mth(LEAVES[:old]), rfc6962.mth(LEAVES[:size])
    good = consistency_proof(TILES, old, size)
    bad = data.draw(damaged(good))
    assert not is_consistent(old, old_root, size, root, bad)
    assert not is_consistent(old, root, size, root, good)
    assert not is_consistent(old, old_root, size, old_root, good)
    assert not is_consistent(size, root, old, old_root, good)


def damaged(proof: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    """One hash altered, too many, or too few."""
    longer = st.just([*proof, LEAVES[0]])
    if not proof:
        return longer
    altered = st.tuples(st.integers(0, len(proof) - 1), st.integers(0, 255)).map(
        lambda place: [flipped(each, place[1]) if at == place[0] else each for at, each in enumerate(proof)]
    )
    return st.one_of(longer, st.just(proof[:-1]), st.just(proof[1:]), altered)


def flipped(raw: bytes, bit: int) -> bytes:
    return (int.from_bytes(raw, "big") ^ 1 << bit).to_bytes(len(raw), "big")


@given(st.integers(-3, 40), st.integers(-3, 40), st.lists(st.binary(max_size=33), max_size=8), st.binary(max_size=33))
def test_nonsense_is_refused_and_never_fails(index: int, size: int, proof: list[bytes], root: bytes) -> None:
    assert not includes(b"leaf", index, size, proof, root)
    if (index, size) != (index, index):
        assert not is_consistent(index, b"no root", size, root, proof)


@given(st.integers(0, 10**12), st.integers(1, 256), st.integers(0, 5))
def test_the_verifier_names_tiles_alike(number: int, width: int, level: int) -> None:
    assert tile_path(TileId(level, number), width) == verifier.tile_path(level, number, width)


def test_tiles_are_named_as_c2sp_does() -> None:
    assert tile_path(TileId(0, 1234067)) == "0/x001/x234/067"
    assert tile_path(TileId(1, 7), 12) == "1/007.p/12"


@pytest.mark.parametrize("size", BIG)
def test_the_verifiers_tree_has_the_same_roots_and_tiles(size: int) -> None:
    tree = verifier.Tree(set(range(1, size + 1)))
    for leaf in LEAVES[:size]:
        tree.append(leaf)
    assert tree.root == rfc6962.mth(LEAVES[:size])
    assert {each: tree.roots[each] for each in (1, size // 2 or 1, size)} == {
        each: rfc6962.mth(LEAVES[:each]) for each in (1, size // 2 or 1, size)
    }
    sealed = tiles_of(LEAVES[:size])
    assert tree.tiles(1, size >> 8) == [sealed[tile] for tile in sorted(sealed) if tile.level == 1]
