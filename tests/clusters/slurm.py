"""A Slurm cluster on this machine alone, for tests: one controller and some nodes, in a folder.

Nothing outside the folder is written, no system service is needed, and everything listens on the
loopback device only. Ports are taken in ranges, so that several clusters live side by side.
"""

import contextlib
import os
import pwd
import re
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scontrol", "scancel")

_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

_ENDING = ["setpriv", "--pdeathsig", "TERM"] if shutil.which("setpriv") else []
"""Has a daemon end when the tests are killed."""

_N_PORTS = 50
_FIRST_PORT = 20_000
_LAST_PORT = 32_000  # the kernel gives out later ones by itself

_UP_S, _DOWN_S, _CALL_S = 30, 10, 30

CONFIGURATION = """\
ClusterName=sweeps
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SrunPortRange={first_of_srun}-{last_of_srun}
# Otherwise the daemons listen on all devices.
CommunicationParameters=NoCtldInAddrAny,NoInAddrAny
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
# A job that is put back waits for its credential to expire: 121 s by default, 5 s at least.
AuthInfo=socket={folder}/munge.socket,cred_expire=6
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
# Neither cgroups, nor accounting, nor MPI: they need services of the system.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1,sched_min_interval=0
PriorityType=priority/basic
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
ReturnToService=2
MaxArraySize=1001
# `scontrol show job` still knows a job that has ended.
MinJobAge=600
KillWait=2
InactiveLimit=0
SlurmdTimeout=10
SlurmctldTimeout=30
# Nodes may have more processors and memory than the machine.
SlurmdParameters=config_overrides
NodeName=n[0-{last}] NodeHostname={host} NodeAddr=127.0.0.1 Port={ports} CPUs={n_cpus} \
RealMemory=4000
PartitionName=work Nodes=ALL Default=YES DefMemPerCPU=500 State=UP PriorityTier=1 GraceTime=2
PartitionName=urgent Nodes=ALL DefMemPerCPU=500 State=UP PriorityTier=10 PreemptMode=OFF
"""
"""Two partitions; a job of `urgent` takes the place of one of `work`, which is put back."""


def missing():
    """Say why there can be no cluster here, or nothing."""
    absent = [name for name in PROGRAMS if shutil.which(name, path=_PATH) is None]
    return f"programs of Slurm are missing: {', '.join(absent)}" if absent else ""


@contextlib.contextmanager
def slurm(folder, n_nodes=2, n_cpus=2):
    """Bring up a cluster in an empty folder, and end its jobs and daemons in the end."""
    folder = Path(folder)
    with contextlib.ExitStack() as stack:
        cluster = Cluster(folder, stack.enter_context(_ports()), n_nodes, n_cpus)
        stack.callback(cluster.close)
        cluster.start()
        yield cluster


