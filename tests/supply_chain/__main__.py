"""`make check`: everything pinned, every licence permitted, no known vulnerability; writes the bill of materials.

python -m tests.supply_chain [--bill FILE] [--osv-url URL]
"""

import argparse
import sys
from pathlib import Path

from tests.supply_chain.advisories import AuditFailed, audit
from tests.supply_chain.bill_of_materials import bill_of_materials
from tests.supply_chain.licences import examine
from tests.supply_chain.locked import BUILD, DEVELOP, INSTALLER, ROOT, RUN, Unpinned, packages


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.supply_chain", description=__doc__)
    parser.add_argument("--bill", type=Path, default=ROOT / "dist" / "unisson.cdx.json")
    parser.add_argument("--osv-url", default=None, help="another service of the same kind")
    given = parser.parse_args(arguments)
    try:
        return 1 if [*_pinned(), *_licensed(), *_safe(given.osv_url)] else _written(given.bill)
    except (Unpinned, AuditFailed) as failure:
        _say(f"supply chain: {failure}", error=True)
        return 1


def _pinned() -> list[str]:
    for lock in (RUN, DEVELOP, BUILD, INSTALLER):
        _say(f"{lock.name}: {len(packages(lock))} packages, each with one version and its hashes")
    return []


def _licensed() -> list[str]:
    refused, unread = examine(packages(RUN))
    for each in refused:
        _say(f"licence not permitted: {each}", error=True)
    _say(f"licences: {len(packages(RUN)) - len(unread)} read; of other platforms, not read: {', '.join(unread) or 0}")
    return refused


def _safe(service: str | None) -> list[str]:
    done = audit((DEVELOP, BUILD, INSTALLER), service)
    for each in done.known:
        _say(f"known vulnerability: {each}", error=True)
    if done.asked:
        _say(f"advisories: {done.audited} packages asked about, {len(done.known)} vulnerabilities known")
    elif done.unaudited:
        _say(f"advisories: NOTHING IS KNOWN of {', '.join(done.unaudited)}", error=True)
    else:
        _say(
            "advisories: NOT CHECKED. The vulnerability service cannot be reached from here, so nothing is known about "
            "published vulnerabilities of what is locked; run this again where there is a network.",
            error=True,
        )
    return list(done.known)


def _written(bill: Path) -> int:
    bill.parent.mkdir(parents=True, exist_ok=True)
    bill.write_text(bill_of_materials())
    _say(f"bill of materials: {bill.relative_to(ROOT) if bill.is_relative_to(ROOT) else bill}")
    return 0


def _say(line: str, *, error: bool = False) -> None:
    print(line, file=sys.stderr if error else sys.stdout)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
