"""The canonical text of a value -> the text that people write: ``int:7d0`` becomes 2000."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

_QUOTED = r"""'(?:\\.|[^'\\])*'|"(?:\\.|[^"\\])*\""""

_TOKEN = re.compile(
    rf"""
    \bstr:(?P<text>{_QUOTED})
    | \bint:(?P<int>-?[0-9a-f]+)
    | \b\w+:\[\('',\ '[<>|=](?P<dtype>\w+)'\)\]:(?P<shape>\([^)]*\)):(?P<content>[0-9a-f]{{128}})
    | \b(?P<tag>bool|float|complex|bytes|NoneType|ellipsis|range|slice):
    | \b(?P<module>datetime|decimal|fractions|pathlib|uuid|zoneinfo):
    | (?P<open>\b(?:tuple|list|set|frozenset|dict)[\[{{])
    | (?P<close>[\]}}])
    | (?P<comma>,(?![ ]))
    | (?P<own>\ ?:<own>)
    | (?P<hash>\ [0-9a-f]{{32}}\b)
    | (?P<other>{_QUOTED}|.)
    """,
    re.VERBOSE | re.DOTALL,
)

_BRACKETS = {"tuple[": ("(", ")"), "list[": ("[", "]")} | dict.fromkeys(
    ["set{", "frozenset{", "dict{"], ("{", "}")
)

_NEW = "copyreg.__newobj__ ()"

_Items = list[tuple[str, str]]
"""The items of a collection: the name of each, empty if it has none, and its text."""


def spoken(text: str) -> str:
    """Write the canonical text of a value as people do; what is not understood stays as it is.

    Examples
    --------
    >>> spoken("dict{str:'n'=int:7d0,str:'b'=tuple[float:2.5,NoneType:None,],}")
    "{'n': 2000, 'b': (2.5, None)}"
    >>> spoken("function :<own> 9777ee69ae83478c3ee57468da043989 (k=int:-a)")
    'function (k=-10)'
    """
    try:
        (_, said), *more = _items(_TOKEN.finditer(text), "")
    except (ValueError, RecursionError):
        return text
    return said if not more else text


def _items(tokens: Iterator[re.Match[str]], inside: str) -> _Items:
    """Read the items of a collection up to its end."""
    found: _Items = []
    name = said = ""
    for token in tokens:
        kind, part = token.lastgroup, token.group()
        if kind == "close" and inside:
            return found
        if kind == "comma" and inside:
            found.append((name, said))
            name = said = ""
        elif kind == "other" and part == "=" and inside == "dict{":
            name, said = said, ""
        elif kind == "open":
            said = _collection(said, part, _items(tokens, part))
        else:
            said += _word(kind, token.groupdict())
    if inside:
        raise ValueError("it does not end")
    return [(name, said)]


def _word(kind: str | None, groups: Mapping[str, str]) -> str:
    match kind:
        case "text" | "other":
            return groups[kind]
        case "int":
            return str(int(groups["int"], 16))
        case "content":  # of an array
            of = f"array of {groups['dtype']}"
            shape = "" if groups["shape"] == "()" else f", shape {groups['shape']}"
            return f"<{of}{shape}, content {groups['content'][:8]}>"
        case "comma" | "close":
            return "," if kind == "comma" else groups["close"]
    return ""  # tags and digests mean nothing to a reader


def _collection(before: str, kind: str, items: _Items) -> str:
    opening, closing = _BRACKETS[kind]
    texts = [f"{name}: {said}" if kind == "dict{" else said for name, said in items]
    if kind == "tuple[" and len(items) == 5 and texts[0] == _NEW and before:
        return _object(before.strip(), *texts[2:])
    comma = "," if kind == "tuple[" and len(texts) == 1 else ""
    return f"{before}{opening}{', '.join(texts)}{comma}{closing}"


def _object(kind: str, state: str, *contents: str) -> str:
    """Write an object with its attributes, like the repr of a dataclass."""
    fields = re.sub(r"(^|, )'(\w+)': ", r"\1\2=", state[1:-1]) if state[:1] == "{" else state
    given = [own for own in (fields, *contents) if own != "None"]
    return f"{kind}({', '.join(given)})"
