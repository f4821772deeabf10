"""A name in an address may be any text: what no database can hold is simply not found."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.support.service import running

ROOT = Path(__file__).parent.parent
HOLE = re.compile(r"{(\w+)}")
SENSELESS = ("%00", "a%00b", "%ff", "%F0%9F%98%80", "..%2f", "a" * 3_000)


def named_in_address() -> Iterator[str]:
    """Addresses that are read by a name, each with a hole for it."""
    described: dict[str, Any] = msgspec.json.decode((ROOT / "docs/reference/openapi.json").read_bytes())
    for address, methods in described["paths"].items():
        holes = HOLE.findall(address)
        if "get" in methods and len(holes) == 1 and not holes[0].endswith("_id"):
            yield HOLE.sub("{}", address)


async def test_a_senseless_name_is_not_found_wherever_it_stands(database_url: str, tmp_path: Path) -> None:
    addresses = list(named_in_address())
    assert "/v1/rules/{}/health" in addresses
    async with running(database_url, tmp_path) as service:
        ccas = await service.agency()
        for address in addresses:
            for name in SENSELESS:
                answer = await ccas.get(address.format(name))
                assert answer.status_code in {400, 403, 404}, (address, name, answer.status_code)
