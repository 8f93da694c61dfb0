"""Re-exports."""

from .private import exported
