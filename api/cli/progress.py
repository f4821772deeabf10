"""A progress bar on the error output, when that is a terminal: done so far, events a second, time still to go."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

REFRESH_SECONDS = 0.1


@contextlib.contextmanager
def bar(noun: str) -> Iterator[Callable[[int, int, int | None], None]]:
    """Gives a function of (done, events, total); the total may be unknown. Silent when nobody watches."""
    if not sys.stderr.isatty():
        yield lambda _done, _events, _total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        MofNCompleteColumn(),
        TextColumn(noun),
        BarColumn(),
        TextColumn("{task.fields[rate]:,.0f} events/s"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(noun, total=None, rate=0.0)
        started = shown = time.monotonic()

        def advance(done: int, events: int, total: int | None) -> None:
            nonlocal shown
            now = time.monotonic()
            if now - shown >= REFRESH_SECONDS:
                shown = now
                progress.update(task, completed=done, total=total, rate=events / (now - started))

        yield advance
