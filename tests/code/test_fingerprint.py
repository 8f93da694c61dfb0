"""What changes a fingerprint, and what does not."""
# ruff: noqa: E501  (an edit is a line)

import copy
import decimal
import functools
import importlib
import itertools
import linecache
import os
import subprocess
import sys
import textwrap
import threading
import types
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.code import fingerprint as code_fingerprint
from sweeps.code.fingerprint import Fingerprint
from sweeps.declaration.checks import keyed
from sweeps.errors import DeclarationError
from tests.sizes import few

unique = itertools.count()


def fingerprint(function, **options) -> Fingerprint:
    """As an experiment does it: what is in the keys is not in the fingerprint."""
    return code_fingerprint.fingerprint(function, keyed=keyed(function), **options)


MAIN = """
'''How a thing decays.'''
import math
import numpy as np
from functools import partial, singledispatch
from math import sin as wave
from dataclasses import dataclass, field
from sweeps import experiment, grid
from . import helpers
from . import tools as kit
from .deep.inner import shape
from .api import exported
from .starred import *
import PACKAGE.deep.other
from PACKAGE import lazy as _lazy_module

G = 9.81
UNRELATED = 1
LOW, HIGH = 1, 2
TABLE = {"a": 1}
TABLE["b"] = 2
TABLE.update(c=3)
for step in range(3):
    TABLE[step] = step
SHIFTED = 1.0
SHIFTED += 0.5
LIMIT: int = 3
FILLED = {}
REGISTRY = {}
LAMBDAS = {"double": lambda x: 2 * x}
HALF = partial(helpers.power, 0.5)
if G > 9:
    SIGN = 1
else:
    SIGN = -1
try:
    import missing_package as fast
except ImportError:
    fast = None

np.seterr(all="raise")


def fill():
    FILLED["x"] = 1


fill()


def register(function):
    REGISTRY[function.__name__] = function
    return function


@register
def plugged(x):
    return x + 1


@singledispatch
def dispatched(x):
    return 0


@dispatched.register
def _(x: int):
    return 10


class Base:
    weight = 5

    def method(self):
        return self.weight


@dataclass
class Model(Base):
    a: float = 1.0
    b: float = 2.0

    def value(self):
        return inside_method(self.a)


def inside_method(a):
    return a


def scaled(factor):
    def decorate(function):
        def wrapper(*args):
            return factor * function(*args)
        return wrapper
    return decorate


@scaled(2)
def decorated(x):
    return x


def default_of_helper(x, power=2):
    return x**power


def hook(x):
    return x


def unrelated(x):
    return x + 1


@experiment(grid(x=[1, 2]))
def pendulum(length, amplitude=0.5, *, g=9.81, h=hook):
    '''The docstring.'''
    from .late import arrived

    def nested(a):
        return a * nested_helper(a)

    total = G + LOW + TABLE["a"] + SHIFTED + LIMIT + SIGN  # a comment
    total += helpers.decay(length) + kit.twist(length) + shape(length)
    total += exported(length) + from_star(length) + PACKAGE.deep.other.reach(length)
    total += sum(in_comprehension(i) for i in range(3))
    total += Model().value() + decorated(length) + default_of_helper(length)
    total += LAMBDAS["double"](length) + HALF(2) + FILLED["x"] + wave(length)
    total += REGISTRY["plugged"](1) + dispatched(1)
    total += _lazy_module.attribute + arrived(1)
    total += nested(1) + math.pi + np.sum([1.0])
    return {"total": total}


def nested_helper(a):
    return a


def in_comprehension(i):
    return i
"""

FILES = {
    "__init__.py": "",
    "main.py": MAIN,
    "helpers.py": """
from .tools import twist

RATE = 0.1
NEVER = 1


def decay(t):
    return t * RATE + twist(t)


def power(a, b):
    return a**b


def never():
    return NEVER
""",
    "tools.py": "def twist(x):\n    return x + 1\n\n\ndef not_used(x):\n    return x\n",
    "deep/__init__.py": "",
    "deep/inner.py": "from ..tools import twist as turn\n\n\ndef shape(x):\n    return turn(x)\n",
    "deep/other.py": "def reach(x):\n    return x\n",
    "api/__init__.py": "from .private import exported\n",
    "api/private.py": "def exported(x):\n    return x\n",
    "starred.py": "def from_star(x):\n    return x\n\n\ndef not_from_star(x):\n    return x\n",
    "late.py": "def arrived(x):\n    return x\n",
    "lazy.py": "def __getattr__(name):\n    return 4\n",
}


class Project:
    """A package on disk that can be edited and imported anew."""

    def __init__(self, root: Path, files: dict[str, str]) -> None:
        self.root, self.package = root, f"project_{next(unique)}"
        self.folder = root / self.package
        for name, text in files.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("PACKAGE", self.package), encoding="utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        text = (self.folder / name).read_text(encoding="utf-8")
        old = old.replace("PACKAGE", self.package)
        assert text.count(old) >= 1, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new, 1))

    def module(self, name: str = "main") -> types.ModuleType:
        for loaded in [m for m in sys.modules if m.partition(".")[0] == self.package]:
            del sys.modules[loaded]
        importlib.invalidate_caches()
        return importlib.import_module(f"{self.package}.{name}")

    def fingerprint(self, function: str = "pendulum", **options: object) -> Fingerprint:
        return fingerprint(getattr(self.module(), function), **options)


