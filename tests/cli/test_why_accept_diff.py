"""Results that became stale: why, whether they need be, and what a user says of it."""

import json
import re
import shutil

import numpy as np
import pytest

import sweeps as package
from sweeps.memo import index as memo
from sweeps.project import sweep

MAIN = """
import enum
import math
from dataclasses import dataclass
from functools import partial
from sweeps import cached, experiment, grid
from experiments import _helpers
from experiments._helpers import shape as _shape

G = 1.5
TABLE = {"a": 1.0, "b": 2.0}
LAMBDAS = {"double": lambda x: 2 * x}
HALF = partial(_helpers.power, 0.5)


class Base:
    weight = 5

    def method(self):
        return self.weight


@dataclass
class Model(Base):
    a: float = 1.0

    @property
    def value(self):
        return self.a


class Colour(enum.Enum):
    RED = 1


def decorated(function):
    return lambda x: function(x) + 10


@decorated
def plain(x):
    return x


def with_default(x, offset=3):
    return x + offset


def euler(x):
    return x


def rk4(x):
    return x * 2


@cached(depends_on="levels.txt", version=1)
def levels(n):
    return n


@experiment(
    grid(x=[1.0, 2.0, 3.0], scheme={"euler": euler, "rk4": rk4}),
    depends_on="table.csv",
    version=1,
)
def wave(x, scheme, damping=0.5):
    total = G + TABLE["a"] + LAMBDAS["double"](x) + HALF(x) + Model().value + Model().method()
    total += Colour.RED.value + plain(x) + with_default(x) + _shape(x) + levels(1)
    return {"y": total + scheme(x) + sum(k for k in range(3)), "n": 1}
"""

HELPERS = """
from experiments._deep import depth as _depth

SCALE = 2.0


def power(exponent, x):
    return x**exponent


def shape(x):
    return SCALE * x + _depth(x)
"""

DEEP = """
def depth(x):
    def inner(y):
        return y + 1
    return inner(x)
"""


