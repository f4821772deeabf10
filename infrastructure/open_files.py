"""How many files and sockets a process may have open: by default often 1,024, where it could allow itself far more."""

import resource

FILES_MIN = 4_096
"""For 2,000 clients, those being turned away, deliveries under way and the database."""


def attainable() -> int:
    """What this process may have open, once it has asked for what it needs."""
    soft, hard = _limits()
    return max(soft, min(hard, FILES_MIN))


def allow() -> None:
    """Ask for what is needed, as far as the system lets an ordinary process ask."""
    soft, _ = _limits()
    if soft < attainable():
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (attainable(), hard))


def _limits() -> tuple[int, int]:
    """What a process has, and up to what it may ask for more."""
    soft, hard = (
        1_048_576 if limit == resource.RLIM_INFINITY else limit  # What Linux stops at (fs.nr_open).
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard
