"""Laws of profiles of clusters: the same in three files, checked, and never more than one line."""

import pytest

from sweeps.errors import SweepsError
from sweeps.project import cluster

TOML = """
partition = "long"
time = 02:30:00
cpus_per_task = 4
mem = "8G"
prologue = ["module load python", "export A='b c'"]
extra = ["--constraint='a&b' --exclusive", "-q normal"]
requeue = false
"""
CFG = """
partition = long
time = 02:30:00
cpus_per_task = 4
mem = 8G
prologue =
    module load python
    export A='b c'
extra =
    --constraint='a&b' --exclusive
    -q normal
requeue = no
"""
WHOLE = cluster.Profile(
    partition="long",
    time="02:30:00",
    cpus_per_task="4",
    mem="8G",
    prologue=("module load python", "export A='b c'"),
    extra=("--constraint=a&b", "--exclusive", "-q", "normal"),
    requeue=False,
)
FILES = {
    "pyproject.toml": "[tool.sweeps.cluster.{}]\n",
    "setup.cfg": "[sweeps.cluster.{}]\n",
    "home/sweeps.toml": "[cluster.{}]\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    (tmp_path / "setup.cfg").touch()  # so that none is sought above
    return tmp_path


def write(folder, file, text, name="big"):
    with (folder / file).open("a") as opened:
        opened.write(FILES[file].format(name) + text + "\n")


def refused(*args):
    with pytest.raises(SweepsError) as error:
        cluster.profile(*args)
    return str(error.value)


@pytest.mark.parametrize("file", FILES)
def test_a_profile_is_the_same_in_each_file_and_from_each_folder_within(folder, file):
    write(folder, file, CFG if file == "setup.cfg" else TOML)
    (folder / "within").mkdir()
    assert cluster.profile(folder) == cluster.profile(folder / "within", "big") == WHOLE


def test_without_profiles_all_is_left_to_the_site(folder):
    assert cluster.profile(folder) == cluster.Profile()


def test_what_stands_nearer_wins_key_by_key(folder):
    write(folder, "home/sweeps.toml", "account = 'me'\npartition = 'a'\nmem = '1G'\ngpus = 1")
    write(folder, "setup.cfg", "partition = b\nmem = 2G")
    write(folder, "pyproject.toml", "mem = '3G'")
    found = cluster.profile(folder, None, ["gpus=a100:2", "time=5"])
    assert found == cluster.Profile("b", "me", "5", "", "3G", "a100:2")


def test_of_several_profiles_one_is_chosen(folder):
    write(folder, "pyproject.toml", "mem = '1G'", "small")
    write(folder, "setup.cfg", "mem = 9G\npartion = irrelevant here", "large")
    assert cluster.profile(folder, "small").mem == "1G"
    assert "choose one of large, small with --profile" in refused(folder)
    assert "Did you mean 'small'?" in refused(folder, "smal")


def test_a_missing_profile_is_told_with_how_to_write_it(folder):
    said = refused(folder, "big")
    assert "no profile of a cluster 'big' (found none)" in said
    assert "[tool.sweeps.cluster.big]" in said


def test_options_behind_the_command_follow_those_of_the_profile(folder):
    write(folder, "pyproject.toml", "extra = '--exclusive'")
    found = cluster.profile(folder, None, ["extra=-q 'x y'"], ["-p", "urgent"])
    assert found.extra == ("-q", "x y", "-p", "urgent")
    assert cluster.profile(folder).extra == ("--exclusive",)


WRONG = {
    "partion = 'x'": "there is no key 'partion'; keys are partition, account, .* 'partition'",
    "mem = 1.5": "mem is one line of text, and not 1.5",
    "mem = true": "mem is one line of text, and not True",
    "mem = ''": "mem is one line",
    r"mem = '''1G\n#SBATCH --x'''".replace(r"\n", "\n"): "mem is one line of text",
    'account = "a\\u2028b"': "account is one line of text",
    "requeue = 'maybe'": "requeue is yes or no, and not 'maybe'",
    "prologue = 3": "prologue is a list of lines",
    "prologue = [3]": "prologue is a list of lines",
    "extra = 'gpu'": "'gpu' is no option of sbatch: write --NAME=VALUE",
    'extra = "--x=\'"': "No closing quotation",
    'extra = "--comment=a\\n#SBATCH --x"': "'#SBATCH' is no option",
    "extra = \"--comment='a\\rb'\"": "characters that a job script cannot hold",
    "extra = '--array=1-3'": "give --tasks N",
    "extra = '--arr 1-3'": "give --tasks N",
    "extra = '-a1-3'": "give --tasks N",
}


@pytest.mark.parametrize(("text", "said"), WRONG.items(), ids=WRONG)
def test_what_cannot_be_is_refused_with_its_place(folder, text, said):
    write(folder, "pyproject.toml", text)
    with pytest.raises(SweepsError, match=said) as error:
        cluster.profile(folder)
    assert f"{folder / 'pyproject.toml'}, [tool.sweeps.cluster.big]: " in str(error.value)


BROKEN = {
    ("pyproject.toml", "[tool"): "cannot be read: ",
    ("pyproject.toml", "tool = 3"): "'tool' is not a table",
    ("pyproject.toml", "[tool.sweeps]\ncluster = 3"): "'tool.sweeps.cluster' is not a table",
    ("pyproject.toml", "[tool.sweeps.cluster]\nmem = '3G'"): "[tool.sweeps.cluster.mem.NAME]",
    ("pyproject.toml", "a = " + "[" * 10_000): "cannot be read: ",
    ("setup.cfg", "mem"): "cannot be read: ",
    ("setup.cfg", "[a]\nb=1\nb=2"): "cannot be read: ",
    ("home/sweeps.toml", "\udcff"): "cannot be read: ",
}


@pytest.mark.parametrize(("file", "text"), BROKEN, ids=map(str, range(len(BROKEN))))
def test_a_file_that_cannot_be_read_is_named(folder, file, text):
    (folder / file).write_text(text, errors="surrogateescape")
    said = refused(folder)
    assert said.startswith(str(folder / file))
    assert BROKEN[file, text] in said


@pytest.mark.parametrize("setting", ["mem", "mmem=3G", "=3", "mem=", "mem=a\n#SBATCH --x"])
def test_a_setting_that_cannot_be_is_refused(folder, setting):
    assert refused(folder, None, [setting]).startswith(f"--set {setting}: ")