def summarized(function):
    """Leave a function alone, but for its ``@function.summary``."""
    function.summary = lambda summary: summary
    return function


@pytest.fixture
def make_project(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    fake = types.ModuleType("sweeps")  # the decorators of the package, which leave a function alone
    fake.experiment = lambda *a, **k: summarized
    fake.grid = lambda **axes: axes
    fake.__path__ = sys.modules["sweeps"].__path__
    monkeypatch.setitem(sys.modules, "sweeps", fake)

    def make(files: dict[str, str] = FILES) -> Project:
        return Project(tmp_path, files)

    with np.errstate():  # one of the projects changes it
        yield make
    for loaded in [m for m in sys.modules if m.startswith("project_")]:
        del sys.modules[loaded]


@pytest.fixture
def project(make_project):
    return make_project()


MEANINGFUL = {
    "own body": ("main.py", '{"total": total}', '{"total": -total}'),
    "constant": ("main.py", "G = 9.81", "G = 9.82"),
    "type of a constant": ("main.py", "LOW, HIGH = 1", "LOW, HIGH = 1.0"),
    "bool for int": ("main.py", "LOW, HIGH = 1", "LOW, HIGH = True"),
    "tuple target": ("main.py", "LOW, HIGH = 1, 2", "LOW, HIGH = 3, 2"),
    "item of a table": ("main.py", 'TABLE["b"] = 2', 'TABLE["b"] = 3'),
    "update of a table": ("main.py", "c=3", "c=4"),
    "loop that fills a table": ("main.py", "TABLE[step] = step", "TABLE[step] = -step"),
    "augmented constant": ("main.py", "SHIFTED += 0.5", "SHIFTED += 0.6"),
    "annotated constant": ("main.py", "LIMIT: int = 3", "LIMIT: int = 4"),
    "branch that binds": ("main.py", "SIGN = -1", "SIGN = -2"),
    "condition of a branch": ("main.py", "if G > 9:", "if G > 10:"),
    "function called on import": ("main.py", 'FILLED["x"] = 1', 'FILLED["x"] = 2'),
    "call on import": ("main.py", "\nfill()\n", "\n"),
    "registered by a decorator": ("main.py", "return x + 1\n\n\n@singledispatch", "return x\n\n\n@singledispatch"),
    "dispatched": ("main.py", "return 10", "return 11"),
    "type dispatched on": ("main.py", "(x: int)", "(x: float)"),
    "lambda in a table": ("main.py", "lambda x: 2 * x", "lambda x: 3 * x"),
    "partial": ("main.py", "power, 0.5", "power, 0.6"),
    "through a partial": ("helpers.py", "a**b", "b**a"),
    "base class": ("main.py", "weight = 5", "weight = 6"),
    "field default": ("main.py", "a: float = 1.0", "a: float = 1.5"),
    "field order": ("main.py", "a: float = 1.0\n    b: float = 2.0", "b: float = 2.0\n    a: float = 1.0"),
    "reached by a method": ("main.py", "inside_method(a):\n    return a", "inside_method(a):\n    return -a"),
    "argument of a decorator": ("main.py", "@scaled(2)", "@scaled(3)"),
    "body of a decorator": ("main.py", "factor * function", "factor + function"),
    "helper's default": ("main.py", "power=2", "power=3"),
    "default that is a function": ("main.py", "hook(x):\n    return x", "hook(x):\n    return -x"),
    "reached by a nested function": ("main.py", "nested_helper(a):\n    return a", "nested_helper(a):\n    return -a"),
    "reached in a comprehension": ("main.py", "in_comprehension(i):\n    return i", "in_comprehension(i):\n    return -i"),
    "order of arguments": ("main.py", "length, amplitude=0.5", "amplitude, length=0.5"),
    "library function of the same alias": ("main.py", "from math import sin as wave", "from math import cos as wave"),
    "state of a library": ("main.py", 'np.seterr(all="raise")', 'np.seterr(all="ignore")'),
    "helper in a module": ("helpers.py", "t * RATE", "t + RATE"),
    "constant in a module": ("helpers.py", "RATE = 0.1", "RATE = 0.2"),
    "helper's helper": ("tools.py", "return x + 1", "return x + 2"),
    "alias of a project function": ("main.py", "from . import tools as kit", "from .api import private as kit"),
    "relative import": ("deep/inner.py", "turn(x)", "-turn(x)"),
    "dotted import": ("deep/other.py", "return x", "return -x"),
    "re-export": ("api/private.py", "return x", "return -x"),
    "star import": ("starred.py", "return x", "return -x"),
    "import inside a function": ("late.py", "return x", "return -x"),
    "module's __getattr__": ("lazy.py", "return 4", "return 5"),
}  # fmt: skip

COSMETIC = {
    "comment": ("main.py", "# a comment", "# another, longer comment"),
    "docstring": ("main.py", "'''The docstring.'''", "'''Another\n    docstring.'''"),
    "no docstring": ("main.py", "    '''The docstring.'''\n", ""),
    "module docstring": ("main.py", "'''How a thing decays.'''", ""),
    "blank lines": ("main.py", "\n    return {", "\n\n\n    return {"),
    "spaces": ("main.py", "G + LOW + TABLE", "G+LOW  +  TABLE"),
    "parentheses": ("main.py", "total += nested(1)", "total += (nested(1))"),
    "line break": ("main.py", "def nested(a):", "def nested(\n        a,\n    ):"),
    "quotes": ("main.py", '{"total"', "{'total'"),
    "string prefix": ("main.py", '{"total"', '{u"total"'),
    "number format": ("main.py", "G = 9.81", "G = 9.810"),
    "annotation of an argument": ("main.py", "pendulum(length,", "pendulum(length: float,"),
    "annotation of a result": ("main.py", "def hook(x):", "def hook(x) -> 'float':"),
    "annotation of a constant": ("main.py", "G = 9.81", "G: float = 9.81"),
    "annotation without a value": ("main.py", "    from .late", "    total: float\n    from .late"),
    "unrelated function": ("main.py", "return x + 1\n\n\n@experiment", "return x + 2\n\n\n@experiment"),
    "unrelated constant": ("main.py", "UNRELATED = 1", "UNRELATED = 2"),
    "unrelated import": ("main.py", "import math\n", "import math\nimport json\n"),
    "unrelated function of a helper": ("helpers.py", "return NEVER", "return -NEVER"),
    "unrelated constant of a helper": ("helpers.py", "NEVER = 1", "NEVER = 2"),
    "unrelated function of a star import": ("starred.py", "not_from_star(x):\n    return x", "not_from_star(x):\n    pass"),
    "order of definitions": ("main.py", "def hook(x):\n    return x\n\n\ndef unrelated(x):\n    return x + 1\n", "def unrelated(x):\n    return x + 1\n\n\ndef hook(x):\n    return x\n"),
    "the space": ("main.py", "grid(x=[1, 2])", "grid(x=[1, 2, 3])"),
    "default that is a parameter": ("main.py", "amplitude=0.5", "amplitude=0.6"),
    "keyword default that is a parameter": ("main.py", "g=9.81", "g=G"),
    "main block": ("main.py", "def in_comp", "if __name__ == '__main__':\n    G = 1\n\n\ndef in_comp"),
    "spelling of an import": ("main.py", "from .deep.inner import shape", "from PACKAGE.deep.inner import shape"),
    "harmless state": ("main.py", "G = 9.81", "G = 9.81\nimport logging\nlogging.captureWarnings(False)"),
    "pass": ("tools.py", "return x + 1", "pass\n    return x + 1"),
    "semicolons": ("tools.py", "    return x + 1", "    0; return x + 1"),
    "line ends": ("tools.py", "x + 1\n", "x + 1\r\n"),
    "coding line": ("tools.py", "def twist", "# -*- coding: latin-1 -*-\ndef twist"),
}  # fmt: skip


def digests(project, edits):
    """What each edit makes of it, by the name of the edit; each is undone before the next."""
    found = {}
    for kind, (name, old, new) in edits.items():
        source = (project.folder / name).read_text()
        project.edit(name, old, new)
        found[kind] = project.fingerprint().digest
        project.write(name, source)
    return found


def test_an_edit_of_what_is_reached_changes_it_and_undoing_restores_it(project):
    before = project.fingerprint()
    found = digests(project, MEANINGFUL)
    assert [kind for kind, digest in found.items() if digest == before.digest] == []
    assert project.fingerprint() == before


def test_a_cosmetic_edit_leaves_it(project):
    before = project.fingerprint().digest
    found = digests(project, COSMETIC)
    assert [kind for kind, digest in found.items() if digest != before] == []


def test_parts_name_what_was_reached(project):
    found = project.fingerprint(version=3)
    p = project.package
    assert {f"{p}.main:pendulum", f"{p}.helpers:decay", f"{p}.helpers:RATE", "version"} <= {
        *found.parts
    }
    assert not {f"{p}.main:unrelated", f"{p}.helpers:never"} & {*found.parts}
    assert found.sources[f"{p}.helpers:RATE"] == "RATE = 0.1"
    assert found.sources[f"{p}.tools:twist"] == "def twist(x):\n    return x + 1"
    assert f"{p}.api.private" in found.modules
    assert found.modules == tuple(sorted(found.modules))
    assert found.whole_modules == {}
    assert not [part for part in found.parts if part.startswith("unresolved")]
    assert len(found.digest) == 32
    assert int(found.digest, 16) >= 0


@pytest.mark.parametrize("default", ["Fraction(2)", "float('nan')", "2", "'two'"])
def test_defaults_count_unless_they_are_in_the_keys(make_project, default):
    text = "from fractions import Fraction\n\n\ndef f(x, y=Fraction(1)):\n    return x\n"
    project = make_project({"main.py": text})
    before = code_fingerprint.fingerprint(project.module().f, keyed=["x"])
    project.edit("main.py", "Fraction(1)", default)
    assert code_fingerprint.fingerprint(project.module().f, keyed=["x"]) != before
    if "Fraction" in default:
        assert keyed(project.module().f) == {"x"}


def test_it_is_the_same_in_another_process(project):
    code = f"""
        import sweeps
        sweeps.experiment = lambda *a, **k: lambda function: function
        sweeps.grid = lambda **axes: axes
        import {project.package}.main as main
        from sweeps.code.fingerprint import fingerprint
        from sweeps.declaration.checks import keyed
        print(fingerprint(main.pendulum, keyed=keyed(main.pendulum)).digest)
    """
    here = str(Path(importlib.import_module("sweeps.code.fingerprint").__file__).parents[1])
    environment = os.environ | {
        "PYTHONHASHSEED": "12345",
        "PYTHONPATH": os.pathsep.join([str(project.root), here]),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", textwrap.dedent(code)]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert result.stdout.strip() == project.fingerprint().digest


def test_it_does_not_import_anything(make_project):
    project = make_project({"main.py": "def f(x):\n    from . import late\n    return late.g(x)\n"})
    project.write("late.py", "def g(x):\n    return x\n")
    found = project.fingerprint("f")
    assert f"{project.package}.late:g" in found.parts
    assert f"{project.package}.late" not in sys.modules


def test_the_own_module_may_have_another_name(make_project):
    text = "G = 1\n\n\ndef f(x):\n    return G * x\n"
    one, two = make_project({"main.py": text}), make_project({"main.py": text})
    assert one.fingerprint("f").digest == two.fingerprint("f").digest


# (files, file to edit, old, new, whether it counts)
LAYOUTS = {
    "import that may fail": ({"main.py": "try:\n    from .fast import g\nexcept ImportError:\n    from .slow import g\n\n\ndef f(x):\n    return g(x)\n", "slow.py": "def g(x):\n    return x\n"}, "slow.py", "return x", "return -x", True),
    "import for annotations": ({"main.py": "from typing import TYPE_CHECKING\n\nif TYPE_CHECKING:\n    from .low import g\n\n\ndef f(x: 'g'):\n    return x\n", "low.py": "def g(x):\n    return x\n"}, "low.py", "return x", "return -x", False),
    "submodule named in __init__": ({"__init__.py": "from . import low\n", "main.py": "import PACKAGE\n\n\ndef f(x):\n    return PACKAGE.low.g(x)\n", "low.py": "def g(x):\n    return x\n"}, "low.py", "return x", "return -x", True),
    "its unrelated code": ({"__init__.py": "from . import low\n", "main.py": "import PACKAGE\n\n\ndef f(x):\n    return PACKAGE.low.g(x)\n", "low.py": "def g(x):\n    return x\n\n\ndef h(y):\n    return y\n"}, "low.py", "return y", "return -y", False),
    "star in __init__": ({"__init__.py": "from .low import *\n", "main.py": "import PACKAGE as p\n\n\ndef f(x):\n    return p.g(x)\n", "low.py": "def g(x):\n    return x\n"}, "low.py", "return x", "return -x", True),
    "circular imports": ({"main.py": "from .low import g\n\nA = 1\n\n\ndef f(x):\n    return g(x)\n", "low.py": "from . import main\n\n\ndef g(x):\n    return main.A\n"}, "main.py", "A = 1", "A = 2", True),
    "folder without __init__": ({"main.py": "from .names.low import g\n\n\ndef f(x):\n    return g(x)\n", "names/low.py": "def g(x):\n    return x\n"}, "names/low.py", "return x", "return -x", True),
    "set up on import": ({"main.py": "from . import precise\n\n\ndef f(x):\n    return x\n", "precise.py": "import decimal\n\ndecimal.DefaultContext.prec = 28\n"}, "precise.py", "28", "29", True),
    "patch from elsewhere": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.R['a'](x)\n", "reg.py": "R = {}\n", "plug.py": "from .reg import R\n\n\ndef a(x):\n    return x\n\n\nR['a'] = a\n"}, "plug.py", "return x", "return -x", True),
    "bound twice": ({"main.py": "X = 1\nX = 2\n\n\ndef f(x):\n    return X\n"}, "main.py", "X = 2", "X = 3", True),
    "ClassVar": ({"main.py": "from dataclasses import dataclass\nfrom typing import ClassVar\n\n\n@dataclass\nclass C:\n    a: ClassVar[int] = 1\n\n\ndef f(x):\n    return C()\n"}, "main.py", "ClassVar[int]", "int", True),
    "type of a field": ({"main.py": "from dataclasses import dataclass\n\n\n@dataclass\nclass C:\n    a: int = 1\n\n\ndef f(x):\n    return C()\n"}, "main.py", "a: int", "a: float", False),
    "name of a field": ({"main.py": "from dataclasses import dataclass\n\n\n@dataclass\nclass C:\n    a: int\n\n\ndef f(x):\n    return C(x)\n"}, "main.py", "a: int", "b: int", True),
    "cached function": ({"main.py": "import functools\n\nH = 3\n\n\n@functools.cache\ndef f(x, y=1):\n    return x * H\n"}, "main.py", "H = 3", "H = 4", True),
    "its default": ({"main.py": "import functools\n\n\n@functools.cache\ndef f(x, y=1):\n    return x\n"}, "main.py", "y=1", "y=2", False),
    "default of an unkeyable kind": ({"main.py": "G = 1\n\n\ndef f(x, z=[G]):\n    return x\n"}, "main.py", "G = 1", "G = 2", True),
    "local class of a closure": ({"main.py": "def make(k):\n    class C:\n        z = 5\n\n        def m(self):\n            return k\n\n    return lambda x: C().m()\n\n\nf = make(3)\n"}, "main.py", "z = 5", "z = 6", True),
    "what a local class encloses": ({"main.py": "def make(k):\n    class C:\n        def m(self):\n            return k\n\n    return lambda x: C().m()\n\n\nf = make(3)\n"}, "main.py", "make(3)", "make(4)", True),
    "random generator of a closure": ({"main.py": "import numpy as np\n\n\ndef make(rng):\n    return lambda x: rng.normal()\n\n\nf = make(np.random.default_rng(3))\n"}, "main.py", "rng(3)", "rng(4)", True),
}  # fmt: skip


@pytest.mark.parametrize(
    ("files", "name", "old", "new", "counts"), LAYOUTS.values(), ids=LAYOUTS.keys()
)
def test_layouts_of_projects(make_project, monkeypatch, files, name, old, new, counts):
    monkeypatch.setattr(decimal.DefaultContext, "prec", 28)  # one of them changes it
    project = make_project({"__init__.py": "", **files} if "names/low.py" not in files else files)
    before = project.fingerprint("f")
    project.edit(name, old, new)
    assert (project.fingerprint("f").digest != before.digest) == counts


# ---- dynamic reach takes the whole module


@pytest.mark.parametrize(
    "body",
    [
        "return globals()['hidden'](x)",
        "return eval('hidden(x)')",
        "return vars()['hidden']",
        "import importlib\n    return importlib.import_module(__name__).hidden(x)",
        "from importlib import import_module as load\n    return load(__name__).hidden(x)",
        "import sys\n    return sys.modules[__name__].hidden(x)",
    ],
)
def test_dynamic_code_takes_its_whole_module(make_project, body):
    text = f"def hidden(x):\n    return deeper(x)\n\n\nfrom .low import deeper\n\n\ndef f(x):\n    {body}\n"
    project = make_project({"main.py": text, "low.py": "def deeper(x):\n    return x\n"})
    before = project.fingerprint("f")
    assert f"{project.package}.main" in before.whole_modules
    project.edit("main.py", "return deeper(x)", "return -deeper(x)")
    after = project.fingerprint("f")
    project.edit("low.py", "return x", "return -x")
    assert len({before.digest, after.digest, project.fingerprint("f").digest}) == 3


@pytest.mark.parametrize(
    ("importing", "use"),
    [
        ("from . import low", "getattr(low, 'hid' + 'den')(x)"),
        ("import PACKAGE.low as deep", "apply(deep, x)"),
        ("import PACKAGE.low", "getattr(PACKAGE.low, 'hidden')(x)"),
        ("import PACKAGE.low", "getattr(PACKAGE, 'low').hidden(x)"),
        ("import importlib", "importlib.import_module('PACKAGE.low').hidden(x)"),
        ("import importlib", "importlib.import_module('.low', __package__).hidden(x)"),
    ],
)
def test_a_module_used_as_a_value_is_taken_whole(make_project, importing, use):
    text = f"{importing}\n\n\ndef apply(m, x):\n    return m.hidden(x)\n\n\ndef f(x):\n    return {use}\n"
    project = make_project({"__init__.py": "", "main.py": text})
    project.write("low.py", "def hidden(x):\n    return x\n")
    before = project.fingerprint("f")
    assert f"{project.package}.low" in before.whole_modules
    project.edit("low.py", "return x", "return -x")
    assert project.fingerprint("f").digest != before.digest


@pytest.mark.parametrize("use", ["getattr(x, 'real')", "vars(x)", "x.eval", "np.linalg"])
def test_ordinary_dynamics_take_no_module(make_project, use):
    project = make_project({"main.py": f"import numpy as np\n\n\ndef f(x):\n    return {use}\n"})
    assert project.fingerprint("f").whole_modules == {}


# ---- scopes


@pytest.mark.parametrize(
    "body",
    [
        "def f(name):\n    return name",
        "def f(x):\n    name = x\n    return name",
        "def f(x):\n    return [name for name in x]",
        "def f(x):\n    return {name: v for name, v in x}",
        "def f(x):\n    return (lambda name: name)(x)",
        "def f(x):\n    for name in x:\n        pass\n    return name",
        "def f(x):\n    with x as name:\n        return name",
        "def f(x):\n    try:\n        pass\n    except ValueError as name:\n        return name",
        "def f(x):\n    if (name := x):\n        return name",
        "def f(x):\n    import math as name\n    return name",
        "def f(x):\n    match x:\n        case [name, *_]:\n            return name",
        "def f(x):\n    def name():\n        return 1\n    return name()",
        "def f(x):\n    name = 1\n    def g():\n        return name\n    return g",
        "def f(x):\n    name = 1\n    def g():\n        nonlocal name\n        name = 2\n    return g",
        "def f(x):\n    class A:\n        name = 1\n        other = name\n    return A",
        "def f(x):\n    return x.name",
        "def f(x):\n    return dict(name=x)",
        "def f(x: 'name') -> 'name':\n    return x",
    ],
)
def test_a_local_name_hides_the_global(make_project, body):
    project = make_project({"main.py": f"name = 1\n\n\n{body}\n"})
    before = project.fingerprint("f")
    project.edit("main.py", "name = 1\n\n\n", "name = 2\n\n\n")
    assert project.fingerprint("f").digest == before.digest


@pytest.mark.parametrize(
    "body",
    [
        "def f(x):\n    return [name for x in x]",
        "def f(x):\n    return [name for name in name]",
        "def f(x, y=[name]):\n    return x",
        "def f(x):\n    global name\n    name += 1\n    return name",
        "def f(x):\n    class A:\n        name = name\n    return A",
        "def f(x):\n    class A:\n        name = 7\n        def g(self):\n            return name\n    return A",
        "def f(x):\n    return f'{name:{x}}'",
        "def f(x):\n    def g(name=name):\n        return name\n    return g",
        "def f(x):\n    class A(metaclass=name):\n        pass\n    return A",
        "def f(x):\n    match x:\n        case name.real:\n            return 1",
        "def f(x):\n    name.real.y = 3",
        "async def f(x):\n    async with name as y:\n        return y",
    ],
)
def test_a_global_name_is_seen(make_project, body):
    project = make_project({"main.py": f"name = 1\n\n\n{body}\n"})
    before = project.fingerprint("f")
    project.edit("main.py", "name = 1", "name = 2")
    assert project.fingerprint("f").digest != before.digest


# ---- what a function carries


FACTORY = """
import functools
import threading


def make(value):
    def inner(x, scale=value):
        return x, value

    return inner


def by_name(function):
    return lambda x: function(x)


def plus(x):
    return x + 1


def minus(x):
    return x - 1


class Model:
    def __init__(self, rate):
        self.rate = rate

    def run(self, x):
        return x * self.rate

    def __call__(self, x):
        return self.run(x)


def timed(function):
    @functools.wraps(function)
    def wrapper(*args, **kwargs):
        return function(*args, **kwargs)

    return wrapper


@timed
def wrapped(x, g=1.0):
    return plus(x)


first, second = (lambda x: x + 1), (lambda x: x + 2)
"""


@pytest.fixture
def factory(make_project):
    return make_project({"main.py": FACTORY})


VALUES = [
    1, 1.0, True, "1", b"1", None, 1j, (1,), [1], {1}, frozenset({1}), {"a": 1}, {"a": 2}, ..., range(3),
    slice(1), np.float32(1), np.float64(1), np.arange(3), np.arange(3.0), np.arange(4).reshape(2, 2),
    np.arange(4), np.dtype("f4"), np.sin, np.cos, len, max, Path("a"), threading.Thread, np, os,
]  # fmt: skip


@pytest.mark.parametrize("carried", ["closure", "partial", "instance", "method"])
def test_values_that_differ_make_other_functions(factory, carried):
    module = factory.module()
    make = {
        "closure": module.make,
        "partial": lambda value: functools.partial(module.plus, value),
        "instance": module.Model,
        "method": lambda value: module.Model(value).run,
    }[carried]
    digests = [fingerprint(make(value)).digest for value in VALUES]
    assert len(set(digests)) == len(VALUES)
    assert [fingerprint(make(value)).digest for value in VALUES] == digests


plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
nested = st.recursive(
    plain, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner)
)


@few(10)
@given(value=nested)
def test_equal_values_make_equal_functions(value):
    def make(content):
        return lambda x: (x, content)

    assert fingerprint(make(value)).digest == fingerprint(make(copy.deepcopy(value))).digest


@few(10)
@given(items=st.lists(st.text() | st.integers(), unique=True))
def test_the_order_of_sets_and_dictionaries_does_not_count(items):
    def make(a, b):
        return lambda x: (x, a, b)

    back_to_front = items[::-1]
    forth = fingerprint(make(set(items), dict.fromkeys(items)))
    back = fingerprint(make(set(back_to_front), dict.fromkeys(back_to_front)))
    assert forth.digest == back.digest


def test_a_function_carried_counts_with_all_that_it_reaches(factory):
    def digest(name):
        module = factory.module()
        return fingerprint(module.by_name(getattr(module, name))).digest

    before = digest("plus")
    assert digest("minus") != before
    factory.edit("main.py", "return x - 1", "return x - 2")
    assert digest("plus") == before
    factory.edit("main.py", "return x + 1", "return x + 2")
    assert digest("plus") != before


@pytest.mark.parametrize(
    "edit", [("x * self.rate", "x + self.rate"), ("return self.run(x)", "return 0")]
)
def test_a_callable_object_counts_with_its_class(factory, edit):
    before = fingerprint(factory.module().Model(2)).digest
    factory.edit("main.py", *edit)
    assert fingerprint(factory.module().Model(2)).digest != before


@pytest.mark.parametrize(
    "edit", [("return x + 1", "return x + 2"), ("*args, **kwargs)\n\n", "*args)\n\n")]
)
def test_a_wrapped_function_counts_with_its_wrapper(factory, edit):
    before = fingerprint(factory.module().wrapped).digest
    factory.edit("main.py", "g=1.0", "g=2.0")
    assert fingerprint(factory.module().wrapped).digest == before
    factory.edit("main.py", *edit)
    assert fingerprint(factory.module().wrapped).digest != before


def test_lambdas_of_one_line_are_told_apart(factory):
    before = [fingerprint(getattr(factory.module(), name)).digest for name in ("first", "second")]
    factory.edit("main.py", "x + 2)", "x + 3)")
    after = [fingerprint(getattr(factory.module(), name)).digest for name in ("first", "second")]
    assert before[0] != before[1]
    assert after[0] == before[0]
    assert after[1] != before[1]


def test_a_lock_has_no_fingerprint(factory):
    with pytest.raises(DeclarationError, match=r"'value'.*_thread.lock.*top level of a module"):
        fingerprint(factory.module().make(threading.Lock()))


def test_a_recursive_function_counts_with_its_defaults(make_project):
    text = "def f(n, g=1):\n    return g if n < 1 else f(n - 1)\n"
    project = make_project({"main.py": text})
    before = project.fingerprint("f")
    project.edit("main.py", "g=1", "g=2")
    assert project.fingerprint("f").digest != before.digest


def test_a_called_experiment_counts_without_its_space(make_project):
    text = (
        "from .other import inner\nfrom sweeps import experiment, grid\n\n\n"
        "@experiment(grid(x=[1]))\ndef f(x):\n    return inner(x)\n"
    )
    other = (
        "import sweeps\n\n\n@sweeps.experiment(sweeps.grid(y=[1]))\n"
        "def inner(y, power=2):\n    return y**power\n"
    )
    project = make_project({"main.py": text, "other.py": other})
    before = project.fingerprint("f")
    project.edit("other.py", "y=[1]", "y=[2]")
    assert project.fingerprint("f").digest == before.digest
    project.edit("other.py", "power=2", "power=3")
    assert project.fingerprint("f").digest != before.digest


SUMMARIZED = """
import numpy as np
import sweeps
from sweeps import experiment, grid

FACTOR = 2


@experiment(grid(x=[1, 2]))
def pendulum(x):
    return x


def helper(x):
    return pendulum(x)


@sweeps.experiment(grid(x=[1, 2]))
def double(x):
    return helper(x)
"""

SUMMARIES = {
    "decorator": "@pendulum.summary\ndef reduced(results):\n    return results * FACTOR\n",
    "call": "pendulum.summary(lambda results: results * FACTOR)\n",
    "library function": "pendulum.summary(np.mean)\n",
    "by the name of the package": "@double.summary\ndef reduced(results):\n    return results\n",
    "under a condition": "if FACTOR:\n    @pendulum.summary\n    def reduced(results):\n        pass\n",
}  # fmt: skip


@pytest.mark.parametrize("summary", SUMMARIES.values(), ids=SUMMARIES.keys())
def test_a_summary_is_no_part_of_the_experiment_or_of_what_calls_it(make_project, summary):
    project = make_project({"main.py": SUMMARIZED})
    before = [project.fingerprint(name).digest for name in ("pendulum", "double")]
    project.write("main.py", SUMMARIZED + summary)
    assert [project.fingerprint(name).digest for name in ("pendulum", "double")] == before


def test_a_summary_counts_with_what_it_reaches_and_without_the_experiment(make_project):
    project = make_project({"main.py": SUMMARIZED + SUMMARIES["decorator"]})
    before = project.fingerprint("reduced")
    assert [part.partition(":")[2] for part in before.parts] == ["FACTOR", "reduced"]
    project.edit("main.py", "def pendulum(x):\n    return x", "def pendulum(x):\n    return -x")
    assert project.fingerprint("reduced").digest == before.digest
    project.edit("main.py", "FACTOR = 2", "FACTOR = 3")
    assert project.fingerprint("reduced").digest != before.digest


@pytest.mark.parametrize("change", ["TABLE.summary(len)", "@TABLE.summary\ndef f(): pass"])
def test_what_is_no_experiment_may_change_by_its_summary(make_project, change):
    start = (
        "class Table(dict):\n    def summary(self, f): self[f.__name__] = f\n\n\n"
        "TABLE = Table()\n\n\ndef own(x):\n    return TABLE\n\n\n"
    )
    project = make_project({"main.py": start})
    before = project.fingerprint("own").digest
    project.write("main.py", f"{start}{change}\n")
    assert project.fingerprint("own").digest != before


# ---- no file


def cell(source: str, namespace: dict) -> None:
    """Run a cell as a notebook does."""
    name = f"<cell-{next(unique)}>"
    lines = textwrap.dedent(source).splitlines(keepends=True)
    linecache.cache[name] = (len(source), None, lines, name)
    exec(compile("".join(lines), name, "exec"), namespace)


def notebook(**changes: str) -> Fingerprint:
    namespace = {"__name__": "__main__"}
    code = {
        "constant": "G = 9.81; OTHER = 3",
        "helper": "def helper(x):\n    '''Doc.'''\n    return G * x",
        "class": "class Model:\n    rate = 2\n    def run(self, x):\n        return x * self.rate",
        "function": "import math\ndef f(x, g=1.0):\n    return helper(x) + Model().run(x) + math.pi",
    } | changes
    for source in code.values():
        cell(source, namespace)
    return fingerprint(namespace["f"])


@pytest.mark.parametrize(
    "change",
    [
        {"constant": "G = 9.82; OTHER = 3"},
        {"helper": "def helper(x):\n    return G + x"},
        {
            "class": "class Model:\n    rate = 3\n    def run(self, x):\n        return x * self.rate"
        },
        {
            "class": "class Model:\n    rate = 2\n    def run(self, x):\n        return x + self.rate"
        },
        {"function": "import math\ndef f(x, g=1.0):\n    return helper(x)"},
    ],
)
def test_a_cell_of_a_notebook_counts(change):
    assert notebook(**change).digest != notebook().digest


@pytest.mark.parametrize(
    "change",
    [
        {"constant": "G = 9.81; OTHER = 4"},
        {"helper": "# comment\ndef helper(x: float):\n    return G*x"},
        {
            "function": "import math\n\ndef f(x, g=2.0):\n    return helper(x) + Model().run(x) + math.pi"
        },
        {"more": "def unrelated(): pass"},
    ],
)
def test_cosmetics_of_a_notebook_do_not_count(change):
    assert notebook(**change).digest == notebook().digest


def test_without_any_source_the_compiled_code_counts():
    def digest(source):
        namespace = {"G": 1}
        exec(source, namespace)
        return fingerprint(namespace["f"]).digest

    assert digest("def f(x): return G * x") == digest("\n\ndef f(x):\n    return G*x")
    assert digest("def f(x): return G * x") != digest("def f(x): return G + x")
    assert digest("def f(x): return G * x") != digest("G = 2\ndef f(x): return G * x")


def test_a_name_made_by_exec_counts_by_its_value(make_project):
    project = make_project({"main.py": "exec('G = 1')\n\n\ndef f(x):\n    return G * x\n"})
    before = project.fingerprint("f")
    assert not [part for part in before.parts if part.startswith("unresolved")]
    project.edit("main.py", "G = 1", "G = 2")
    assert project.fingerprint("f").digest != before.digest


def test_a_name_that_is_nowhere_is_noted(make_project):
    project = make_project({"main.py": "def f(x):\n    return nowhere(x)\n"})
    assert "unresolved:nowhere" in project.fingerprint("f").parts


@pytest.mark.parametrize("function", [len, np.sin, np.linalg.norm, os.path.join, Fingerprint])
def test_installed_functions_count_by_name(function):
    assert fingerprint(function) == fingerprint(function)
    assert fingerprint(function).modules == ()


# ---- version and data


@pytest.mark.parametrize(("one", "two"), [(None, 1), (1, 2), (1, "1")])
def test_the_version_counts(one, two):
    assert fingerprint(len, version=one).digest != fingerprint(len, version=two).digest


def test_data_counts_by_content(project):
    def digest():
        return project.fingerprint(depends_on=["table.csv", Path("data")]).digest

    project.write("table.csv", "1,2\n")
    project.write("data/a.txt", "a")
    found = {digest()}
    for name, text in [("table.csv", "1,3\n"), ("data/a.txt", "b"), ("data/deep/c.txt", "")]:
        project.write(name, text)
        found.add(digest())
    (project.folder / "data/a.txt").rename(project.folder / "data/b.txt")
    assert len({*found, digest()}) == 5
    project.write("untouched.csv", "1")
    assert digest() == digest()


def test_missing_data_is_named(project):
    with pytest.raises(DeclarationError, match=r"depends_on.*nothing\.csv.*relative to"):
        project.fingerprint(depends_on=["nothing.csv"])


# ---- size


def test_many_modules_and_long_chains(make_project):
    n_modules, n_functions = 20, 60
    files = {"main.py": "from .m0 import f0\n\n\ndef f(x):\n    return f0(x)\n"}
    for i in range(n_modules):
        lines = (
            [f"from .m{i + 1} import f0 as following"] if i + 1 < n_modules else ["following = abs"]
        )
        for j in range(n_functions):
            callee = f"f{j + 1}" if j + 1 < n_functions else "following"
            lines.append(f"def f{j}(x):\n    return {callee}(x) + {j}")
        files[f"m{i}.py"] = "\n".join(lines) + "\n"
    project = make_project(files)
    before = project.fingerprint("f")
    assert len(before.parts) == 2 + n_modules * (n_functions + 1)
    project.edit(f"m{n_modules - 1}.py", "following = abs", "following = int")
    assert project.fingerprint("f").digest != before.digest
