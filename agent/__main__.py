"""`-m backfence.agent --home DIR`: the agent of one box."""

import sys

from .edge.main import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
