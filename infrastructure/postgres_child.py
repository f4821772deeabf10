"""Becomes a PostgreSQL program that dies with the process that asked for it. Run as a script, never imported.

Arguments: the parent's pid, the uid and gid to take (-1: keep), the program, its arguments. Standard library only: it
starts in a few milliseconds, and in a process of its own it may drop privileges safely whatever threads the parent has.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main() -> None:
    parent, uid, gid = map(int, sys.argv[1:4])
    if uid >= 0:
        os.setgroups([])
        os.setgid(gid)
        os.setuid(uid)
    if sys.platform == "linux":
        # After the drop: a change of credentials clears it. The signal asks for an orderly, fast shutdown.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGINT))
    if os.getppid() != parent:
        sys.exit("The process that asked for PostgreSQL has ended.")
    os.umask(0o077)
    os.execv(sys.argv[4], sys.argv[4:])  # noqa: S606 (that is its purpose)


if __name__ == "__main__":
    main()
