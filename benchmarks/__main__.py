"""`make bench`: every benchmark, or those named (`make bench ARGS="append http"`)."""

import importlib
import sys

BENCHMARKS = (
    "append",
    "replay",
    "projections",
    "rules",
    "http",
    "startup",
    "access",
    "keys",
    "integrity",
    "row_security",
    "flood",
    "stream",
    "webhooks",
    "notify",
)


def main(names: list[str]) -> int:
    unknown = sorted(set(names) - set(BENCHMARKS))
    if unknown:
        sys.stderr.write(f"unknown benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}\n")
        return 2
    for name in names or BENCHMARKS:
        importlib.import_module(f"benchmarks.{name}").main()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
