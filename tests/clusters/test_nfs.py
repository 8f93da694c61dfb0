"""Runs on two hosts that share a folder over NFS: every point once, whatever becomes of the hosts.

The hosts have kernels of their own, and with them locks, caches and clocks of their own.
"""

import collections
import functools
import sys
import time

import pytest

from tests.clusters import nfs

pytestmark = pytest.mark.campaign

N, POINT_S = 400, 0.05
AWAY_S = 3.0  # so long that both hosts want to write meanwhile

HOSTS = ("a", "b")

COUNTED = """
import os, time
from sweeps import experiment, grid

@experiment(grid(x=range(N_X), y=range(20)))
def counted(x, y):
    time.sleep(POINT_S)
    # Not in the shared folder: hosts that append to one file there overwrite each other's lines.
    with open(os.environ["CALLS"], "a") as calls:
        calls.write(f"{x} {y}\\n")
    return x * 100.0 + y + 10_000 * float(os.environ["ADDED"])
"""

RIGHT = """
import sys
import h5py  # xarray takes longer to import in such a kernel than the points

with h5py.File("results/counted.h5") as file:
    x, y, values = (file[name][...] for name in ("x", "y", "counted"))
assert (len(x), len(y)) == (N_X, 20), (x, y)
assert (values == 100.0 * x[:, None] + y + 10_000 * float(sys.argv[1])).all(), values
"""

SWEEPS = f"{sys.executable} -m sweeps"
RUN = f"{SWEEPS} run counted --engine serial"
"""One process on each host, since such a kernel has one processor."""


class Project:
    """A project in the folder that the hosts share, with `n` points."""

    def __init__(self, office, n):
        self.office, self.n = office, n
        for name, text in {"counted": COUNTED, "right": RIGHT}.items():
            text = text.replace("N_X", str(n // 20)).replace("POINT_S", str(POINT_S))
            (office.folder / f"{name}.py").write_text(text)
        office.call("a", f"mkdir experiments; cp {office.folder}/counted.py experiments/")

    def start(self, host, *options, added=0):
        """Start a run that adds something to each value; then its host checks what it landed."""
        calls = self.office.folder / f"calls-{host}"
        right = self.office.folder / "right.py"
        run = " ".join((f"CALLS={calls} ADDED={added}", RUN, *options))
        return self.office.send(host, f"{run} && {sys.executable} {right} {added}")

    def finish(self, *runs):
        """Wait until runs have ended well, with values that are right; return what they said."""
        ended = [self.office.result(run) for run in runs]
        assert [code for code, _ in ended] == [0] * len(runs), ended
        return [said for _, said in ended]

    def verify(self, host):
        """Have a host look for damage."""
        self.office.call(host, f"{SWEEPS} verify counted")

    def calls(self, host):
        """Count how often a host computed each point."""
        path = self.office.folder / f"calls-{host}"
        return collections.Counter(path.read_text().splitlines() if path.exists() else [])

    def await_calls(self, n, *hosts):
        """Wait until each of some hosts has computed some points."""
        self.office.until(lambda: min(self.calls(h).total() for h in hosts) >= n, "no calls")

    def count(self, what):
        """Return how many points both hosts computed, and say it; each point is among them."""
        computed = [self.calls(host) for host in HOSTS]
        total = sum(computed, collections.Counter())
        by_host = " + ".join(str(each.total()) for each in computed)
        print(f"\n| {self.office.options} | {what} | {by_host} = {total.total()} |")
        assert len(total) == self.n
        return total.total()


@pytest.fixture
def shared(request, tmp_path):
    """A project on two hosts; the parameter has the options of their mounts."""
    if reason := nfs.missing():
        pytest.skip(reason)
    with nfs.office(tmp_path, request.param) as office:
        yield functools.partial(Project, office)


any_version = pytest.mark.parametrize("shared", ["vers=4.2", "vers=3"], indirect=True)


@any_version
def test_two_hosts_take_every_point_once(shared):
    project = shared(N)
    project.finish(*(project.start(host) for host in HOSTS))
    assert project.count("nothing") == N
    assert all(project.calls(host) for host in HOSTS)  # or they did not meet


@any_version
def test_if_a_host_dies_the_other_ends_with_all_values(shared):
    project = shared(N)
    _, survivor = (project.start(host) for host in HOSTS)
    project.await_calls(40, *HOSTS)
    project.office.kill("a")
    project.finish(survivor)
    assert project.count("A was killed") <= 1.1 * N
    project.verify("b")


@any_version
def test_new_values_count_where_clocks_are_an_hour_apart(shared):
    """Each host in turn computes anew what the other one computed."""
    project = shared(40)
    project.office.call("a", "date -s '-1 hour'")
    project.finish(project.start("b", added=1))
    project.finish(project.start("a", "--recompute", added=2))
    project.finish(project.start("b", added=2))  # computes nothing
    project.office.call("a", "date -s '+2 hours'")
    project.finish(project.start("a", "--recompute", added=3))
    project.finish(project.start("b", "--recompute", added=4))
    project.finish(project.start("a", added=4))  # computes nothing
    assert project.count("40 points, computed four times, clocks an hour apart") == 4 * 40


@any_version
def test_if_the_server_starts_again_amid_runs_all_values_are_right(shared):
    project = shared(N)
    runs = [project.start(host) for host in HOSTS]
    project.await_calls(40, *HOSTS)
    project.office.kill("server")
    time.sleep(AWAY_S)
    project.office.start("server")
    project.finish(*runs)
    project.count("the server was killed, and started again")
    project.verify("b")


@pytest.mark.parametrize("shared", ["vers=3,nolock"], indirect=True)
def test_without_locks_runs_say_so_and_are_right(shared):
    project = shared(N)
    said = project.finish(*(project.start(host) for host in HOSTS))
    warnings = [each for each in said if "cannot be shared with runs of other machines" in each]
    project.count(f"nothing; {len(warnings)} of the runs warned")
    assert warnings
    assert all("--shard" in each for each in warnings)
