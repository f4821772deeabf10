"""Human references: how people name a pathway to one another, by telephone or on paper. `P-00412`.

The number is the position of the pathway's opening in its territory's log. So it is given once, by the log itself, in
the order of the openings, with gaps; it is the same after any replay, and tells nothing of the person.
"""

from typing import Annotated

import msgspec

DIGITS = 5  # At least: later ones are longer.

Reference = Annotated[
    str,
    msgspec.Meta(pattern="^P-[0-9]{1,18}$(?!\\n)", description="A pathway's human reference, such as P-00412."),
]


def reference_of(opened_at: int) -> str:
    """`opened_at`: position of the opening."""
    return f"P-{opened_at:0{DIGITS}}"


def opening_of(reference: Reference) -> int:
    """The position that a reference stands for; leading zeros do not matter."""
    return int(reference.removeprefix("P-"))
