"""What of ours a function carries counts by an address that stays, wherever our modules stand.

The digests are those of the commit before addresses were written down (c9fffb9): another one makes
results of that time stale, by an upgrade that changes no code of theirs.
"""

import importlib
import re
import sys

import pytest

import sweeps
from sweeps.code import canonical
from sweeps.code.fingerprint import fingerprint
from sweeps.code.objects import Carried

PROJECT = """
import enum
import functools
import linecache

import sweeps
from sweeps import cached, experiment, grid, points, reductions, replicates, sample, zipped
from sweeps.errors import SweepsError


class Kind(enum.Enum):
    FAST = 1


def helper(x):
    return x + 1


@cached
def table(n):
    return [n, n]


@cached(version=2, ignore="verbose", depends_on=[])
def versioned(n, verbose=False):
    return n


@experiment(grid(x=[1.0, 2.0], f={"helper": helper}), seed=2)
def declared(x, f):
    return f(x)


declared.summary(reductions.over_replicates)


def carrying(thing):
    def point(x):
        return thing, x

    return point


AXES = {"a": (0, 1), "b": [1, 2, 5]}
CELL = "def cell(x): return sample.uniform(2, u=(0, x)), grid(a=[x])"
linecache.cache["<cell 1>"] = (len(CELL), None, [CELL], "<cell 1>")
notebook = {"__name__": "notebook", "sample": sample, "grid": grid}
exec(compile(CELL, "<cell 1>", "exec"), notebook)
THINGS = {
    "helper": helper,
    "cached": table,
    "cached by version": versioned,
    "place of cached": table.place,
    "experiment": declared,
    "run of experiment": declared.run,
    "partial": functools.partial(declared, x=1.0),
    "grid": grid(a=[1, 2], b=[2.5], c=["x"], d=[None], e=[Kind.FAST], f={"helper": helper}),
    "range": grid(a=range(5)),
    "zipped": zipped("run", a=[1, 2], b=[3, 4]),
    "points": points([{"a": 1}, {"a": 2, "b": 3}]),
    "replicates": replicates(3),
    "where": grid(a=[1, 2]).where(lambda a: a > 1),
    "derive": grid(a=[1, 2]).derive(b=lambda a: 2 * a),
    "cell of a notebook": notebook["cell"],
    "union": grid(a=[1], b=[2]) + grid(a=[3]),
    "product": grid(a=[1]) * zipped("p", b=[2, 3]),
    "where of a space": grid(a=[1, 2]).where,
    "error": SweepsError,
    "sweeps": sweeps,
    "answers": [sweeps.reductions, sweeps.sample, sweeps.plan, sweeps.why],
    "caches": [cached, sweeps.grid, sweeps.run, sweeps.load, sweeps.sobol_indices],
}
for each in ("sobol", "halton", "latin_hypercube", "uniform", "saltelli"):
    THINGS[each] = [getattr(sample, each), getattr(sample, each)(4, **AXES)]
for each in reductions.__all__:
    THINGS[each] = getattr(reductions, each)
for each in sweeps.__all__:
    THINGS[f"sweeps.{each}"] = getattr(sweeps, each)
"""