@pytest.fixture
def project(project):
    folder = project / "experiments"
    (folder / "wave.py").write_text(MAIN)
    (folder / "_helpers.py").write_text(HELPERS)
    (folder / "_deep.py").write_text(DEEP)
    (folder / "table.csv").write_text("1")
    (folder / "levels.txt").write_text("1")
    return project


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Where the results of a first run are kept once they are made."""
    return tmp_path_factory.mktemp("first") / "results"


@pytest.fixture
def run(sweeps, project, first):
    def run(*arguments):
        texts = [path.read_text() for path in project.glob("experiments/*.py")]
        is_first = sorted(texts) == sorted([MAIN, HELPERS, DEEP]) and not arguments
        is_first &= not (project / "results").exists()
        if is_first and first.exists():
            shutil.copytree(first, project / "results")
            return json.loads((first.parent / "said.json").read_text())
        said = sweeps("run", "wave", "--engine", "serial", "--json", *arguments)
        assert said.code == 0, said.err
        if is_first:
            shutil.copytree(project / "results", first)
            (first.parent / "said.json").write_text(said.out)
        return said.json

    return run


@pytest.fixture
def edit(project):
    def edit(old, new, file="wave.py"):
        path = project / "experiments" / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return edit


# what is edited: (old, new, file), the part that `why` names, and its place
CHANGES = {
    "the function itself": ("range(3)", "range(4)", "wave.py", ":wave", "wave.py"),
    "a helper elsewhere": ("SCALE * x", "SCALE - x", "_helpers.py", ":shape", "_helpers.py"),
    "a helper of a helper": ("y + 1", "y + 2", "_deep.py", ":depth", "_deep.py"),
    "a constant": ("G = 1.5", "G = 1.6", "wave.py", ":G", "wave.py"),
    "a constant elsewhere": ("SCALE = 2", "SCALE = 3", "_helpers.py", ":SCALE", "_helpers.py"),
    "an entry of a table": ('"a": 1.0', '"a": 1.5', "wave.py", ":TABLE", "wave.py"),
    "a new entry of a table": ("LAMBDAS =", "TABLE['c'] = 1\nLAMBDAS =", "wave.py",
                               ":TABLE", "wave.py"),
    "a lambda in a table": ("2 * x}", "3 * x}", "wave.py", ":LAMBDAS", "wave.py"),
    "what a partial fixes": ("power, 0.5", "power, 0.6", "wave.py", ":HALF", "wave.py"),
    "what a partial calls": ("x**exponent", "x*exponent", "_helpers.py", ":power", "_helpers.py"),
    "a method of a base class": ("self.weight\n", "-self.weight\n", "wave.py", ":Base", "wave.py"),
    "an attribute of a class": ("weight = 5", "weight = 6", "wave.py", ":Base", "wave.py"),
    "a property": ("self.a\n", "-self.a\n", "wave.py", ":Model", "wave.py"),
    "a field's default": ("float = 1.0", "float = 1.1", "wave.py", ":Model", "wave.py"),
    "a member of an enum": ("RED = 1", "RED = 2", "wave.py", ":Colour", "wave.py"),
    "a decorator": ("function(x) + 10", "function(x) + 11", "wave.py", ":decorated", "wave.py"),
    "that it is decorated": ("@decorated\n", "", "wave.py", ":plain", "wave.py"),
    "a helper's default": ("offset=3", "offset=4", "wave.py", ":with_default", "wave.py"),
    "where a name is imported from": (
        "_helpers import shape as", "_deep import depth as", "wave.py", ":_shape", "wave.py"
    ),
    "the version": ("version=1,\n)", "version=2,\n)", "wave.py", "version", ""),
    "a cached helper's version": ('txt", version=1', 'txt", version=2', "wave.py", "version", ""),
    "a data file": ("1", "2", "table.csv", "data:table.csv", ""),
    "a cached helper's data file": ("1", "2", "levels.txt", "levels.txt", ""),
}  # fmt: skip


SECOND = {"a new entry of a table", "an attribute of a class", "a field's default",
          "that it is decorated", "a cached helper's version",
          "where a name is imported from"}  # fmt: skip
"""Changes that do not go together with the others, since they are of the same parts."""


@pytest.mark.parametrize("names", [CHANGES.keys() - SECOND, SECOND], ids=["first", "second"])
def test_why_names_what_changed_and_shows_it(sweeps, project, run, edit, names):
    run()
    for name in names:
        edit(*CHANGES[name][:3])
    said = sweeps("why", "wave", "--json").json
    assert (said["stale"], said["done"]) == (6, 0)
    (since,) = said["since"]
    assert since["points"] == 6
    text = sweeps("why", "wave").out
    for name in names:
        old, new, file, part, place = CHANGES[name]
        named = [c for c in since["changes"] if part in c["part"] and place in c["place"]]
        assert len(named) == 1, (name, since["changes"])
        if file.endswith(".py") and part != "version":
            lines = named[0]["diff"].splitlines()[2:]
            shown = {sign: "".join(x[1:] for x in lines if x[0] == sign) for sign in "-+"}
            assert old.strip() in shown["-"] or new.partition("\n")[0] in shown["+"], name
        assert named[0]["part"] in text
        if place:
            line = re.search(rf"{re.escape(named[0]['part'])}.*{place}:(\d+)", text)
            assert line is not None, name
            begins = (project / "experiments" / place).read_text().splitlines()[int(line[1]) - 1]
            name = re.escape(named[0]["part"].partition(":")[2])
            assert re.match(rf"@|(def|class) {name}\b|{name} = |{name}$|from .* as {name}", begins)


def test_nothing_else_is_named(sweeps, project, run, edit):
    run()
    edit("G = 1.5", "G = 1.6")
    edit("SCALE = 2.0", "SCALE = 2.0  # metres", "_helpers.py")
    (since,) = sweeps("why", "wave", "--json").json["since"]
    assert [c["part"] for c in since["changes"]] == ["experiments.wave:G"]
    assert since["changes"][0]["diff"].splitlines()[-2:] == ["-G = 1.5", "+G = 1.6"]


def test_why_tells_of_code_that_is_new_or_gone(sweeps, project, run, edit):
    run()
    edit('total = G + TABLE["a"]', 'total = G + abs(rk4(x)) + TABLE["b"]')
    edit(" + HALF(x)", "")
    (since,) = sweeps("why", "wave", "--json").json["since"]
    kinds = {c["part"].partition(":")[2]: c["kind"] for c in since["changes"]}
    assert kinds == {"wave": "changed", "rk4": "new", "HALF": "gone", "power": "gone",
                     "partial": "gone", "_helpers": "gone"}  # fmt: skip


def test_constants_and_labels_make_other_points_and_why_says_so(sweeps, project, run, edit):
    run()
    edit("damping=0.5", "damping=0.6")
    edit("return x * 2", "return x * 3")
    said = sweeps("why", "wave", "--json").json
    assert (said["missing"], said["stale"], said["since"]) == (6, 0, [])
    parts = {c["part"]: c["diff"].splitlines()[-2:] for c in said["declared"]}
    assert parts["constant damping"] == ["-damping = 0.5", "+damping = 0.6"]
    assert parts["label scheme=rk4: experiments.wave:rk4"] == [
        "-    return x * 2",
        "+    return x * 3",
    ]
    assert "label scheme=rk4: experiments.wave:rk4" in sweeps("why", "wave").out


def test_why_shows_values_as_people_write_them(sweeps, project):
    (project / "experiments" / "wave.py").write_text(
        """
