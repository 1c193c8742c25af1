"""``python -m spotopt_agent`` is the same as ``spotopt-agent``."""

import sys

from spotopt_agent.cli import main

if __name__ == "__main__":
    sys.exit(main())
