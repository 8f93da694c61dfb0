"""Small experiments made at random: kinds of parameters × outputs × failures × what points change.

`write` makes a module of them; `alone` says what each point gives in a process that has computed
nothing else, which is what is right.
"""

from __future__ import annotations

import pickle
import random
import subprocess
import sys
from pathlib import Path

HEAD = '''
import collections, dataclasses, datetime, decimal, enum, functools, math, os, random, sys, typing

import numpy as np
import xarray as xr

from sweeps import experiment, grid, points, zipped


class Meter:
    """Remembers what it was asked: every point is to meet a new one."""

    def __init__(self, start=0):
        self.total, self.seen = start, []

    def add(self, amount):
        self.total += amount
        self.seen.append(amount)
        return self.total + len(self.seen) / 8

    def __call__(self, amount):
        return 2 * self.add(amount)


class Method(enum.Enum):
    EULER = 1
    RK4 = 4


@dataclasses.dataclass(frozen=True)
class Setting:
    order: int
    name: str = "plain"


class Both(typing.NamedTuple):
    small: float
    large: int


@dataclasses.dataclass
class Result:
    value: float
    text: str


def counted(store, x):
    store.append(x)
    return len(store) + x


def changes(array):
    array += 1
    return float(array.sum())
'''

# An axis, and what the function makes of one of its values: a number.
PARAMETERS = {
    "integers": ("[3, 1, -7]", "float({p})"),
    "a range": ("range(0, 6, 2)", "float({p} + 1)"),
    "floats": ("[0.1, -2.5e-7, 1e300]", "{p} / 3"),
    "numpy": ("np.linspace(0, 1, 3)", "math.sqrt({p})"),
    "strings": ('["rk4", "é b", ""]', "float(len({p}.encode()))"),
    "booleans": ("[True, False]", "(1.5 if {p} is True else -1.5)"),
    "mixtures": ('[None, (1, 2.5), "t"]', "float(len(repr({p})))"),
    "dates": (
        "[datetime.date(2020, 2, 29), datetime.date(1999, 1, 1)]",
        "float({p}.toordinal())",
    ),
    "enums": ("[Method.RK4, Method.EULER]", "float({p}.value)"),
    "settings": ('[Setting(1), Setting(2, "fine")]', "float({p}.order + len({p}.name))"),
    "functions": ('{"sine": math.sin, "cube": lambda x: x**3}', "{p}(0.7)"),
    "partials": (
        '{"two": functools.partial(pow, 2), "kept": functools.partial(counted, [])}',
        "float({p}(3))",
    ),
    "meters": ('{"new": Meter(), "old": Meter(40)}', "{p}.add(3)"),
    "methods": ('{"first": Meter(1).add, "call": Meter(7)}', "{p}(2)"),
    "arrays": ('{"ones": np.ones(3), "range": np.arange(4.0)}', "changes({p})"),
    "generators": (
        '{"a": np.random.default_rng(1), "b": random.Random(2)}',
        "float({p}.random())",
    ),
    "containers": (
        '{"list": [1.0, 2.0], "deque": collections.deque([5.0])}',
        "float(({p}.append(sum({p})), sum({p}))[1])",
    ),
}
CONSTANTS = {
    "a number": ("9.81", "{p}"),
    "a list": ("[]", "float(({p}.append(1.0), len({p}))[1])"),
    "a dict": ("{}", "float(({p}.setdefault(len({p}), 1), len({p}))[1])"),
    "an array": ("np.zeros(2)", "changes({p})"),
    "a meter": ("Meter(2)", "{p}.add(1)"),
    "a function": ("math.cos", "{p}(0.2)"),
}
# What a point returns; `v` is a number that all parameters go into.
OUTPUTS = {
    "a float": "v",
    "an integer": "int(v % 1000)",
    "a large integer": '{"id": 2**60 + int(v % 1000)}',
    "float32": '{"f": np.float32(v % 10)}',
    "a boolean": '{"is_even": int(v % 1000) % 2 == 0}',
    "a string": '{"text": f"é{v!r}"}',
    "complex": '{"z": complex(v, -v)}',
    "a time": '{"at": np.datetime64("2020-01-01", "s") + int(v % 10**6)}',
    "a vector": '{"x": np.array([v, -v, v / 7])}',
    "a vector of any length": '{"x": np.arange(int(abs(v)) % 5) * 0.3}',
    "an image": '{"image": (np.arange(6).reshape(2, 3) + int(v % 50)).astype(np.uint8)}',
    "a list": "[v, v / 3]",
    "several": '{"one": v, "two": int(v % 7), "three": str(v)[:3], "four": np.full(2, v)}',
    "a named tuple": "Both(v, int(v % 99))",
    "a dataclass": "Result(v, str(int(v % 9)))",
    "xarray": '{"y": xr.DataArray([v, 2 * v], dims="time", coords={"time": [0.5, 1.5]})}',
}
FAILURES = {
    "none": "",
    "some raise": 'if int(abs(v) * 8) % 3 == 0:\n        raise ValueError(f"no {v}")',
    "some leave": "if int(abs(v) * 8) % 4 == 1:\n        sys.exit(3)",
}
# What a point does to its process, and reads of it before; not for threads, which share it.
MISCHIEF = {
    "none": "",
    "environment": 'v += len(os.environ.get("SWEEPS_GENERATED", ""))\n'
    '    os.environ["SWEEPS_GENERATED"] = "changed"',
    "numpy errors": 'v += len(np.geterr()["over"])\n    np.seterr(over="raise")',
    "seeds": "random.seed(int(abs(v)) % 100)\n    v += random.random()",
    "numpy seeds": "np.random.seed(int(abs(v)) % 100)\n    v += np.random.random()",
    "decimals": "v += decimal.getcontext().prec\n    decimal.getcontext().prec = 5",
    "folder": 'v += len(os.path.basename(os.getcwd()))\n    os.chdir("/")',
    "path": 'v += sys.path.count("/nowhere")\n    sys.path.append("/nowhere")',
}