class Cluster:
    """A cluster that runs; its nodes are n0, n1, …"""

    def __init__(self, folder, port, n_nodes, n_cpus):
        self.folder, self.n_nodes, self.n_cpus = folder, n_nodes, n_cpus
        outside = {k: v for k, v in os.environ.items() if not re.match("(SLURM|SBATCH|SQUEUE)_", k)}
        self.env = {**outside, "PATH": _PATH, "SLURM_CONF": str(folder / "slurm.conf")}
        self.daemons = {}
        text = CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            user=pwd.getpwuid(os.getuid()).pw_name,
            folder=folder,
            port=port,
            ports=f"[{port + 1}-{port + n_nodes}]" if n_nodes > 1 else port + 1,
            first_of_srun=port + 20,
            last_of_srun=port + _N_PORTS - 1,
            last=n_nodes - 1,
            n_cpus=n_cpus,
        )
        (folder / "slurm.conf").write_text(text)

    def start(self):
        """Start the daemons, as children of this process, and wait until all nodes are free."""
        self._start_munge()
        for name in ("state", *(f"spool.n{i}" for i in range(self.n_nodes))):
            (self.folder / name).mkdir()
        self._start("slurmctld", "slurmctld", "-D", "-f", self.folder / "slurm.conf")
        for i in range(self.n_nodes):
            self.start_node(f"n{i}")
        free = ("sinfo", "-h", "-p", "work", "-t", "idle", "-o", "%D")
        self._until(lambda: self._said(*free) == str(self.n_nodes), _UP_S, "the nodes are not up")

    def start_node(self, name):
        """Start the daemon of a node; `daemons[name]` is its process."""
        self._start(name, "slurmd", "-D", "-f", self.folder / "slurm.conf", "-N", name)

    def call(self, *command, cwd=None):
        """Run a command of Slurm, and return what it prints."""
        done = self._run(command, cwd)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout.strip()

    def submit(self, script, *options, cwd=None):
        """Submit a batch script, given as text, and return the number of the job.

        What the job prints is in ``folder``, in a file ``NUMBER_TASK.log``, or ``NUMBER.log``.
        """
        path = self.folder / f"job-{time.monotonic_ns()}.sh"
        path.write_text(script if script.startswith("#!") else f"#!/bin/bash\n{script}")
        is_array = any(each.startswith(("--array", "-a")) for each in options)
        log = self.folder / ("%A_%a.log" if is_array else "%A.log")
        given = ("--parsable", "--open-mode=append", f"--output={log}", *options)
        return int(self.call("sbatch", *given, str(path), cwd=cwd).partition(";")[0])

    def wait(self, job, timeout_s=60):
        """Wait until a job, or every task of an array, has ended, and return its tasks."""
        # `sbatch --wait` looks only every few seconds
        said = ("squeue", "-h", "-j", str(job), "-o", "%T")
        self._until(lambda: self._said(*said) == "", timeout_s, f"job {job} has not ended")
        return self.tasks(job)

    def tasks(self, job):
        """List what ``scontrol show job`` says of each task: ``{"JobState": "COMPLETED", …}``."""
        lines = self.call("scontrol", "show", "job", "-o", str(job)).splitlines()
        told = [dict(word.split("=", 1) for word in line.split() if "=" in word) for line in lines]
        return sorted(told, key=lambda task: int(task.get("ArrayTaskId", "0").split("-")[0]))

    def logs(self, job):
        """Return all that a job printed."""
        return "".join(path.read_text() for path in sorted(self.folder.glob(f"{job}[_.]*log")))

    def close(self):
        """End all jobs, then all daemons."""
        if "slurmctld" in self.daemons:
            jobs = (self._said("squeue", "-h", "-o", "%A") or "").split()
            if jobs:
                self._run(("scancel", "--full", "-s", "KILL", *jobs))
                self._run(("scancel", *jobs))
            nothing = ("squeue", "-h", "-o", "%A")
            with contextlib.suppress(AssertionError):
                self._until(lambda: self._said(*nothing) == "", _DOWN_S, "jobs go on")
        for daemon in self.daemons.values():
            daemon.terminate()
        for daemon in self.daemons.values():
            try:
                daemon.wait(_DOWN_S)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _start_munge(self):
        place = self.folder / "munge.socket"
        assert len(str(place)) < 100, f"{place} is too long for the name of a socket"
        key = self.folder / "munge.key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        files = {"socket": place, "key-file": key}
        files |= {f"{what}-file": self.folder / f"munged.{what}" for what in ("pid", "log", "seed")}
        given = (f"--{option}={path}" for option, path in files.items())
        self._start("munged", "munged", "--foreground", "--force", "--num-threads=2", *given)
        self._until(place.exists, _UP_S, "munged is not up")

    def _start(self, name, *command):
        with (self.folder / f"{name}.log").open("ab") as log:
            self.daemons[name] = subprocess.Popen(
                [*_ENDING, *map(str, command)],
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the tests
            )

    def _run(self, command, cwd=None):
        given = {"env": self.env, "capture_output": True, "text": True, "timeout": _CALL_S}
        return subprocess.run(list(map(str, command)), cwd=cwd, **given)

    def _said(self, *command):
        """Return what a command prints, or None if it fails, as while the cluster comes up."""
        done = self._run(command)
        return done.stdout.strip() if done.returncode == 0 else None

    def _until(self, holds, timeout_s, otherwise):
        start, pause_s = time.monotonic(), 0.02
        while not holds():
            dead = [name for name in ("munged", "slurmctld") if self._is_dead(name)]
            late = time.monotonic() - start > timeout_s
            assert not (dead or late), f"{otherwise}; {dead or 'no daemon'} ended\n{self._ends()}"
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, 0.3)

    def _is_dead(self, name):
        return name in self.daemons and self.daemons[name].poll() is not None

    def _ends(self):
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"{path.name}: {path.read_text()[-1000:]}" for path in logs)


@contextlib.contextmanager
def _ports():
    """Reserve a range of ports, and yield the first.

    Who holds a range holds an abstract socket of its name, which goes when the process does.
    """
    for port in range(_FIRST_PORT, _LAST_PORT, _N_PORTS):
        with socket.socket(socket.AF_UNIX) as held, contextlib.ExitStack() as probes:
            try:
                held.bind(f"\0sweeps-slurm-{port}")
                for each in range(port, port + _N_PORTS):
                    probe = probes.enter_context(socket.socket())
                    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    probe.bind(("127.0.0.1", each))
            except OSError:  # taken
                continue
            probes.close()
            yield port
            return
    raise AssertionError("no range of ports is free")
