"""`python -m api.verify` is `unisson-verify`."""

import sys

from api.verify.command import main

if __name__ == "__main__":
    sys.exit(main())
