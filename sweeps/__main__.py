"""``python -m sweeps``."""

import sys

if __name__ == "__main__":
    try:
        from sweeps.cli import main
    except KeyboardInterrupt:  # while Python still imports
        sys.exit(130)
    main()
