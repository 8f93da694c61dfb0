"""A text, and texts with pieces of it replaced, all else left to the letter."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import Any


class Text:
    """A source text in which nodes of its tree can be replaced."""

    def __init__(self, text: str) -> None:
        self.raw = text.encode()

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.raw.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        return starts

    def span(self, node: Any) -> tuple[int, int]:
        """Return where a node starts and ends, in bytes; of a definition without decorators."""
        start = self._starts[node.lineno - 1] + node.col_offset
        return start, self._starts[node.end_lineno - 1] + node.end_col_offset

    def of(self, node: ast.AST) -> str:
        """Return the text of a node."""
        start, end = self.span(node)
        return self.raw[start:end].decode()

    def replaced(self, node: ast.AST, new: str) -> str:
        """Return the whole text with another one in the place of a node."""
        start, end = self.span(node)
        return (self.raw[:start] + new.encode() + self.raw[end:]).decode()
