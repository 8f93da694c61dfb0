"""Laws of jobs for batch systems: the text of scripts, what they do, and what is refused."""

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import sweeps as product
from sweeps.errors import SweepsError
from sweeps.operations import job_script
from sweeps.project import cluster

WAVE = """
from sweeps import experiment, grid

@experiment(grid(x=range(40)))
def wave(x):
    if x == 3: raise ValueError
    return x / 2
"""
PROFILE = """
[tool.sweeps.cluster.big]
partition = "long"
time = 02:00:00
cpus_per_task = 4
prologue = ["module load python", "set -euo pipefail"]
extra = ["--constraint='a&b' --exclusive"]
"""
GOLDEN = """\
#!/bin/bash
#SBATCH --job-name=wave
#SBATCH --array=0-7%2
#SBATCH --output=HERE/results/.jobs/wave-STAMP/%A_%a.log
#SBATCH --open-mode=append
#SBATCH --requeue
#SBATCH --signal=B:USR1@90
#SBATCH --cpus-per-task=4
#SBATCH --partition=long
#SBATCH --time=02:00:00
#SBATCH --mem=16G
#SBATCH "--constraint=a&b"
#SBATCH --exclusive
#SBATCH -q "very long"

sweeps_project=HERE
sweeps_folder=HERE/results/.jobs/wave-STAMP
sweeps_memo=HERE/results/.memo/wave
sweeps_command=(PYTHON -m sweeps work wave 'x=range(0,50)' --results=HERE/results \
'--only=x < 20' --retry-before=NOW)

# Slurm sends USR1 when the time is nearly over, and TERM where the task is cancelled or put back.
pid='' why='' again=''
stop() { again=1; [ -z "$pid" ] || kill -TERM "$pid" 2>/dev/null || :; }
trap 'why=${why:-time}; stop' USR1
trap 'why=cancelled; stop' TERM

module load python
set -euo pipefail

cd "$sweeps_project" || exit 2
mark=$sweeps_folder/$SLURM_ARRAY_TASK_ID.idle
touch "$mark"
"${sweeps_command[@]}" &
pid=$!
[ -z "$again" ] || stop
again=1
while [ -n "$again" ]; do  # a signal ends `wait`, not the command
    again='' code=0
    wait "$pid" || code=$?
done

# The time was over first, or the command was killed for want of memory: the task goes back into the
# queue, unless that happened three times in a row without a finished point or a newer checkpoint.
if { [ "$why" = time ] && [ "$code" -gt 128 ]; } || [ "$why$code" = 137 ]; then
    if [ -n "$(find "$sweeps_memo" -type f -newer "$mark" \\( -name '*.seg' -o \\
        -path '*/.checkpoints/*/*' \\) -print -quit)" ]; then
        : >"$mark"
    else
        echo >>"$mark"
    fi
    if [ "$(wc -l <"$mark")" -lt 3 ]; then
        scontrol requeue "${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID"
    else
        echo 'three times no point was finished: submit it with more --set time= or mem=' >&2
    fi
fi

exit "$code"
"""
GOLDEN_LANDING = """\
#!/bin/bash
#SBATCH --job-name=wave-land
#SBATCH --output=HERE/results/.jobs/wave-STAMP/land-%j.log
#SBATCH --partition=long
#SBATCH --time=02:00:00
#SBATCH --mem=16G
#SBATCH "--constraint=a&b"
#SBATCH --exclusive
#SBATCH -q "very long"

sweeps_project=HERE
sweeps_command=(PYTHON -m sweeps land wave 'x=range(0,50)' --results=HERE/results)

module load python
set -euo pipefail

cd "$sweeps_project" || exit 2
exec "${sweeps_command[@]}"
"""


@pytest.fixture(autouse=True)
def programs(tmp_path_factory, monkeypatch):
    """A folder for programs of Slurm, where those of the machine are not found."""
    folder = tmp_path_factory.mktemp("programs")
    for name in ("cat", "sh", "bash", "sleep", "touch", "find", "wc", "git"):
        (folder / name).symlink_to(shutil.which(name))
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder))
    monkeypatch.delenv("SWEEPS_EXPERIMENTS", raising=False)
    return folder


