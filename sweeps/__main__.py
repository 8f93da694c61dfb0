"""``python -m sweeps``."""

from __future__ import annotations

import sys
from typing import NoReturn


def main() -> NoReturn:
    """Run the command line."""
    try:
        from sweeps.cli import early

        with early.importing(sys.argv[1:]):
            from sweeps.cli.main import main as command
    except KeyboardInterrupt:  # while Python still imports
        sys.exit(130)
    command()


if __name__ == "__main__":
    main()
