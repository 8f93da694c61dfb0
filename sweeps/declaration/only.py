"""A sweep of only those points that meet a condition, ``length<0.5 and not is_open``.

::

    condition  = all {"or" all}
    all        = part {"and" part}
    part       = "not" part | "(" condition ")" | comparison
    comparison = operand {relation operand} | operand ["not"] "in" "(" operand {"," operand} ")"
    relation   = "==" | "!=" | "<" | "<=" | ">" | ">="
    operand    = name | number | true | false | none | date | "quoted" | 'quoted'

It is read and never evaluated, and means what it means in Python, ``0.1<x<0.5`` too. A name is a
parameter or a constant; alone it is a condition if its values are true and false. Labelled
objects, enums and whatever else has no order are compared by their labels, dates as midnights. Of
a point that lacks a parameter, each comparison with it is false.
"""

from __future__ import annotations

import dataclasses
import keyword
from collections.abc import Callable, Mapping

from sweeps.declaration import tokens
from sweeps.declaration.conditions import (
    COMPARISONS,
    FALSE,
    TRUE,
    Comparison,
    Condition,
    Joined,
    Not,
    Operand,
    Parameter,
    Restriction,
    Value,
    comparable,
)
from sweeps.declaration.experiment import Experiment
from sweeps.declaration.tokens import Reader, Token, identifier, unquote
from sweeps.errors import DeclarationError, OverrideError, unknown
from sweeps.spaces.values import short

MAX_DEPTH = 50

_INSTEAD = {
    "=": "'==' compares",
    "&": "write 'and'",
    "|": "write 'or'",
    "!": "write 'not'",
    "is": "write '=='",
}


def restrict(experiment: Experiment, only: str) -> Experiment:
    """Keep the points that meet a condition, as `Space.where` does.

    Examples
    --------
    >>> from sweeps import experiment, grid
    >>> @experiment(grid(length=[0.1, 0.2, 0.5], method=["rk4", "euler"]))
    ... def swing(length, method): ...
    >>> [point["length"] for point in restrict(swing, "length<0.5 and method=='rk4'").space]
    [0.1, 0.2]
    """
    if not isinstance(only, str):
        raise DeclarationError(
            f"only={short(only)} is not text: write a condition, such as only='length < "
            "0.5'; for a function, use .where() of the space"
        )
    space = experiment.space
    constants = {n: t for n, t in experiment.constants.items() if n not in space.parameters}
    operands: dict[str, Operand] = {
        **{name: Value(comparable(table.element(0))) for name, table in constants.items()},
        **{name: Parameter(name) for name in space.parameters},
    }
    restriction = _Reader(only, operands, experiment).restriction()
    kept = dataclasses.replace(space, predicates=(*space.predicates, restriction))
    if not len(kept) and len(space):
        raise DeclarationError(
            f"{experiment.name!r} has no points with {only.strip()}: give a condition that some of "
            f"its {len(space):,} points meet"
        )
    return dataclasses.replace(experiment, space=kept)