@pytest.fixture
def wave(project):
    (project / "experiments" / "wave.py").write_text(WAVE)
    (project / "pyproject.toml").write_text(PROFILE)
    return project


def program(folder, name, text):
    """Put a program in place that notes how it is called."""
    path = folder / name
    path.write_text(f'#!/bin/bash\nprintf "%s\\n" "$*" >>"$0.calls"\n{text}\n')
    path.chmod(0o755)


def calls(folder, name):
    noted = folder / f"{name}.calls"
    return noted.read_text().splitlines() if noted.exists() else []


# ---- what is written


def test_without_slurm_scripts_are_written_and_shown_with_how_to_submit_them(sweeps, wave):
    more = ("--at-most", "2", "--set", "mem=16G", "--only", "x < 20", "--", "-q", "very long")
    said = sweeps("submit", "wave", "x=range(0,50)", "--tasks", "8", *more)
    assert (said.code, said.err) == (0, "")
    (folder,) = (wave / "results" / ".jobs").iterdir()
    for name, golden in (("job.sh", GOLDEN), ("land.sh", GOLDEN_LANDING)):
        text = (folder / name).read_text()
        assert text in said.out
        text = re.sub("(--retry-before=)[0-9T:.+-]+", r"\1NOW", text)
        made = {folder.name: "wave-STAMP", str(wave): "HERE", sys.executable: "PYTHON"}
        for given, shown in made.items():
            text = text.replace(given, shown)
        assert text == golden
    assert f"sbatch --parsable {folder}/job.sh) && sbatch --dependency=afterany:" in said.out
    assert "wave: 20 points in 8 tasks; nothing is submitted yet" in said.out


def test_scripts_that_were_written_disturb_nobody(sweeps, wave):
    for _ in range(3):  # within a second
        assert sweeps("submit", "wave", "--tasks", "2", "--json").code == 0
    assert len(list((wave / "results" / ".jobs").iterdir())) == 3
    assert sweeps("run", "wave", "--engine", "serial").code == 1
    assert sweeps("clean", "wave", "--json").json["waste"] == []
    assert sweeps("verify", "wave").code == 0
    assert sweeps("status", "--json").json[0]["done"] == 39


def test_there_are_no_more_tasks_than_points(sweeps, wave):
    said = sweeps("submit", "wave", "--tasks", str(10**9), "--json")
    assert said.json["tasks"] == 40
    assert "work for 40 tasks only, not for 1,000,000,000" in said.err
    sweeps("run", "wave", "--engine", "serial")
    said = sweeps("submit", "wave", "--tasks", "8", "--json")
    assert "--array=0-0\n" in said.json["scripts"]["job.sh"]
    (wave / "experiments" / "wave.py").write_text(WAVE.replace("x == 3", "False"))
    sweeps("run", "wave", "--engine", "serial")
    n_before = len(list((wave / "results" / ".jobs").iterdir()))
    said = sweeps("submit", "wave", "--tasks", "8", "--yes")
    assert said.code == 2  # there is no sbatch
    said = sweeps("submit", "wave", "--tasks", "8")
    assert (said.code, said.out) == (0, "wave: there is nothing to compute\n")
    assert len(list((wave / "results" / ".jobs").iterdir())) == n_before


def test_a_site_without_requeue_is_told_how_to_do_without(sweeps, wave):
    said = sweeps("submit", "wave", "--tasks", "2", "--set", "requeue=no", "--json")
    assert "--tasks 8 --at-most 2" in said.err
    script = said.json["scripts"]["job.sh"]
    assert "#SBATCH --no-requeue\n" in script
    assert "scontrol" not in script


NAMES = ["a b", "it's", 'say "x"', "$HOME `x` $(x)", "50%j", "#x", "*?", "-x", "é", "a\tb"]