def source(seed: int) -> str:
    """Source of one experiment, ``generated_SEED``."""
    choose = random.Random(seed)
    swept = {name: PARAMETERS[choose.choice(list(PARAMETERS))] for name in ("p", "q")}
    constant = {"c": CONSTANTS[choose.choice(list(CONSTANTS))]}
    used = {**swept, **constant}
    space = f"grid({', '.join(f'{name}={axis}' for name, (axis, _) in swept.items())})"
    lines = [
        f"v = {' + '.join(how.format(p=name) for name, (_, how) in used.items())}",
        MISCHIEF[choose.choice(list(MISCHIEF))],
        FAILURES[choose.choice(list(FAILURES))],
        f"return {OUTPUTS[choose.choice(list(OUTPUTS))]}",
    ]
    body = "\n    ".join(filter(None, lines))
    return f"@experiment({space})\ndef generated_{seed}(p, q, c={constant['c'][0]}):\n    {body}\n"


def is_for_threads(text: str) -> bool:
    """Whether points change nothing that threads share."""
    return not any(done and done in text for done in MISCHIEF.values())


def write(path: Path, seeds: range) -> dict[str, str]:
    """Write a module of experiments, and say the source of each by its name."""
    sources = {f"generated_{seed}": source(seed) for seed in seeds}
    path.write_text(HEAD + "\n\n" + "\n\n".join(sources.values()))
    return sources


_ALONE = '''
import importlib.util, os, pickle, sys

spec = importlib.util.spec_from_file_location("alone", sys.argv[1])
module = importlib.util.module_from_spec(spec)
sys.modules["alone"] = module
spec.loader.exec_module(module)


def compute(made, point):
    """Call the function in a copy of this process, which has computed nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            said = plain(made.function(**point))
        except BaseException as error:
            said = ("failed", type(error).__name__, str(error))
        with open(writer, "wb") as pipe:
            pickle.dump(said, pipe)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        said = pickle.load(pipe)
    os.waitpid(child, 0)
    return said


def plain(value):
    import numpy as np

    if hasattr(value, "_asdict"):
        value = value._asdict()
    elif hasattr(value, "__dataclass_fields__"):
        value = dict(vars(value))
    if not isinstance(value, dict):
        value = {"": value}
    return {k: np.asarray(getattr(v, "values", v)) for k, v in value.items()}


every = {}
for name in sys.argv[2:]:
    made = getattr(module, name)
    every[name] = [compute(made, point) for point in made.space]
sys.stdout.buffer.write(pickle.dumps(every))
'''


def alone(module: Path, names: list[str]) -> dict[str, list]:
    """What each point of some experiments returns, in the order of their spaces."""
    command = [sys.executable, "-c", _ALONE, str(module), *names]
    done = subprocess.run(command, capture_output=True, check=True, cwd=module.parent.parent)
    return pickle.loads(done.stdout)