from sweeps import experiment, grid

class Model:
    def __init__(self, n):
        self.n = n

def scaled(by):
    def inner(x):
        return x * by
    return inner

@experiment(grid(x=[1.0], of={"plain": scaled(2000), "object": Model(2000)}))
def wave(x, of):
    return x
"""
    )
    assert sweeps("run", "wave", "--engine", "serial").code == 0
    path = project / "experiments" / "wave.py"
    path.write_text(path.read_text().replace("2000", "2001"))
    said = sweeps("why", "wave", "--json").json
    shown = {c["part"]: c["diff"].splitlines()[-2:] for c in said["declared"]}
    assert shown == {
        "label of=plain": ["-function (by=2000)", "+function (by=2001)"],
        "label of=object": ["-experiments.wave.Model(n=2000)", "+experiments.wave.Model(n=2001)"],
    }


def test_packages_are_told_of_and_make_nothing_stale(sweeps, project, run, edit, monkeypatch):
    run()
    monkeypatch.setattr(np, "__version__", "0.9")
    from sweeps.code import provenance

    monkeypatch.setattr(provenance, "version", lambda name: "0.9" if name == "numpy" else "")
    assert sweeps("status", "wave", "--json").json["stale"] == 0
    edit("G = 1.5", "G = 1.6")
    said = sweeps("why", "wave", "--json").json
    assert said["since"][0]["packages"]["numpy"][1] == "0.9"
    assert "(this makes nothing stale)" in sweeps("why", "wave").out


def test_modules_that_count_as_a_whole_are_told_of(sweeps, project, run, edit):
    edit("return SCALE * x + _depth(x)", "return globals()['SCALE'] * x + _depth(x)", "_helpers.py")
    said = sweeps("why", "wave", "--json").json
    assert list(said["whole_modules"]) == ["experiments._helpers"]
    assert "globals()" in said["whole_modules"]["experiments._helpers"]
    assert "any change in experiments._helpers makes results stale" in sweeps("why", "wave").out


@pytest.mark.parametrize("command", ["status", "plan"])
def test_who_sees_stale_points_is_told_who_knows_why(sweeps, project, run, edit, command):
    run()
    assert "why" not in sweeps(command, "wave").err
    edit("G = 1.5", "G = 1.6")
    said = sweeps(command, "wave", "--results", "results")
    assert said.err == "see what changed: python -m sweeps why wave --results=results\n"


def test_nothing_to_explain(sweeps, project, run):
    run()
    said = sweeps("why", "wave")
    assert "nothing is stale or missing" in said.out
    assert sweeps("why", "wave", "--from", "abcdef").code == 2


def test_what_is_not_on_record_is_said_not_to_be(sweeps, project, run, edit):
    run()
    edit("G = 1.5", "G = 1.6")
    for content in ("", "{", "[]", "null", '{"sources": 3}', '{"parts": {}}'):
        for path in (project / "results" / ".memo" / "wave").glob("*/*.json"):
            path.write_text(content)
        said = sweeps("why", "wave")
        assert said.code == 0, content
        assert "not recorded" in said.out, content


def test_accepted_results_count_until_that_is_taken_back(sweeps, project, run, edit):
    run()
    before = package.load("wave")
    edit("G = 1.5", "G = 1.5 + 0.0")
    assert sweeps("status", "wave", "--json").json["stale"] == 6
    said = sweeps("accept", "wave", "--yes", "--reason", "plus nothing", "--json").json
    assert (said["accepted"], said["points"]) == (True, 6)
    assert run()["computed"] == 0
    after = package.load("wave")
    assert after.drop_attrs().identical(before.drop_attrs())
    (told,) = json.loads(after.attrs["accepted"])
    assert (told["fingerprint"], told["n_points"]) == (before.attrs["fingerprint"], 6)
    assert told["accepted"][0]["reason"] == "plus nothing"
    assert "G = 1.5\n" in told["source"]
    assert "plus nothing" in sweeps("why", "wave").out
    assert (
        sweeps("accept", "wave", "--undo", "--json").json["undone"][0]["reason"] == "plus nothing"
    )
    assert sweeps("status", "wave", "--json").json["stale"] == 6
    assert run()["computed"] == 6
    assert json.loads(package.load("wave").attrs["accepted"]) == []


def test_only_what_is_known_of_is_accepted_the_rest_is_computed(sweeps, project, run, edit):
    run()
    edit("G = 1.5", "G = 1.6")
    run("x=1")
    assert sweeps("accept", "wave", "--yes", "--json").json["points"] == 4
    found = run("x=1,2,3,4")
    assert (found["computed"], found["reused"]) == (2, 6)
    values = package.load("wave").y.sel(scheme="euler").values
    edit("G = 1.6", "G = 1.5")
    run("x=1,2,3,4")
    old = package.load("wave").y.sel(scheme="euler").values
    assert np.round(values - old, 12).tolist() == [0.1, 0.0, 0.0, 0.1]


def test_recomputed_points_count_before_accepted_ones(sweeps, project, run, edit):
    run()
    edit("G = 1.5", "G = 1.6")
    sweeps("accept", "wave", "--yes")
    assert run("--recompute")["computed"] == 6
    new = package.load("wave").y.values
    sweeps("accept", "wave", "--undo")
    assert run()["computed"] == 0
    assert (package.load("wave").y.values == new).all()


def test_what_is_accepted_is_no_waste(sweeps, project, run, edit):
    run()
    edit("G = 1.5", "G = 1.6")
    sweeps("accept", "wave", "--yes")
    assert sweeps("clean", "wave", "--json").json["waste"] == []
    sweeps("accept", "wave", "--undo")
    assert len(sweeps("clean", "wave", "--json").json["waste"]) == 1


def test_accepting_needs_a_yes(sweeps, project, run, edit, monkeypatch):
    run()
    edit("G = 1.5", "G = 1.6")
    said = sweeps("accept", "wave")
    assert said.code == 2
    assert "for 6 points of wave? There is no terminal to ask on: confirm with --yes" in said.err
    for answer, code in (("n", 1), ("y", 0)):
        monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
        monkeypatch.setattr("click.confirm", lambda *_, answer=answer, **__: answer == "y")
        assert sweeps("accept", "wave").code == code
        assert sweeps("status", "wave", "--json").json["done"] == (6 if answer == "y" else 0)


MISTAKES = {
    "nothing earlier": (["accept", "wave", "--yes"], "has no results of earlier code"),
    "nothing to take back": (["accept", "wave", "--undo"], "no earlier results are accepted"),
    "undo and reason": (["accept", "wave", "--undo", "--reason", "x"], "give only --from"),
    "no such argument": (["accept", "wave", "--new-default", "dampin=1", "--yes"], "Did you mean"),
    "several values": (
        ["accept", "wave", "--new-default", "damping=1,2", "--yes"],
        "give one value",
    ),
    "a range": (["accept", "wave", "--new-default", "damping=1:2", "--yes"], "give one value"),
    "no value": (["accept", "wave", "--new-default", "damping", "--yes"], "damping"),
    "nothing to compare": (["diff", "wave"], "has no results of earlier code"),
    "no sample": (["diff", "wave", "--sample", "0"], "--sample"),
    "no engine": (["diff", "wave", "--engine", "x"], "no engine 'x'"),
}


def test_mistakes(sweeps, project, run):
    run()
    for name, (arguments, said) in MISTAKES.items():
        answer = sweeps(*arguments)
        assert answer.code == 2, name
        assert said in answer.err, name
        assert "Traceback" not in answer.err, name


def test_an_earlier_code_is_chosen_by_its_first_digits(sweeps, project, run, edit):
    fingerprints = []
    for value in ("1.5", "1.6", "1.7"):
        edit(
            re.search(r"G = \S+", (project / "experiments/wave.py").read_text())[0], f"G = {value}"
        )
        fingerprints.append(run()["fingerprint"])
    edit("G = 1.7", "G = 1.8")
    first, second, third = fingerprints
    assert sweeps("accept", "wave", "--yes", "--json").json["fingerprint"] == third
    for given, said in (("ab", "too short"), ("zzzz", "no earlier code"), ("", "too short")):
        answer = sweeps("accept", "wave", "--yes", "--from", given)
        assert (answer.code, said in answer.err) == (2, True)
    assert "already accepted" in sweeps("accept", "wave", "--yes", "--from", third).err
    assert (
        "has no results for points that the present code lacks"
        in sweeps("accept", "wave", "--from", first).err
    )
    sweeps("accept", "wave", "--undo", "--from", third[:8])
    assert sweeps("accept", "wave", "--yes", "--from", first[:8], "--json").json["points"] == 6
    present = sweeps("status", "wave", "--json").json["fingerprint"]
    assert "is the present code" in sweeps("accept", "wave", "--from", present).err
    (since,) = sweeps("why", "wave", "--from", second, "--json").json["since"]
    assert since["fingerprint"] == second


def test_acceptances_add_up(sweeps, project, run, edit):
    run()
    edit("G = 1.5", "G = 1.5 + 0")
    sweeps("accept", "wave", "--yes", "--reason", "first")
    run("x=1,2,3,4")
    edit("G = 1.5 + 0", "G = 0 + 1.5")
    assert sweeps("accept", "wave", "--yes", "--reason", "second").code == 0
    assert run("x=1,2,3,4")["computed"] == 0
    told = json.loads(package.load("wave").attrs["accepted"])
    assert [(t["n_points"], [a["reason"] for a in t["accepted"]]) for t in told] == [
        (2, ["second"]),
        (6, ["second", "first"]),
    ]


NEW = {
    "a new constant": ("damping=0.5):", "damping=0.5, drag=0.0):", ["drag=0"], "drag=0"),
    "of another value": ("damping=0.5):", "damping=0.5, drag=1.0):", ["drag=0"], "drag=0"),
    "two of them": ("damping=0.5):", "damping=0.5, drag=0.0, kind='a'):", ["drag=0.0", "kind=a"],
                    "kind=a"),
}  # fmt: skip


ARGUMENTS = [
    pytest.param(*each, id=name, marks=pytest.mark.campaign if name == "a new constant" else [])
    for name, each in NEW.items()
]


@pytest.mark.parametrize(("old", "new", "given", "axes"), ARGUMENTS)
def test_results_from_before_an_argument_are_those_of_its_default(
    sweeps, project, run, edit, old, new, given, axes
):
    run()
    before = package.load("wave")
    edit(old, new)
    answer = sweeps("accept", "wave", "--yes")
    assert answer.code == 2
    assert "--new-default drag=" in answer.err
    assert "drag" in sweeps("why", "wave").out
    options = [word for each in given for word in ("--new-default", each)]
    said = sweeps("accept", "wave", "--yes", *options, "--json")
    if "drag=1.0" in new:  # the present default: the declared points are others
        assert said.code == 2
        assert "has no results for points" in said.err
        said = sweeps("accept", "wave", "drag=0", "--yes", *options, "--json")
        assert said.json["points"] == 6
        assert [run("drag=0")["computed"], run()["computed"]] == [0, 6]
        return
    assert said.json["points"] == 6
    assert run()["computed"] == 0
    after = package.load("wave")
    assert (after.y.values == before.y.values).all()
    assert float(after.drag) == 0.0
    assert run(axes)["computed"] == 0
    found = run("drag=0.0,1.0")
    assert (found["computed"], found["reused"]) == (6, 6)
    assert (package.load("wave").y.sel(drag=0.0).values == before.y.values).all()


def test_results_from_before_an_axis_are_those_of_one_of_its_values(sweeps, project, run, edit):
    run()
    before = package.load("wave").y.values
    edit("grid(x=[1.0, 2.0, 3.0],", "grid(drag=[0.0, 1.0], x=[1.0, 2.0, 3.0],")
    edit("damping=0.5):", "damping=0.5, drag=0.0):")
    edit('"y": total', '"y": total + drag')
    assert sweeps("accept", "wave", "--yes", "--new-default", "drag=0").code == 0
    assert run()["computed"] == 6
    after = package.load("wave").y
    assert (after.sel(drag=0.0).values == before).all()
    assert (after.sel(drag=1.0).values == before + 1).all()


def test_diff_proves_a_refactoring_exact(sweeps, project, run, edit):
    run()
    edit("return SCALE * x + _depth(x)", "scaled = SCALE * x\n    return scaled + _depth(x)",
         "_helpers.py")  # fmt: skip
    said = sweeps("diff", "wave", "--engine", "serial", "--json")
    assert said.code == 0
    assert (said.json["is_exact"], said.json["points"], said.json["computed"]) == (True, 6, 6)
    assert "exact: all values are equal" in sweeps("diff", "wave").out
    assert run()["computed"] == 0  # what diff computed is kept


def test_diff_finds_a_changed_constant(sweeps, project, run, edit):
    run()
    edit("G = 1.5", "G = 1.75")
    arguments = ("diff", "wave", "--sample", "4", "--engine", "serial")
    said = sweeps(*arguments, "--json")
    assert said.code == 1
    found = said.json
    assert (found["is_exact"], found["points"], found["common"]) == (False, 4, 6)
    y, n = found["outputs"]
    assert (y["name"], y["absolute"], y["equal"]) == ("y", 0.25, 0)
    assert set(found["worst"]["y"]) == {"x", "scheme"}
    assert re.search(r"  x=[123]\.0, scheme=(euler|rk4)$", sweeps(*arguments).out, re.MULTILINE)
    assert (n["name"], n["absolute"], n["equal"], n["at"]) == ("n", 0.0, 4, None)
    assert sweeps("status", "wave", "--json").json["done"] == 4


def test_diff_compares_what_two_versions_know_without_computing(sweeps, project, run, edit):
    first = run()["fingerprint"]
    edit("G = 1.5", "G = 1.75")
    second = run()["fingerprint"]
    edit("G = 1.75", "G = 1.25")
    arguments = ("diff", "wave", "--from", first, "--with", second, "--json")
    said = sweeps(*arguments).json
    assert (said["then"], said["now"], said["computed"]) == (first, second, 0)
    assert said["outputs"][0]["absolute"] == 0.25
    assert sweeps("status", "wave", "--json").json["done"] == 0


def test_diff_does_not_take_accepted_values_for_those_of_the_present_code(
    sweeps, project, run, edit
):
    run()
    edit("G = 1.5", "G = 1.75")
    sweeps("accept", "wave", "--yes")
    said = sweeps("diff", "wave", "--engine", "serial", "--json")
    assert (said.code, said.json["computed"], said.json["is_exact"]) == (1, 6, False)


def test_diff_says_what_fails_now_or_is_of_another_kind(sweeps, project, run, edit):
    run()
    edit('"n": 1}', '"n": 1.0, "more": [1] * (1 if x < 3 else 1 / 0)}')
    said = sweeps("diff", "wave", "--engine", "serial", "--json")
    assert said.code == 1
    assert (said.json["failed"], said.json["points"]) == (2, 4)
    notes = {o["name"]: o["note"] for o in said.json["outputs"]}
    assert notes == {"y": "", "n": "dtype was int64 and now float64", "more": "a new output"}


LABELLED = """
import xarray as xr
from sweeps import experiment, grid