@pytest.mark.parametrize("name", ["project", "results"])
def test_names_of_folders_are_quoted_for_the_shell_and_for_slurm(sweeps, wave, monkeypatch, name):
    folder = wave / "".join(NAMES[:-1])
    (folder / "experiments").mkdir(parents=True)
    (folder / "experiments" / "wave.py").write_text(WAVE)
    monkeypatch.chdir(folder if name == "project" else wave)
    more = [] if name == "project" else ["--results", str(folder)]
    script = sweeps("submit", "wave", "--tasks", "2", "--no-retry", "--json", *more)
    script = script.json["scripts"]["job.sh"]
    assert subprocess.run(["bash", "-n"], input=script, text=True, check=False).returncode == 0
    asked = script[script.index("sweeps_") : script.index("# Slurm")]
    asked += 'printf "%s\\n" "$sweeps_project" "${sweeps_command[@]}"'
    said = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, check=True)
    results = folder / "results" if name == "project" else folder
    assert said.stdout.splitlines() == [
        str(Path.cwd()),
        *(sys.executable, "-m", "sweeps", "work", "wave", f"--results={results}", "--no-retry"),
    ]
    (output,) = (line for line in script.splitlines() if "--output" in line)
    (word,) = shlex.split(output.removeprefix("#SBATCH "))
    assert word.startswith(f"--output={results}/.jobs/".replace("%", "%%"))


@pytest.mark.parametrize("name", ["a\n#SBATCH --wrap=x", "a\\b", "a\rb"])
def test_a_folder_that_no_log_can_be_in_is_refused(sweeps, wave, name):
    said = sweeps("submit", "wave", "--tasks", "2", "--results", name)
    assert said.code == 2
    assert "give another folder with --results" in said.err
    assert not (wave / name).exists()


def test_line_breaks_in_values_end_no_option(sweeps, wave):
    (wave / "experiments" / "text.py").write_text(
        WAVE.replace("x=range(40)", "x=['a']").replace("wave", "text")
    )
    axis = 'x="a\n#SBATCH --wrap=x"'
    script = sweeps("submit", "text", axis, "--tasks", "1", "--json").json["scripts"]["job.sh"]
    assert shlex.quote(axis) in script
    assert script.index("#SBATCH --wrap") > script.index("sweeps_project=")


REFUSED = {
    ("--tasks", "0"): "0 is not in the range",
    ("--tasks", "-1"): "-1 is not in the range",
    ("--tasks", "x"): "'x' is not a valid integer",
    ("--tasks", "2", "--at-most", "0"): "0 is not in the range",
    (): "Missing option '--tasks'",
    ("--tasks", "2", "--profile", "bigg"): "Did you mean 'big'?",
    ("--tasks", "2", "--set", "tme=5"): "Did you mean 'time'?",
    ("--tasks", "2", "--", "urgent"): "no '='",
    ("--tasks", "2", "--", "--array=0-5"): "give --tasks N",
    ("--tasks", "2", "--yes"): "there is no sbatch here",
    ("--tasks", "2", "--yes", "--template", "x.sh"): "submit the script yourself",
    ("--tasks", "2", "--template", "x.sh"): "x.sh: cannot be read: No such file",
    ("x=", "--tasks", "2"): "expected a value",
    ("--tasks", "2", "--engine", "lokky"): "Did you mean 'loky'?",
    ("--tasks", "2", "--kind", "died"): "add --failed",
}


@pytest.mark.parametrize("given", REFUSED, ids=" ".join)
def test_mistakes_are_told_and_nothing_is_written(sweeps, wave, given):
    said = sweeps("submit", "wave", *given)
    assert said.code == 2
    assert REFUSED[given] in said.err
    assert not (wave / "results").exists()


def test_what_failed_can_be_submitted_alone_with_more_of_something(sweeps, wave):
    sweeps("run", "wave", "--engine", "serial", "--limit", "20")
    given = ("--tasks", "5", "--failed", "--kind", "exception", "--set", "mem=16G", "-j3")
    said = sweeps("submit", "wave", *given, "--json")
    assert (said.json["points"], said.json["tasks"]) == (1, 1)
    script = said.json["scripts"]["job.sh"]
    assert "#SBATCH --mem=16G\n" in script
    (command,) = (line for line in script.splitlines() if line.startswith("sweeps_command"))
    words = command.rstrip(")").split()
    assert {"--workers=3", "--failed", "--kind=exception"} <= set(words)
    (before,) = (word.partition("=")[2] for word in words if word.startswith("--retry-before"))
    again = ("work", "wave", "--engine", "serial", "--failed", "--retry-before", before, "--json")
    said = [sweeps(*again).json for _ in range(2)]
    assert [[each[n] for n in ("computed", "failed", "reused")] for each in said] == [
        [0, 1, 19]
    ] * 2
    assert product.failures("wave")[0].attempts == 2
    assert sweeps("submit", "wave", *given[:-3], "--kind", "died").out.endswith(
        "nothing to compute\n"
    )


