"""Forms of code through which a function reaches what is edited."""
# ruff: noqa: E501  (an edit is a line)

import pytest

from tests.code.test_fingerprint import make_project  # noqa: F401  (a fixture)

STAR = "from .low import *\n\n\ndef f(x):\n    return g(x)\n"

# (files, file to edit, old, new)
FORMS = {
    "name that __all__ lets through": ({"main.py": STAR, "low.py": "__all__ = ['g', 'h']\n\n\ndef g(x): pass\ndef h(x): pass\n"}, "low.py", "['g', 'h']", "['h']"),
    "name that a made-up __all__ lets through": ({"main.py": STAR, "low.py": "__all__ = ['h']\n__all__ += ['g']\n\n\ndef g(x): pass\ndef h(x): pass\n"}, "low.py", "+= ['g']", "+= ['h']"),

    "alias in class": ({"main.py":"from .low import C\n\n\ndef f(x):\n    return C().run(x)\n","low.py":"from . import deep\n\n\nclass C:\n    run = deep.decay\n","deep.py":"def decay(s, x):\n    return x\n"},"deep.py","return x","return -x"),
    "partialmethod": ({"main.py":"import functools\n\n\nclass C:\n    def g(self, k):\n        return k\n    h = functools.partialmethod(g, 3)\n\n\ndef f(x):\n    return C().h()\n"},"main.py","g, 3","g, 4"),
    "alias": ({"main.py":"from . import low as t\ng = t.twist\n\n\ndef f(x):\n    return g(x)\n","low.py":"def twist(x):\n    return x\n"},"low.py","return x","return -x"),
    "globals set": ({"main.py":"globals()['g'] = lambda x: x\n\n\ndef f(x):\n    return g(x)\n"},"main.py","x: x","x: -x"),
    "cond def": ({"main.py":"import os\nif os.sep:\n    def g(x):\n        return x\nelse:\n    g = abs\n\n\ndef f(x):\n    return g(x)\n"},"main.py","return x","return -x"),
    "try def": ({"main.py":"try:\n    from .nothing import g\nexcept ImportError:\n    def g(x):\n        return x\n\n\ndef f(x):\n    return g(x)\n"},"main.py","return x","return -x"),
    "star of star": ({"main.py":"from .sub import *\n\n\ndef f(x):\n    return g(x)\n","sub/__init__.py":"from .inner import *\n","sub/inner.py":"def g(x):\n    return x\n"},"sub/inner.py","return x","return -x"),
    "functional enum": ({"main.py":"from enum import Enum\nC = Enum('C', 'A B')\n\n\ndef f(x):\n    return C.B.value\n"},"main.py","'A B'","'B A'"),
    "numpy in place": ({"main.py":"import numpy as np\nM = np.zeros((2, 2))\n_ = np.fill_diagonal(M, 3)\n\n\ndef f(x):\n    return M.sum()\n"},"main.py","M, 3","M, 4"),
    "numpy out": ({"main.py":"import numpy as np\nM = np.zeros(2)\nnp.add(1, 2, out=M)\n\n\ndef f(x):\n    return M.sum()\n"},"main.py","1, 2","1, 3"),
    "comprehension effect": ({"main.py":"M = []\n[M.append(v) for v in (1, 2)]\n\n\ndef f(x):\n    return M\n"},"main.py","(1, 2)","(1, 3)"),
    "lazy getattr pkg": ({"main.py":"from . import sub\n\n\ndef f(x):\n    return sub.inner.g(x)\n","sub/__init__.py":"import importlib\n\n\ndef __getattr__(name):\n    return importlib.import_module(f'{__name__}.{name}')\n","sub/inner.py":"def g(x):\n    return x\n"},"sub/inner.py","return x","return -x"),
    "lazy getattr pkg names": ({"main.py":"from . import sub\n\n\ndef f(x):\n    return sub.g(x)\n","sub/__init__.py":"import importlib\n\nWHERE = {'g': 'inner'}\n\n\ndef __getattr__(name):\n    return getattr(importlib.import_module('.' + WHERE[name], __name__), name)\n","sub/inner.py":"def g(x):\n    return x\n"},"sub/inner.py","return x","return -x"),
    "plugin package": ({"main.py":"from . import plugins\n\n\ndef f(x):\n    return plugins.TABLE['a'](x)\n","plugins/__init__.py":"import importlib\nimport pkgutil\n\nTABLE = {}\n\n\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n\n\nfor info in pkgutil.iter_modules(__path__):\n    importlib.import_module(f'{__name__}.{info.name}')\n","plugins/inner.py":"from . import register\n\n\n@register\ndef a(x):\n    return x\n"},"plugins/inner.py","return x","return -x"),
    "plugin function": ({"main.py":"from . import plugins\n\n\ndef f(x):\n    return plugins.load('inner').a(x)\n","plugins/__init__.py":"import importlib\n\n\ndef load(name):\n    return importlib.import_module('.' + name, __package__)\n","plugins/inner.py":"def a(x):\n    return x\n"},"plugins/inner.py","return x","return -x"),
    "plugin in function": ({"main.py":"from . import plugins\n\n\ndef f(x):\n    plugins.discover()\n    return plugins.TABLE['a'](x)\n","plugins/__init__.py":"import importlib\nimport pkgutil\n\nTABLE = {}\n\n\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n\n\ndef discover():\n    for info in pkgutil.iter_modules(__path__):\n        importlib.import_module(f'{__name__}.{info.name}')\n","plugins/inner.py":"from . import register\n\n\n@register\ndef a(x):\n    return x\n"},"plugins/inner.py","return x","return -x"),
    "discover at import by call": ({"main.py":"from . import plugins\nplugins.discover()\n\n\ndef f(x):\n    return plugins.TABLE['a'](x)\n","plugins/__init__.py":"import importlib\nimport pkgutil\n\nTABLE = {}\n\n\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n\n\ndef discover():\n    for info in pkgutil.iter_modules(__path__):\n        importlib.import_module(f'{__name__}.{info.name}')\n","plugins/inner.py":"from . import register\n\n\n@register\ndef a(x):\n    return x\n"},"plugins/inner.py","return x","return -x"),
    "import in called fn": ({"main.py":"from . import reg\nreg.setup()\n\n\ndef f(x):\n    return reg.TABLE['a'](x)\n","reg.py":"TABLE = {}\n\n\ndef register(f):\n    TABLE[f.__name__] = f\n    return f\n\n\ndef setup():\n    from . import plug\n","plug.py":"from .reg import register\n\n\n@register\ndef a(x):\n    return x\n"},"plug.py","return x","return -x"),
    "setdefault chain": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.T\n","reg.py":"T = {}\n","plug.py":"from . import reg\nreg.T.setdefault('a', []).append(1)\n"},"plug.py","append(1)","append(2)"),
    "instance registry call": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.R.t['a'](x)\n","reg.py":"class Reg:\n    def __init__(self):\n        self.t = {}\n    def __call__(self, g):\n        self.t[g.__name__] = g\n        return g\n\n\nR = Reg()\n","plug.py":"from .reg import R\n\n\n@R\ndef a(x):\n    return x\n"},"plug.py","return x","return -x"),
    "entry dict of modules": ({"main.py":"from . import low\nMODS = {'low': low}\n\n\ndef f(x):\n    return MODS['low'].g(x)\n","low.py":"def g(x):\n    return x\n"},"low.py","return x","return -x"),
    "context at import": ({"main.py":"from . import reg\nwith reg.building() as b:\n    b['a'] = 1\n\n\ndef f(x):\n    return reg.T\n","reg.py":"import contextlib\nT = {}\n\n\n@contextlib.contextmanager\ndef building():\n    yield T\n"},"main.py","= 1","= 2"),
    "class attr by setattr": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.C.rate\n","reg.py":"class C:\n    rate = 1\n","plug.py":"from .reg import C\nfor k, v in {'rate': 2}.items():\n    setattr(C, k, v)\n"},"plug.py","2","3"),
    "function attr": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.g.rate\n","reg.py":"def g(): pass\n","plug.py":"from .reg import g\ng.rate = 2\n"},"plug.py","2","3"),
    "mock patch start": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.g(x)\n","reg.py":"def g(x): return 1\n","plug.py":"from unittest import mock\nmock.patch('PACKAGE.reg.g', lambda x: x).start()\n"},"plug.py","x: x","x: -x"),
    "tuple swap": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.A\n","reg.py":"A = 1\nB = 2\n","plug.py":"from . import reg\nreg.A, reg.B = 3, 4\n"},"plug.py","3, 4","5, 4"),
    "vars update": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.A\n","reg.py":"A = 1\n","plug.py":"from . import reg\nvars(reg).update(A=3)\n"},"plug.py","3","5"),
    "dict update": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.A\n","reg.py":"A = 1\n","plug.py":"from . import reg\nreg.__dict__['A'] = 3\n"},"plug.py","3","5"),
    "globals update": ({"main.py":"A = 1\nglobals().update(A=3)\n\n\ndef f(x):\n    return A\n"},"main.py","3","5"),
    "nested instance": ({"main.py":"from . import plug, reg\n\n\ndef f(x):\n    return reg.app.table\n","reg.py":"class T:\n    def __init__(self, app):\n        self.app = app\n    def add(self, v):\n        self.app.table.append(v)\n\n\nclass App:\n    def __init__(self):\n        self.table = []\n\n\napp = App()\nt = T(app)\n","plug.py":"from .reg import t\nt.add(3)\n"},"plug.py","3","5"),
}  # fmt: skip


@pytest.mark.parametrize(("files", "name", "old", "new"), FORMS.values(), ids=FORMS.keys())
def test_an_edit_behind_it_counts(make_project, files, name, old, new):  # noqa: F811
    project = make_project({"__init__.py": "", **files})
    before = project.fingerprint("f")
    project.edit(name, old, new)
    assert project.fingerprint("f").digest != before.digest
