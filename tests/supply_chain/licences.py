"""Under which licence each package may be shipped. Copyleft may serve a test, never the product.

The Mozilla licence is let through: it binds the files that are under it, which are shipped unchanged.
"""

from collections.abc import Iterable
from email.message import Message
from typing import Any

from license_expression import ExpressionError, LicenseSymbol, get_spdx_licensing  # type: ignore[import-untyped]

from tests.supply_chain.locked import Package

PERMITTED = frozenset(
    {"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MIT-0", "MPL-2.0", "PSF-2.0", "Zlib"}
)
PREFIX = "License :: OSI Approved :: "
CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "MIT No Attribution License (MIT-0)": "MIT-0",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
SPDX = get_spdx_licensing()


def examine(packages: Iterable[Package]) -> tuple[list[str], list[str]]:
    """What may not be shipped, with its licence; what is not installed here and could not be read."""
    refused, unread = [], []
    for package in packages:
        installed = package.installed
        if installed is None:
            unread.append(package.name)
            continue
        licence = licence_of(installed.metadata)  # type: ignore[arg-type]
        if licence is None or not is_permitted(licence):
            refused.append(f"{package.name} {package.version}: {licence or 'no licence that can be read'}")
    return refused, unread


def licence_of(metadata: Message) -> str | None:
    """As an SPDX expression: what the package says in one, else its classifiers, all of them, else its first line."""
    said = metadata.get("License-Expression")
    if said:
        return str(said)
    classified = [
        CLASSIFIERS.get(each.removeprefix(PREFIX), each)
        for each in metadata.get_all("Classifier", [])
        if each.startswith("License ::")
    ]
    first = str(metadata.get("License") or "").strip().partition("\n")[0].strip()
    if first and _parsed(first) is not None:
        return first
    if classified:
        return " AND ".join(classified)
    return CLASSIFIERS.get(first) or first or None


def is_permitted(licence: str) -> bool:
    expression = _parsed(licence)
    return expression is not None and _holds(expression)


def _parsed(licence: str) -> Any | None:
    try:
        return SPDX.parse(licence, validate=True)
    except ExpressionError:
        return None


def _holds(expression: Any) -> bool:
    if isinstance(expression, LicenseSymbol):
        return str(expression.key) in PERMITTED
    held = [_holds(part) for part in expression.args]
    return any(held) if isinstance(expression, SPDX.OR) else all(held)