class _Reader(Reader):
    """Reads a condition from left to right, one method for each rule of the grammar."""

    marks = r"==|!=|<=|>=|[<>(),=&|!]"
    bare = r"""[^\s,()'"=<>!&|\[\]{}]+"""

    def __init__(self, text: str, operands: Mapping[str, Operand], experiment: Experiment) -> None:
        super().__init__(text)
        self.operands = operands
        self.experiment = experiment
        self.names: dict[str, None] = {}

    def why_unreadable(self, character: str) -> str:
        return "write values in round brackets, x in (1, 2); quote text with other characters"

    def restriction(self) -> Restriction:
        condition = self._condition(0)
        end = self.next()
        if end.kind != "end":
            raise self._unexpected(end, "expected 'and', 'or' or the end")
        return Restriction(condition, tuple(self.names), self.text)

    def _unexpected(self, token: Token, expected: str) -> OverrideError:
        instead = None if token.kind == "quoted" else _INSTEAD.get(token.text)
        return self.fail(token, f"{expected}; {instead}" if instead else expected)

    def _skip_word(self, word: str) -> bool:
        is_there = self.peek().kind == "bare" and self.peek().text == word
        self.position += is_there
        return is_there

    def _condition(self, depth: int) -> Condition:
        return self._joined("or", TRUE, self._all, depth)

    def _all(self, depth: int) -> Condition:
        return self._joined("and", FALSE, self._part, depth)

    def _joined(
        self, word: str, decides: int, read: Callable[[int], Condition], depth: int
    ) -> Condition:
        parts = [read(depth)]
        while self._skip_word(word):
            parts.append(read(depth))
        return parts[0] if len(parts) == 1 else Joined(tuple(parts), decides)

    def _part(self, depth: int) -> Condition:
        start = self.peek()
        if depth == MAX_DEPTH:
            raise self.fail(start, f"a condition is nested more than {MAX_DEPTH} deep")
        if self._skip_word("not"):
            return Not(self._part(depth + 1))
        if not self.skip("("):
            return self._comparison()
        condition = self._condition(depth + 1)
        closing = self.next()
        if not closing.is_mark(")"):
            raise self._unexpected(closing, "expected 'and', 'or' or ')'")
        return condition

    def _comparison(self) -> Condition:
        start = self.peek()
        left = self._operand()
        found: list[Condition] = []
        while self.peek().kind == "mark" and self.peek().text in COMPARISONS:
            relation = self.next()
            right = self._operand()
            found.append(Comparison(left, relation.text, right, relation.column))
            left = right
        is_negated = not found and self.peek(1).text == "in" and self._skip_word("not")
        if not found and self._skip_word("in"):
            return self._membership(left, start, is_negated)
        if not found and not self._is_truth(left):
            raise self._unexpected(self.peek(), "expected a comparison: ==, !=, <, <=, >, >= or in")
        if not found:
            return Comparison(left, "==", Value(True), start.column)
        return found[0] if len(found) == 1 else Joined(tuple(found), FALSE)

    def _membership(self, left: Operand, start: Token, is_negated: bool) -> Condition:
        """Read values in brackets: equal to one of them, or to none."""
        opening = self.next()
        if not opening.is_mark("("):
            raise self._unexpected(opening, "expected values in brackets, such as (1, 2)")
        symbol = "!=" if is_negated else "=="
        parts: list[Condition] = []
        while not (parts and self.skip(")")):
            if parts and not self.skip(","):
                raise self._unexpected(self.next(), "expected ',' or ')'")
            if parts and self.skip(")"):
                break
            parts.append(Comparison(left, symbol, self._operand(), start.column))
        return Joined(tuple(parts), FALSE if is_negated else TRUE)

    def _operand(self) -> Operand:
        token = self.next()
        if token.kind == "quoted":
            return Value(unquote(token.text))
        name = identifier(token.text)
        if token.kind == "bare" and name in self.operands:
            operand = self.operands[name]
            if isinstance(operand, Parameter):
                self.names[name] = None
            return operand
        if token.kind == "bare" and tokens.is_value(token.text):
            try:
                return Value(comparable(tokens.value(token.text)))
            except ValueError as error:
                raise self.fail(token, str(error)) from None
        if token.kind == "bare" and name.isidentifier() and not keyword.iskeyword(name):
            unknown_name = unknown("parameter", name, self.operands, f"of {self.experiment.name}")
            raise self.fail(token, f"{unknown_name} If it is text, quote it.")
        raise self._unexpected(
            token, "expected a parameter, a number, true, false, none, a date or 'quoted text'"
        )

    def _is_truth(self, operand: Operand) -> bool:
        """Whether it is true or false by itself."""
        if isinstance(operand, Value):
            return isinstance(operand.value, bool)
        return self.experiment.space.columns[operand.name].table.kind == "bool"
