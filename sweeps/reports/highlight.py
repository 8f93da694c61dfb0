"""Python code in colour, as HTML: a few classes, and all text escaped."""

from __future__ import annotations

from markupsafe import Markup, escape
from pygments import token
from pygments.lexers import DiffLexer, PythonLexer, PythonTracebackLexer

from sweeps.text import printable

_LEXERS = {"python": PythonLexer, "diff": DiffLexer, "traceback": PythonTracebackLexer}

_CLASSES = (
    (token.Comment, "c"),
    (token.String.Doc, "c"),
    (token.String, "s"),
    (token.Generic.Inserted, "s"),
    (token.Generic.Deleted, "d"),
    (token.Keyword, "k"),
    (token.Number, "n"),
    (token.Name.Function, "f"),
    (token.Name.Class, "f"),
    (token.Name.Decorator, "f"),
)


def highlight(text: str, language: str) -> Markup:
    """Mark comments, texts, keywords, numbers and names that are defined.

    Examples
    --------
    >>> print(highlight("return 'a<b'", "python"))
    <span class="k">return</span> <span class="s">&#39;a&lt;b&#39;</span>
    """
    lexer = _LEXERS[language](stripnl=False, ensurenl=False)
    pieces: list[tuple[str, str]] = []
    for kind, part in lexer.get_tokens(printable(text)):
        own = next((name for parent, name in _CLASSES if kind in parent), "")
        if pieces and pieces[-1][0] == own:
            pieces[-1] = own, pieces[-1][1] + part
        else:
            pieces.append((own, part))
    return Markup("").join(
        Markup('<span class="{}">{}</span>').format(own, part) if own else escape(part)
        for own, part in pieces
    )
