"""``python -m sweeps``."""

from __future__ import annotations

import sys

if __name__ == "__main__":
    try:
        from sweeps.cli.main import main
    except KeyboardInterrupt:  # while Python still imports
        sys.exit(130)
    main()