# ---- what is submitted


def test_tasks_are_submitted_and_behind_them_the_landing(sweeps, wave, programs):
    program(programs, "sbatch", 'echo "12$(wc -l <"$0.calls");there"')
    said = sweeps("submit", "wave", "--tasks", "2", "--yes", "--json")
    assert (said.code, said.err) == (0, "")
    folder = said.json["folder"]
    assert (said.json["job"], said.json["landing_job"]) == ("121", "122")
    assert calls(programs, "sbatch") == [
        f"--parsable {folder}/job.sh",
        f"--parsable --dependency=afterany:121 {folder}/land.sh",
    ]


def test_what_slurm_says_against_it_is_told(sweeps, wave, programs):
    program(programs, "sbatch", "echo 'error: invalid\npartition' >&2; exit 1")
    said = sweeps("submit", "wave", "--tasks", "2", "--yes")
    assert said.code == 2
    assert "job.sh was not submitted: error: invalid partition" in said.err


def test_what_slurm_says_besides_is_passed_on(sweeps, wave, programs, monkeypatch):
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "99")
    monkeypatch.setenv("SLURM_CONF", "here")
    program(
        programs,
        "sbatch",
        'echo "$SLURM_CONF$SLURM_CPUS_PER_TASK is fine" >&2; echo Welcome; echo 7',
    )
    said = sweeps("submit", "wave", "--tasks", "2", "--yes")
    assert said.code == 0
    assert said.err == "warning: here is fine\n"
    assert "submitted job 7; then job 7 lands" in said.out


def test_without_a_landing_job_the_command_is_told(sweeps, wave, programs):
    program(programs, "sbatch", '[ $# = 2 ] && echo 12 || { echo "no more" >&2; exit 1; }')
    said = sweeps("submit", "wave", "--tasks", "2", "--yes")
    assert said.code == 0
    assert "submitted job 12\n" in said.out
    assert "land.sh was not submitted: no more" in said.err
    assert "python -m sweeps land wave" in said.err


CONFIGURATIONS = {
    "MaxArraySize            = 30": 30,
    "SchedulerParameters = x,max_array_tasks=20,y\nMaxArraySize            = 1001": 20,
}


@pytest.mark.parametrize("said", CONFIGURATIONS)
def test_no_more_tasks_than_the_cluster_takes(sweeps, wave, programs, said):
    program(programs, "scontrol", f"echo '{said}'")
    most = CONFIGURATIONS[said]
    assert sweeps("submit", "wave", "--tasks", str(most)).code == 0
    refused = sweeps("submit", "wave", "--tasks", str(most + 1))
    assert refused.code == 2
    assert f"give at most --tasks {most}" in refused.err


@pytest.mark.parametrize("text", ["exit 1", "echo 'MaxArraySize = many'"])
def test_a_cluster_that_does_not_answer_is_not_waited_for(sweeps, wave, programs, text):
    program(programs, "scontrol", text)
    assert sweeps("submit", "wave", "--tasks", "2").code == 0


# ---- what a script does


