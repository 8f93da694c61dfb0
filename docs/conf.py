"""How the documentation site is built: ``sphinx-build -W -c docs . build/site``.

The source folder is the repository: a page is at its own path in the site, and links between
pages are the same there as in the repository.
"""

import os

from sweeps import __version__

project = "sweeps"
author = "the authors of sweeps"
version = release = __version__

root_doc = "docs/index"
include_patterns = ["*.md", "docs/**", "benchmarks/README.md"]
exclude_patterns = [".*", "build", "dist", "docs/inventories", "**/__pycache__", "**/README.txt"]
extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinx_click",
    "sphinx_copybutton",
    "sphinx_design",
]

# Pages: Markdown as GitHub shows it; directives stand between colons, which GitHub shows as text.
smartquotes = False  # which makes a dash of the two of an option
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# The reference, from docstrings. Annotations are not shown: "array_like" in a docstring says more.
autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False
napoleon_preprocess_types = True
napoleon_type_aliases = {
    "array_like": ":data:`array_like <numpy.typing.ArrayLike>`",
    "callable": ":class:`callable <collections.abc.Callable>`",
    "iterable": ":class:`iterable <collections.abc.Iterable>`",
    "mapping": ":class:`mapping <collections.abc.Mapping>`",
    "mappings": ":class:`mappings <collections.abc.Mapping>`",
    "Path": ":class:`~pathlib.Path`",
    "path": ":class:`path <os.PathLike>`",
    "paths": ":class:`paths <os.PathLike>`",
    "Space": ":class:`~sweeps.Space`",
    "sequence": ":class:`sequence <collections.abc.Sequence>`",
    **{
        name: f":class:`{name} <sweeps.{home}.{name}>`"
        for name, home in {
            "Report": "execution.options",
            "FailedPoint": "operations.failures",
            "PrintedPoint": "operations.failures",
            "Why": "operations.why",
            "Compared": "operations.diff",
            "Reported": "operations.report",
            "Exported": "exports.formats",
            "StoredFile": "memo.contents",
            "Benchmark": "analysis.speedup",
        }.items()
    },
    **{
        name: f":exc:`~sweeps.errors.{name}`"
        for name in ("DeclarationError", "OutputError", "StorageError", "UnknownNameError")
    },
}
nitpicky = True
# What the docstrings name in passing: words, and things that have no entry of their own.
_PLAIN = """
    labels objects frozen_distribution Values
    Running Since Change Acceptance Difference Variant Prediction
"""
nitpick_ignore = [("py:class", word.replace("_", " ")) for word in _PLAIN.split()]
nitpick_ignore += [("py:obj", "warnings")]  # an attribute; Python has a module of this name
default_role = "autolink"

# Links to the references of other projects. A build must not depend on a network, so what the
# pages name is listed in docs/inventories, and a test compares the lists with the libraries.
# With SWEEPS_DOCS_ONLINE=1 the whole inventories are fetched first.
_SITES = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "xarray": "https://docs.xarray.dev/en/stable/",
    "joblib": "https://joblib.readthedocs.io/en/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "matplotlib": "https://matplotlib.org/stable/",
    "pandas": "https://pandas.pydata.org/docs/",
}
_fetched = (None,) if os.environ.get("SWEEPS_DOCS_ONLINE") else ()
intersphinx_mapping = {
    name: (site, (*_fetched, f"docs/inventories/{name}.inv")) for name, site in _SITES.items()
}
intersphinx_timeout = 10

html_theme = "pydata_sphinx_theme"
html_title = "sweeps"
html_favicon = "_static/favicon.svg"
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_additional_pages = {"index": "to_front_page.html"}
templates_path = ["_templates"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": [],
    "footer_end": ["sphinx-version"],
}