@experiment(grid(x=[0, 1]))
def field(x):
    return xr.DataArray([1.0, 2.0], dims="t", coords={"t": [0, 1]}, attrs={"units": "m"}, name="v")
"""


@pytest.mark.parametrize(
    ("old", "new", "output", "note"),
    [
        ("[0, 1]},", "[0, 7]},", "t", ""),
        (
            '"units": "m"',
            '"units": "km"',
            "v",
            "attributes was {'units': 'm'} and now {'units': 'km'}",
        ),
        ('"t"', '"s"', "v", "dimensions was ('t',) and now ('s',)"),
    ],
    ids=["coordinates", "units", "dimensions"],
)  # fmt: skip
def test_values_alone_do_not_make_it_exact(sweeps, project, old, new, output, note):
    path = project / "experiments" / "field.py"
    path.write_text(LABELLED)
    sweeps("run", "field", "--engine", "serial")
    path.write_text(LABELLED.replace(old, new))
    said = sweeps("diff", "field", "--engine", "serial", "--json")
    assert said.code == 1
    (found,) = [each for each in said.json["outputs"] if each["name"] == output]
    assert (found["note"], found["equal"] == found["points"]) == (note, note != "")


def test_diff_of_a_new_argument(sweeps, project, run, edit):
    run()
    edit("damping=0.5):", "damping=0.5, drag=0.0):")
    edit('"y": total', '"y": total + drag')
    said = sweeps("diff", "wave", "--new-default", "drag=0", "--engine", "serial", "--json")
    assert (said.code, said.json["is_exact"], said.json["points"]) == (0, True, 6)


DRAWN = """
from sweeps import experiment, grid, replicates