class Task:
    """A task of an array whose command is a line of Python, without Slurm."""

    def __init__(self, folder, command, **profile):
        (folder / "memo").mkdir(exist_ok=True)
        self.folder, self.begun = folder, folder / "begun"
        command = f"import pathlib, signal, sys, time\n{command}"
        job = job_script.Job(
            "wave",
            2,
            None,
            cluster.Profile(**profile),
            folder,
            folder,
            folder / "memo",
            (sys.executable, "-c", command),
            (),
        )
        self.script = job_script.array(job)

    def run(self, *numbers):
        """Run it, signal its shell once it has begun, and return its exit code and what it says."""
        self.begun.unlink(missing_ok=True)
        env = {**os.environ, "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        with subprocess.Popen(["bash", "-c", self.script], env=env, **pipes) as task:
            while numbers and not self.begun.exists():
                assert task.poll() is None
                time.sleep(0.005)
            for number in numbers:
                task.send_signal(number)
            said, _ = task.communicate(timeout=60)
        return task.returncode, said


HEEDS = """
heard = []
signal.signal(signal.SIGTERM, lambda *_: heard.append("TERM"))
pathlib.Path("begun").touch()
while not heard: time.sleep(0.01)
{then}
print(*heard, flush=True)
sys.exit({code})
"""
STORES = 'pathlib.Path("memo", f"{time.monotonic_ns()}.seg").touch()'


def heeding(folder, code=130, then="", **profile):
    return Task(folder, HEEDS.format(code=code, then=then), **profile)


@pytest.mark.parametrize("prologue", [(), ("set -euo pipefail",)])
def test_the_command_hears_of_signals_and_its_exit_code_is_that_of_the_task(
    tmp_path, programs, prologue
):
    program(programs, "scontrol", "")
    for code in (0, 1, 2):
        assert Task(tmp_path, f"sys.exit({code})", prologue=prologue).run() == (code, "")
    for number in (signal.SIGTERM, signal.SIGUSR1):
        done = heeding(tmp_path, 1, prologue=prologue).run(number)
        assert done == (1, "TERM\n")
    assert calls(programs, "scontrol") == []


def test_a_task_whose_time_is_over_goes_back_into_the_queue(tmp_path, programs):
    program(programs, "scontrol", "")
    assert heeding(tmp_path).run(signal.SIGUSR1) == (130, "TERM\n")
    assert calls(programs, "scontrol") == ["requeue 7_1"]


def test_a_task_that_is_cancelled_stays_so(tmp_path, programs):
    program(programs, "scontrol", "")
    assert heeding(tmp_path).run(signal.SIGTERM) == (130, "TERM\n")
    killed = heeding(tmp_path, then="import os; os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.run(signal.SIGTERM)[0] == 137
    assert calls(programs, "scontrol") == []


def test_a_command_that_ends_before_it_can_heed_goes_back_too(tmp_path, programs):
    program(programs, "scontrol", "")
    task = Task(tmp_path, "pathlib.Path('begun').touch(); time.sleep(60)")
    assert task.run(signal.SIGUSR1)[0] == 128 + signal.SIGTERM
    assert calls(programs, "scontrol") == ["requeue 7_1"]


def test_a_command_that_was_killed_goes_back_too(tmp_path, programs):
    program(programs, "scontrol", "")
    task = Task(tmp_path, "import os; os.kill(os.getpid(), signal.SIGKILL)")
    assert [task.run()[0] for _ in range(4)] == [128 + signal.SIGKILL] * 4
    assert calls(programs, "scontrol") == ["requeue 7_1"] * 2


def test_a_task_that_finishes_no_point_in_its_time_gives_up_at_the_third_time(tmp_path, programs):
    program(programs, "scontrol", "")
    useful, idle = heeding(tmp_path, then=STORES), heeding(tmp_path)
    for task, n_times in ((idle, 2), (useful, 1), (idle, 2)):
        for _ in range(n_times):
            assert task.run(signal.SIGUSR1) == (130, "TERM\n")
    assert len(calls(programs, "scontrol")) == 5
    code, said = idle.run(signal.SIGUSR1)
    assert code == 130
    assert "submit it with more --set time= or mem=" in said
    assert len(calls(programs, "scontrol")) == 5


def test_a_task_does_not_compute_elsewhere(tmp_path):
    task = Task(tmp_path, "print('computed')")
    task.script = task.script.replace(f"sweeps_project={tmp_path}", "sweeps_project=/nowhere")
    code, said = task.run()
    assert code == 2
    assert "computed" not in said


# ---- templates


def filled(template, **profile):
    job = job_script.Job(
        "wave",
        8,
        2,
        cluster.Profile(**profile),
        Path("/a project"),
        Path("/a project/results/.jobs/wave-1"),
        Path("/memo"),
        ("python", "x=1,'a b'"),
        ("python", "land"),
    )
    return job_script.rendered(template, "FILE", job)


FILLED = {
    "{name} {tasks} {last} {at_most}": "wave 8 7 2",
    "cd {project} && {command}": "cd '/a project' && python 'x=1,'\"'\"'a b'\"'\"''",
    "{land}": "python land",
    "{argv}": json.dumps(["python", "x=1,'a b'"]),
    "${PBS_ARRAY_INDEX} ${name} {a,b} {} {1} { }": "${PBS_ARRAY_INDEX} ${name} {a,b} {} {1} { }",
    "awk '{{print}}'": "awk '{print}'",
    "{mem} {time} {prologue}": "3G 1:00 ",
}


@pytest.mark.parametrize("template", FILLED)
def test_placeholders_are_filled_in_and_nothing_else(template):
    assert filled(template, mem="3G", time="1:00") == FILLED[template]


UNFILLED = {
    "{comand}": "no placeholder {comand}; there are name, tasks, .*Did you mean 'command'",
    "awk '{print}'": "is written {{print}}",
    "{gpus}": "{gpus} has no value: give --set gpus=VALUE",
}


@pytest.mark.parametrize("template", UNFILLED)
def test_placeholders_without_a_value_are_refused_by_name(template):
    with pytest.raises(SweepsError, match=f"^FILE: .*{UNFILLED[template]}"):
        filled(template)


def test_a_line_break_ends_no_option_of_a_template(sweeps, wave):
    (wave / "t.sh").write_text("#$ -o {folder}\n{command}\n")
    said = sweeps("submit", "wave", "--tasks", "2", "--template", "t.sh", "--results", "a\n#$ -x")
    assert said.code == 2
    assert "{folder} has a line break" in said.err


def test_templates_are_written_under_their_names(sweeps, wave):
    (wave / "a.sh").write_text("{command}\n")
    (wave / "b.sh").write_text("{land}\n")
    said = sweeps("submit", "wave", "--tasks", "2", "--template", "a.sh", "--template", "b.sh")
    assert said.code == 0
    (folder,) = (wave / "results" / ".jobs").iterdir()
    for name, command in (("a.sh", "work"), ("b.sh", "land")):
        assert f" -m sweeps {command} wave " in (folder / name).read_text()
        assert (folder / name).read_text() in said.out
    assert "submit it as usual" in said.out


PAGE = Path(__file__).parent.parent.parent / "docs" / "clusters.md"
SHOWN = re.findall(r"^```bash\n(#!.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)


def test_the_templates_of_the_documentation_can_be_filled_in(tmp_path):
    templates = [text for text in SHOWN if "{command}" in text]
    assert [re.search(r"^#(PBS|\$|BSUB) ", text, re.MULTILINE)[1] for text in templates] == [
        *("PBS", "$", "BSUB")
    ]
    given = {"cpus_per_task": "4", "mem": "8G", "time": "4:00:00", "prologue": ("a='b'", "c")}
    for text in templates:
        script = filled(text, **given)
        done = subprocess.run(["bash", "-n"], input=script, text=True, check=False)
        assert done.returncode == 0, script
        assert not re.search(r"(?<!\$)\{\w+\}", script)


@pytest.mark.parametrize(
    ("file", "is_put_back"),
    [
        ("ab/x.seg", True),
        ("ab/.checkpoints/00aa/state", True),
        ("ab/.checkpoints/00aa.lock", False),
        ("ab/code.json", False),
    ],
)
def test_a_task_is_put_back_while_points_are_finished_or_get_further(tmp_path, file, is_put_back):
    (tmp_path / "mark").write_text("\n\n")  # two times in vain
    new = tmp_path / "memo" / file
    new.parent.mkdir(parents=True)
    new.touch()
    later = (tmp_path / "mark").stat().st_mtime + 5
    os.utime(new, (later, later))
    before = "why=time code=130 sweeps_memo=memo mark=mark; scontrol() { echo put back; }\n"
    ids = {"SLURM_ARRAY_JOB_ID": "1", "SLURM_ARRAY_TASK_ID": "1", "PATH": os.environ["PATH"]}
    script = ["sh", "-euc", before + job_script._PUT_BACK]
    done = subprocess.run(script, cwd=tmp_path, env=ids, capture_output=True, text=True, check=True)
    assert done.stdout == ("put back\n" if is_put_back else "")