PINNED = {
    "helper": "7bb03ce0f754e6cb83f393afdf8d473f",
    "cached": "0e8349bee225d1163f8b18d4b4e58dac",
    "cached by version": "8f6ad11ec2813d52de0a7e0802547158",
    "place of cached": "6e9ec65920dde3a8d5af3baac60732c5",
    "experiment": "b348c81ac1e928a0c956ea1896c94463",
    "run of experiment": "b1c4d4bfe9b47f45ecd03dc1e136697e",
    "partial": "bda89da2c7a5d6d7be9dd230be5015ec",
    "grid": "9214421e40aea573ebdd8d66b4bc581b",
    "range": "ce47515f37f51d33efc7d926cfc8d67a",
    "zipped": "2410465adaca08b028ba05965f37a415",
    "points": "d9179685a6b7404214f24d8964f042e0",
    "replicates": "bbc8663e55e77c988926856e35401eb0",
    "where": "a3b500e150afefa34f01f475976ed7be",
    "derive": "696145b8c83757640b95a73464f6c876",
    "cell of a notebook": "4645b09b2f2b4f1789355f48505afd9a",
    "union": "b20d0a26f11b4e84b394e23f163e9ee4",
    "product": "b651d4d2c173c314c21140617b900314",
    "where of a space": "6dedfd090a34bc22513aec61480f5c3c",
    "error": "417a40e18b2006817efd161a2c04f5af",
    "sweeps": "012d9bc1eb47c93ee29f9f2c36be9248",
    "answers": "db1941d2ac2c30de889008ce6fb8d140",
    "caches": "ef4fb686f69c82879f98f0b0aff33f02",
    "sobol": "7fff34263feee1e5cd19b233d0bb10b3",
    "halton": "c0ed5c78be8c43acb301865c0cb25515",
    "latin_hypercube": "3eae7769b87f40f3a3edab59b9c90add",
    "uniform": "c8978856ed6fc6f8384bf89f96bf380e",
    "saltelli": "18be950f11222b8075d2c87e25a00326",
    "mean": "09282b673b8a7e21eb56c2b219d13bf7",
    "over_replicates": "189504432353308cbc85103cace39d44",
    "quantiles": "7f74d7db1ea5f64c4919a3a3b83a22b9",
    "standard_error": "8eff0ab664b5cc32c558aee442fc270e",
    "sweeps.Experiment": "2f42f934a0cf2d60c1fc96caed7fd195",
    "sweeps.File": "159b46b8df5487b0cdcfecf900bfaa64",
    "sweeps.Space": "ba4549603209f87a674896f051403ab7",
    "sweeps.SweepsError": "417a40e18b2006817efd161a2c04f5af",
    "sweeps.accept": "9c5c151c30ddd2bd2c68bbfa5276951f",
    "sweeps.bench": "ca0fa7912ad242d99f86c0375828c2cc",
    "sweeps.cached": "81c6c4f0ed1040bf94b30502a10ddcd3",
    "sweeps.diff": "88338df617b1a4b81e9cdbe16ab36a84",
    "sweeps.experiment": "52135f2ea63be0cf0b4fc03ab833535d",
    "sweeps.export": "726d34aa8218a0d32c3c9a435120f080",
    "sweeps.failures": "7098662f50adcea98e1658e2f89cbec0",
    "sweeps.files": "2b7d7d2cbccbc71b1b5f590a0c4ff522",
    "sweeps.grid": "01f21e9d668308d30f17245fe47541f9",
    "sweeps.land": "48f759c4bf538a6478a35efdad77468f",
    "sweeps.work": "96c7cedfd30c04c2de5004babcb43111",
    "sweeps.load": "83b909e8522c1c205cc1ef090517b408",
    "sweeps.plan": "1ce704b23f7ff40109ba03801cce26b4",
    "sweeps.plot": "7a33ebe18f873ed5860b448fdd1a58f2",
    "sweeps.points": "807e2fcdb9ece4c33ec6fda57b880ad6",
    "sweeps.printed": "b42bbddfe5ba56d2570e51114505bd26",
    "sweeps.program": "d2e0787c9b41b17a315a5568be4e82cf",
    "sweeps.readers": "0a7f057be2a62de262d7cd3d29fd5b6a",
    "sweeps.template": "ad3ef6d3354e6dfc04a83df735b794d6",
    "sweeps.report": "f56a42ac27127c6ed1d8e00a54c93dbe",
    "sweeps.reductions": "6c613a65b5385b365e0affe41d842337",
    "sweeps.replicates": "dc0db89a0badbcbbfd294e5e4961fd89",
    "sweeps.run": "101fa1cc4becbb58a51bc6f55f540f77",
    "sweeps.sample": "ce6de60721a50223716fc8467cdba775",
    "sweeps.sobol_indices": "0038a0d6fe2d2eb38f01c2ab679cdc30",
    "sweeps.status": "f810a5498b46fbed535189d2b7d9b847",
    "sweeps.why": "cb0e7d217f796454a8dcf6ba721cb6c8",
    "sweeps.table": "c51ae0b3bb87bced1057637bdf5d1369",
    "sweeps.zipped": "5c08775c65bd68b924a5956385e60cce",
}  # fmt: skip


@pytest.fixture
def carried(tmp_path, monkeypatch):
    (tmp_path / "carried_things.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    yield importlib.import_module("carried_things")
    del sys.modules["carried_things"]


def test_what_functions_carry_of_ours_counts_as_it_always_did(carried):
    functions = {name: carried.carrying(thing) for name, thing in carried.THINGS.items()}
    assert {name: fingerprint(function).digest for name, function in functions.items()} == PINNED


def test_no_address_of_ours_tells_where_the_module_stands(carried):
    write = Carried(carried.helper)
    text = write.named_value("things", carried.THINGS)
    found = {name.split(".")[2] for name in re.findall(r"\bsweeps\.\w+\.\w+", text)}
    assert found <= {*" ".join(canonical._HOMES.values()).split(), *vars(sweeps.errors)}
    assert {"Cached", "Experiment", "Space", "Dimension", "Sampling", "Predicate"} <= found


def test_values_of_cached_helpers_stay_where_they_are(carried, project):
    carried.table(3)
    (value,) = (project / "results" / ".cached").rglob("output.pkl")
    *_, package, module, entry, _, _ = value.relative_to(project).parts
    assert (package, module, entry) == ("sweeps", "store", "_entry")
