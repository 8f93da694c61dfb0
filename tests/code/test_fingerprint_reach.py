"""Edits far away that change what a function gives, and the name of the function, which does not."""
# ruff: noqa: E501  (an edit is a line)

import copy
import pickle
import subprocess
import sys
import types
from pathlib import Path

import pytest

from sweeps.code import fingerprint
from tests.code.test_fingerprint import cell, make_project  # noqa: F401  (a fixture)

REG = "REGISTRY = {}\n\n\ndef register(name):\n    def keep(f):\n        REGISTRY[name] = f\n        return f\n    return keep\n"
READ = "from . import plug, reg\n\n\ndef f(x):\n    return reg.REGISTRY['a'](x)\n"

# (files, file to edit, old, new): the function reads `reg`, what is edited stands in `plug`.
ELSEWHERE = {
    "registered by a decorator": ({"main.py": READ, "reg.py": REG, "plug.py": "from .reg import register\n\n\n@register('a')\ndef a(x):\n    return x\n"}, "return x", "return -x"),
    "through the module": ({"main.py": READ, "reg.py": REG, "plug.py": "from . import reg\n\n\n@reg.register('a')\ndef a(x):\n    return x\n"}, "return x", "return -x"),
    "by a call": ({"main.py": READ, "reg.py": REG, "plug.py": "from .reg import register\n\n\ndef a(x):\n    return x\n\n\nregister('a')(a)\n"}, "return x", "return -x"),
    "by an own function": ({"main.py": READ, "reg.py": REG, "plug.py": "from . import reg\n\n\ndef a(x):\n    return x\n\n\ndef install():\n    table = reg.REGISTRY\n    table['a'] = a\n\n\ninstall()\n"}, "return x", "return -x"),
    "by a function that gets the table": ({"main.py": READ, "reg.py": REG + "\n\ndef put(table, f):\n    table['a'] = f\n", "plug.py": "from .reg import REGISTRY, put\n\n\ndef a(x):\n    return x\n\n\ndone = put(REGISTRY, a)\n"}, "return x", "return -x"),
    "by another name of the table": ({"main.py": READ, "reg.py": REG, "plug.py": "from . import reg\n\nmine = reg.REGISTRY\nmine['a'] = lambda x: x\n"}, "lambda x: x", "lambda x: -x"),
    "by a loop": ({"main.py": READ, "reg.py": REG, "plug.py": "from . import reg\n\nfor table in (reg.REGISTRY,):\n    table.update(a=lambda x: x)\n"}, "lambda x: x", "lambda x: -x"),
    "what a function gives": ({"main.py": READ, "reg.py": REG + "\n\ndef table():\n    return REGISTRY\n", "plug.py": "from .reg import table\n\ntable()['a'] = lambda x: x\n"}, "lambda x: x", "lambda x: -x"),
    "taken out within an expression": ({"main.py": READ, "reg.py": "REGISTRY = {'a': abs, 'b': abs}\n", "plug.py": "from .reg import REGISTRY\n\n_old = REGISTRY.pop('b')\n"}, "'b'", "'a'"),
    "patched function": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.g(x)\n", "reg.py": "def g(x):\n    return x\n", "plug.py": "from . import reg\n\n\ndef better(x):\n    return x\n\n\nreg.g = better\n"}, "return x", "return -x"),
    "patched by setattr": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.g(x)\n", "reg.py": "def g(x):\n    return x\n", "plug.py": "from . import reg\n\nsetattr(reg, 'g', lambda x: x)\n"}, "lambda x: x", "lambda x: -x"),
    "attribute of a class": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.C.rate\n", "reg.py": "class C:\n    rate = 1\n", "plug.py": "from .reg import C\n\nC.rate = 2\n"}, "= 2", "= 3"),
    "method of an object": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.o.rate\n", "reg.py": "class C:\n    def set(self, rate):\n        self.rate = rate\n\n\no = C()\n", "plug.py": "from .reg import o\n\no.set(2)\n"}, "set(2)", "set(3)"),
    "global that a function sets": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.RATE\n", "reg.py": "RATE = 1\n\n\ndef set_rate(rate):\n    global RATE\n    RATE = rate\n", "plug.py": "from .reg import set_rate\n\nset_rate(2)\n"}, "set_rate(2)", "set_rate(3)"),
    "__init_subclass__": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.Base.known[0].rate\n", "reg.py": "class Base:\n    known = []\n\n    def __init_subclass__(cls):\n        cls.known.append(cls)\n", "plug.py": "from .reg import Base\n\n\nclass A(Base):\n    rate = 2\n"}, "= 2", "= 3"),
    "a class made by a call": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.Base.known[0].rate\n", "reg.py": "class Base:\n    known = []\n\n    def __init_subclass__(cls):\n        cls.known.append(cls)\n", "plug.py": "from .reg import Base\n\nA = type('A', (Base,), {'rate': 2})\n"}, "2}", "3}"),
    "an object that is made": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.Thing.known[0]\n", "reg.py": "class Thing:\n    known = []\n\n    def __init__(self, size):\n        Thing.known.append(size)\n", "plug.py": "from .reg import Thing\n\nmade = Thing(2)\n"}, "2", "3"),
    "starred, then filled": ({"main.py": READ, "reg.py": REG, "plug.py": "from .reg import *\n\nREGISTRY['a'] = lambda x: x\n"}, "lambda x: x", "lambda x: -x"),
    "deleted": ({"main.py": READ, "reg.py": "REGISTRY = {'a': abs, 'b': abs}\n", "plug.py": "from . import reg\n\ndel reg.REGISTRY['b']\n"}, "'b'", "'a'"),
    "decorated in a class": ({"main.py": READ, "reg.py": REG, "plug.py": "from .reg import register\n\n\nclass A:\n    @register('a')\n    def a(x):\n        return x\n"}, "return x", "return -x"),
    "added to": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.RATE\n", "reg.py": "RATE = 1\n", "plug.py": "from . import reg\n\nreg.RATE += 2\n"}, "2", "3"),
    "by the package's own __init__": ({"__init__.py": "from . import plug\n", "main.py": "from . import reg\n\n\ndef f(x):\n    return reg.REGISTRY['a'](x)\n", "reg.py": REG, "plug.py": "from .reg import register\n\n\n@register('a')\ndef a(x):\n    return x\n"}, "return x", "return -x"),
    "by a module's __dict__": ({"main.py": "from . import plug\n\n\ndef f(x):\n    return plug.__dict__['g'](x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "by an object of a library": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.queue.get()\n", "reg.py": "from queue import Queue\n\nqueue = Queue()\n", "plug.py": "from .reg import queue\n\nqueue.put(1)\n"}, "1", "2"),
    "metaclass": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.KNOWN[-1].rate\n", "reg.py": "KNOWN = []\n\n\nclass Meta(type):\n    def __init__(cls, *args):\n        KNOWN.append(cls)\n\n\nclass Base(metaclass=Meta):\n    rate = 0\n", "plug.py": "from .reg import Base\n\n\nclass A(Base):\n    rate = 2\n"}, "= 2", "= 3"),
    "__subclasses__": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.Base.__subclasses__()[0].rate\n", "reg.py": "class Base:\n    pass\n", "plug.py": "from .reg import Base\n\n\nclass A(Base):\n    rate = 2\n"}, "= 2", "= 3"),
    "singledispatch": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.g(x)\n", "reg.py": "import functools\n\n\n@functools.singledispatch\ndef g(x):\n    return x\n", "plug.py": "from .reg import g\n\n\n@g.register(int)\ndef _(x):\n    return x\n"}, "return x", "return -x"),
    "imported within the function": ({"main.py": "from . import reg\n\n\ndef f(x):\n    from . import plug\n    return reg.REGISTRY['a'](x)\n", "reg.py": REG, "plug.py": "from .reg import register\n\n\n@register('a')\ndef a(x):\n    return x\n"}, "return x", "return -x"),
    "imported by its name": ({"main.py": "import importlib\n\nfrom . import reg\n\nimportlib.import_module('.plug', __package__)\n\n\ndef f(x):\n    return reg.REGISTRY['a'](x)\n", "reg.py": REG, "plug.py": "from .reg import register\n\n\n@register('a')\ndef a(x):\n    return x\n"}, "return x", "return -x"),
    "imported by a made-up name": ({"main.py": "import importlib\n\nfrom . import reg\n\nfor name in ('plug',):\n    importlib.import_module(f'{__package__}.{name}')\n\n\ndef f(x):\n    return reg.REGISTRY['a'](x)\n", "reg.py": REG, "plug.py": "from .reg import register\n\n\n@register('a')\ndef a(x):\n    return x\n"}, "return x", "return -x"),
    "imported by what was registered": ({"main.py": "from . import first, reg\n\n\ndef f(x):\n    return reg.REGISTRY['a'](x)\n", "reg.py": REG, "first.py": "from .reg import register\n\n\n@register('b')\ndef b(x):\n    from . import plug\n    return x\n", "plug.py": "from .reg import register\n\n\n@register('a')\ndef a(x):\n    return x\n"}, "return x", "return -x"),
    "called by a made-up name": ({"main.py": "import importlib\n\n\ndef f(x):\n    return importlib.import_module('PACKAGE.pl' + 'ug').g(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "by a star behind another one": ({"main.py": "from .reg import *\nfrom .plug import *\n\n\ndef f(x):\n    return gain\n", "reg.py": "gain = 1\n", "plug.py": "other = 1\n"}, "other = 1", "other = 1\ngain = 9"),
    "by a star behind an own name": ({"main.py": "gain = 1\nfrom .plug import *\n\n\ndef f(x):\n    return gain\n", "plug.py": "other = 1\n"}, "other = 1", "other = 1\ngain = 9"),
    "by a star of a star": ({"main.py": "from .reg import gain\nfrom .mid import *\n\n\ndef f(x):\n    return gain\n", "reg.py": "gain = 1\n", "mid.py": "from .plug import *\n", "plug.py": "other = 1\n"}, "other = 1", "other = 1\ngain = 9"),
    "by a call whose value is used": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.S\n", "reg.py": "S = 1\n", "plug.py": "from . import reg\n\n\ndef configure(m):\n    m.S = 777\n    return m\n\n\ndone = configure(reg)\n"}, "777", "555"),
    "in place, imported": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.T['a']\n", "reg.py": "T = {'a': 1}\n", "plug.py": "from .reg import T\n\nT |= {'a': 777}\n"}, "777", "555"),
    "by __dict__.update": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.S\n", "reg.py": "S = 1\n", "plug.py": "from . import reg\n\nreg.__dict__.update(S=777)\n"}, "777", "555"),
    "by setattr in an expression": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.S\n", "reg.py": "S = 1\n", "plug.py": "from . import reg\n\ndone = [setattr(reg, n, 777) for n in ['S']]\n"}, "777", "555"),
    "by an unbound method": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return reg.T['a']\n", "reg.py": "T = {'a': 1}\n", "plug.py": "from .reg import T\n\ndone = dict.update(T, a=777)\n"}, "777", "555"),
    "a counter that all share": ({"main.py": "from . import plug, reg\n\n\ndef f(x):\n    return next(reg.count)\n", "reg.py": "import itertools\n\ncount = itertools.count()\n", "plug.py": "from .reg import count\n\nmine = [next(count)]\n"}, "[next(count)]", "[next(count), next(count)]"),
    "random numbers that all share": ({"main.py": "import random\n\nfrom . import plug\n\nB = random.random()\n\n\ndef f(x):\n    return B\n", "plug.py": "import random\n\nrandom.seed(1)\nA = random.random()\n"}, "A = random.random()\n", ""),
    "random numbers of numpy": ({"main.py": "import numpy as np\n\nfrom . import plug\n\nB = np.random.rand()\n\n\ndef f(x):\n    return B\n", "plug.py": "import numpy as np\n\nnp.random.seed(1)\nA = np.random.rand(3)\n"}, "rand(3)", "rand(4)"),
    "imported by a constant": ({"main.py": "import importlib\n\nNAME = 'PACKAGE.plug'\n\n\ndef f(x):\n    return importlib.import_module(NAME).g(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "imported with its package": ({"main.py": "import importlib\n\n\ndef f(x):\n    return importlib.import_module('.plug', package='PACKAGE').g(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "imported by a keyword": ({"main.py": "import importlib\n\n\ndef f(x):\n    return importlib.import_module(name='PACKAGE.plug').g(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "imported by another name of import_module": ({"main.py": "from importlib import import_module as load\n\n\ndef f(x):\n    return load('PACKAGE.plug').g(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "imported by fromlist": ({"main.py": "def f(x):\n    return __import__('PACKAGE', fromlist=['plug']).plug.g(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "imported by pkgutil": ({"main.py": "import pkgutil\n\n\ndef f(x):\n    return pkgutil.resolve_name('PACKAGE.plug:g')(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "imported in a class of the function": ({"main.py": "def f(x):\n    class P:\n        from . import plug\n\n    return P.plug.g(x)\n", "plug.py": "def g(x):\n    return x\n"}, "return x", "return -x"),
    "an annotation that is asked for": ({"main.py": "import typing\n\nfrom . import plug\n\n\ndef f(x):\n    return typing.get_type_hints(plug.C, include_extras=True)\n", "plug.py": "import typing\n\n\nclass C:\n    a: typing.Annotated[int, 777]\n"}, "777", "555"),
    "annotations of a function": ({"main.py": "from . import plug\n\n\ndef f(x):\n    return plug.g.__annotations__\n", "plug.py": "def g(x: 777):\n    return x\n"}, "777", "555"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "old", "new"), ELSEWHERE.values(), ids=ELSEWHERE.keys())
def test_what_another_module_changes_counts(make_project, files, old, new):  # noqa: F811
    project = make_project({"__init__.py": "", **files})
    before = project.fingerprint("f")
    project.edit("plug.py", old, new)
    assert project.fingerprint("f").digest != before.digest


COSMETIC = {
    "a field of a plain class": ("class C:\n    k = 1\n", "class C:\n    k: int = 1\n    q: int\n"),
    "an annotation that nothing asks for": (
        "def h(a):\n    return a\n",
        "def h(a: 'int') -> 'int':\n    return a\n",
    ),
}


@pytest.mark.parametrize(("old", "new"), COSMETIC.values(), ids=COSMETIC.keys())
def test_annotations_that_nothing_reads_do_not_count(make_project, old, new):  # noqa: F811
    main = (
        "class C:\n    k = 1\n\n\ndef h(a):\n    return a\n\n\ndef f(x):\n    return h(x) * C.k\n"
    )
    project = make_project({"__init__.py": "", "main.py": main})
    before = project.fingerprint("f")
    project.edit("main.py", old, new)
    assert project.fingerprint("f").digest == before.digest


def test_which_star_comes_last_counts(make_project):  # noqa: F811
    main = "from .a import *\nfrom .b import *\n\n\ndef f(x):\n    return gain\n"
    files = {"__init__.py": "", "a.py": "gain = 1\n", "b.py": "gain = 2\n", "main.py": main}
    project = make_project(files)
    before = project.fingerprint("f")
    project.edit("main.py", "from .a import *\nfrom .b", "from .b import *\nfrom .a")
    assert project.fingerprint("f").digest != before.digest


UNRELATED = {
    "another table": "from . import reg\n\nOTHER = {}\nOTHER['a'] = 1\n",
    "a copy of the table": "from .reg import REGISTRY\n\nmine = dict(REGISTRY)\nmine['b'] = 1\n",
    "read only": "from .reg import REGISTRY\n\nfound = REGISTRY.get('b', 1)\n",
    "registered in another": "from . import reg\n\nMORE = {}\n\n\ndef put(f):\n    MORE[f.__name__] = f\n    return f\n\n\n@put\ndef g(x):\n    return 1\n",
    "a constant beside it": "from .reg import RATE\n\nPARAMETERS = {'rate': RATE}\nPARAMETERS['b'] = 1\n",
    "a subclass": "from .reg import Base\n\n\nclass A(Base):\n    rate = 1\n",
}  # fmt: skip


@pytest.mark.parametrize("plug", UNRELATED.values(), ids=UNRELATED.keys())
def test_what_it_does_to_other_things_does_not(make_project, plug):  # noqa: F811
    main = "from . import plug, reg\n\n\ndef f(x):\n    return reg.REGISTRY['a'](x) + reg.RATE + reg.Base.rate\n"
    reg = f"{REG}\n\nRATE = 1\n\n\nclass Base:\n    rate = 1\n"
    project = make_project({"__init__.py": "", "main.py": main, "reg.py": reg, "plug.py": plug})
    before = project.fingerprint("f")
    project.edit("plug.py", "1", "2")
    assert project.fingerprint("f").digest == before.digest


def test_state_that_functions_leave_behind_does_not_count(make_project):  # noqa: F811
    text = "def start():\n    global STATE\n    STATE = 1\n\n\ndef f(x):\n    start()\n    return STATE\n"
    module = make_project({"main.py": text}).module()
    before = fingerprint.fingerprint(module.f).digest
    module.f(1)
    assert fingerprint.fingerprint(module.f).digest == before


MOVED = {
    "a value in between": "X = 1\nY = X\nX = 2\n\n\ndef f(x):\n    return Y\n",
    "a table in between": "X = {'a': 1}\nY = len(X)\nX['b'] = 2\n\n\ndef f(x):\n    return Y\n",
    "a change in between": "X = [1]\nX.append(2)\nX = X * 2\n\n\ndef f(x):\n    return X\n",
}


@pytest.mark.parametrize("text", MOVED.values(), ids=MOVED.keys())
def test_the_order_counts_in_which_a_name_changes(make_project, text):  # noqa: F811
    lines = text.split("\n")
    project = make_project({"main.py": text})
    before = project.fingerprint("f")
    project.write("main.py", "\n".join([lines[0], lines[2], lines[1], *lines[3:]]))
    assert project.fingerprint("f").digest != before.digest


# ---- why a module counts as a whole


REASONS = {
    "globals": ("def f(x):\n    y = 1\n    return globals()['g']\n", "main", "globals() at PACKAGE/main.py:3"),
    "importlib": ("import importlib\n\n\ndef f(x):\n    return importlib.reload(x)\n", "main", "importlib.reload at PACKAGE/main.py:5"),
    "a value": ("from . import low\n\n\ndef f(x):\n    return getattr(low, x)\n", "low", "PACKAGE.low is passed on as a value at PACKAGE/main.py:5"),
    "a made-up name": ("def f(x):\n    return __import__('PACKAGE.' + x)\n", "low", "imported by a name made up at PACKAGE/main.py:2"),
}  # fmt: skip


@pytest.mark.parametrize(("main", "whole", "why"), REASONS.values(), ids=REASONS.keys())
def test_it_says_why_a_module_counts_as_a_whole(make_project, main, whole, why):  # noqa: F811
    project = make_project({"__init__.py": "", "main.py": main, "low.py": "def g(x):\n    pass\n"})
    found = project.fingerprint("f").whole_modules
    assert found[f"{project.package}.{whole}"] == why.replace("PACKAGE", project.package)


# ---- the name of the function


NAMED = """
def helper(n):
    return NAME(n - 1) if n else 0


def NAME(n, NAME2=1):
    '''Calls itself.'''
    def inner(NAME):
        return NAME

    return helper(n) if n < 1 else NAME(n - 1) + inner(n)
"""


def test_the_name_of_the_function_does_not_count(make_project):  # noqa: F811
    digests = set()
    for name in ("pendulum", "swing"):
        text = NAMED.replace("NAME2", "g").replace("inner(NAME)", "inner(z)")
        text = text.replace("return NAME\n\n", "return z\n\n").replace("NAME", name)
        digests.add(make_project({"main.py": text}).fingerprint(name).digest)
    assert len(digests) == 1


def test_nor_in_a_notebook():
    digests = set()
    for name in ("pendulum", "swing"):
        namespace = {"__name__": "__main__"}
        cell(f"def {name}(n):\n    return {name}(n - 1) if n else 0", namespace)
        digests.add(fingerprint.fingerprint(namespace[name]).digest)
    assert len(digests) == 1


@pytest.mark.parametrize(
    "body",
    ["return NAME.__name__", "return globals()['h']", "return h(NAME)\n\n\ndef h(g):\n    return g.__qualname__"],
)  # fmt: skip
def test_it_counts_where_something_may_look_for_it(make_project, body):  # noqa: F811
    digests = set()
    for name in ("pendulum", "swing"):
        text = f"def {name}(n):\n    {body.replace('NAME', name)}\n"
        digests.add(make_project({"main.py": text}).fingerprint(name).digest)
    assert len(digests) == 2


def test_another_function_of_the_same_code_is_the_same(make_project):  # noqa: F811
    text = "G = 1\n\n\ndef one(x):\n    return G * x\n\n\ndef two(x):\n    return G * x\n"
    project = make_project({"main.py": text})
    assert project.fingerprint("one").digest == project.fingerprint("two").digest


@pytest.mark.parametrize(
    "body",
    ["return sys.modules['__main__']", "import __main__\n    return __main__", "from __main__ import X\n    return X"],
)  # fmt: skip
def test_what_started_python_does_not_count(make_project, monkeypatch, body):  # noqa: F811
    digests = set()
    for file in ("start.py", "main.py"):
        project = make_project(
            {"main.py": f"import sys\n\n\ndef f(x):\n    {body}\n", "start.py": "X = 1\n"}
        )
        started = types.ModuleType("__main__")
        started.__file__ = str(project.root / project.package / file)
        monkeypatch.setitem(sys.modules, "__main__", started)
        digests.add(project.fingerprint("f").digest)
    assert len(digests) == 1


# ---- notebooks


def test_the_space_of_an_experiment_in_a_notebook_does_not_count():
    digests = set()
    for values in ("[1]", "[1, 2]"):
        namespace = {"__name__": "__main__"}
        cell("from sweeps import experiment, grid", namespace)
        cell(f"@experiment(grid(x={values}))\ndef f(x: float):\n    return x", namespace)
        digests.add(namespace["f"].identify().digest)
    assert len(digests) == 1


@pytest.mark.parametrize("use", [copy.copy, pickle.dumps])
def test_what_copying_an_object_notes_in_its_class_does_not_count(use, monkeypatch):
    started = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", started)
    exec("class Setting:\n    n = 1\n\ndef make(s):\n    return lambda: s().n", vars(started))
    function = started.make(started.Setting)
    before = fingerprint.fingerprint(function).digest
    use(started.Setting())
    assert "__slotnames__" in vars(started.Setting)
    assert fingerprint.fingerprint(function).digest == before


# ---- other Pythons


PYTHONS = [
    Path.home() / ".pyenv/versions" / v / "bin/python" for v in ("3.11.7", "3.12.1", "3.13.0")
]


@pytest.mark.parametrize("python", PYTHONS, ids=[p.parts[-3] for p in PYTHONS])
def test_it_is_the_same_under_another_python(make_project, python):  # noqa: F811
    if not python.exists():
        pytest.skip("not here")
    text = (
        "import enum\n\n\nclass Mode(enum.Enum):\n    A = 1\n\n\n"
        "table = [lambda x, k=k: x * k for k in range(3)]\n\n\n"
        "def make(n):\n    return [lambda x: x + n for _ in range(2)][0]\n\n\nmade = make(3)\n\n\n"
        "def f(x):\n    return f'{x!r:>{10}}|{x:.2f}{{}}', {k: v for k, v in x}, made, Mode.A\n"
    )
    project = make_project({"main.py": text})
    code = (
        f"import sys; sys.path[:0] = [{str(project.root)!r}, {str(Path.cwd())!r}];"
        f"import {project.package}.main as main; from sweeps.code.fingerprint import fingerprint;"
        "print(fingerprint(main.f).digest, fingerprint(main.made).digest)"
    )
    done = subprocess.run([python, "-B", "-c", code], capture_output=True, text=True, check=True)
    module = project.module()
    here = [fingerprint.fingerprint(each).digest for each in (module.f, module.made)]
    assert done.stdout.split() == here