@experiment(grid(x=[1.0, 2.0]) * replicates(3), seed=5)
def drawn(x, rng):
    return {"y": x * rng.normal()}
"""


@pytest.mark.parametrize("engine", [pytest.param("serial", marks=pytest.mark.campaign), "loky"])
def test_diff_of_a_new_argument_draws_what_was_drawn_before(sweeps, project, engine):
    """An argument that is new makes other streams, but not where a refactoring is to be proven."""
    path = project / "experiments" / "drawn.py"
    path.write_text(DRAWN)
    assert sweeps("run", "drawn", "--engine", "serial").code == 0
    before = package.load("drawn").y.values
    path.write_text(DRAWN.replace("rng):", "rng, drift=0.0):").replace("normal()", "normal(drift)"))
    for value, code in (("0", 0), ("1", 2)):
        said = sweeps("diff", "drawn", "--new-default", f"drift={value}", "--engine", engine)
        assert said.code == code, said.out
    assert sweeps("plan", "drawn", "--json").json["missing"] == 6  # nothing of it is kept
    assert sweeps("accept", "drawn", "--new-default", "drift=0", "--yes").code == 0
    assert sweeps("run", "drawn", "--json").json["computed"] == 0
    assert (package.load("drawn").y.values == before).all()


def test_a_results_file_has_all_that_it_takes_to_build_its_code_anew(
    sweeps, project, run, tmp_path_factory, monkeypatch
):
    run()
    values = package.load("wave")
    attributes = values.attrs
    assert set(json.loads(attributes["data_files"])) == {
        "table.csv", "experiments.wave:@cached(depends_on='levels.txt')"
    }  # fmt: skip
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for name, text in json.loads(attributes["source_files"]).items():
        (elsewhere / name).parent.mkdir(exist_ok=True, parents=True)
        (elsewhere / name).write_text(text)
    for name in ("table.csv", "levels.txt"):
        (elsewhere / "experiments" / name).write_text("1")
    monkeypatch.chdir(elsewhere)
    assert sweep.resolve("wave").fingerprint.digest == attributes["fingerprint"]
    run()
    assert package.load("wave").drop_attrs().identical(values.drop_attrs())


def test_what_is_behind_labels_is_part_of_the_source(sweeps, project, run):
    run()
    assert "return x * 2" in package.load("wave").attrs["source"]


def test_accepting_is_no_matter_of_the_segments(sweeps, project, run, edit):
    """Nothing is copied, and all earlier segments stay as they are."""
    run()
    folder = project / "results" / ".memo" / "wave"
    before = {p: p.read_bytes() for p in folder.rglob("*.seg")}
    edit("G = 1.5", "G = 1.6")
    sweeps("accept", "wave", "--yes")
    run()
    assert {p: p.read_bytes() for p in folder.rglob("*.seg")} == before
    assert len(memo.scan(sweep.resolve("wave").memo).segments) == len(before)


def test_the_same_from_python(project):
    """Of an experiment that no command can find, as in a notebook."""

    def made(function):
        grid = package.grid(x=[1.0, 2.0])
        return package.experiment(grid, name="square")(function)

    def square(x):
        return x * x

    made(square).run(engine="serial")

    def square(x):
        return x**2

    now = made(square)
    why = package.why(now)
    assert (why.stale, len(why.since)) == (2, 1)
    assert "+        return x**2" in str(why)
    assert str(why).endswith(": sweeps.accept(square); if not: square.run()")
    assert package.diff(now, engine="serial", n_sample=1).is_exact
    assert package.status(now).stale == 1
    assert package.accept(now, reason="the same").points == 1
    assert package.status(now).done == 2
    assert "the same" in str(package.why(now))
    with pytest.raises(package.SweepsError, match="already accepted"):
        package.accept(now)
