"""What a benchmark prints: one JSON object a line, each peer or baseline measured in the same run."""

import sys
from collections.abc import Callable
from statistics import median

import msgspec


class Measure(msgspec.Struct, kw_only=True):
    """`value` and `baseline` share `unit`; `ratio` is value / baseline; `bar` is what it is held to."""

    name: str
    value: float
    unit: str
    baseline: float | None = None
    ratio: float | None = None
    bar: str | None = None
    met: bool | None = None


def report(measure: Measure) -> None:
    sys.stdout.write(msgspec.json.encode(measure).decode() + "\n")
    sys.stdout.flush()


def at_least(name: str, value: float, unit: str, baseline: float, bar: float) -> Measure:
    """Held to a multiple of a peer: higher is better."""
    ratio = value / baseline
    return Measure(
        name=name,
        value=round(value, 3),
        unit=unit,
        baseline=round(baseline, 3),
        ratio=round(ratio, 3),
        bar=f">= {bar} x baseline",
        met=ratio >= bar,
    )


def at_most(name: str, value: float, unit: str, bar: float) -> Measure:
    """Held to a limit of its own: lower is better."""
    return Measure(name=name, value=round(value, 3), unit=unit, bar=f"<= {bar} {unit}", met=value <= bar)


def median_of(runs: int, run: Callable[[], float]) -> float:
    return median(run() for _ in range(runs))
