import sys

import pytest

from benchmarks import measuring


def python(code):
    return [sys.executable, "-c", code]


def test_memory_is_that_of_the_whole_tree(tmp_path):
    hold = "import time; x = bytearray(60_000_000); time.sleep(0.5)"
    code = f"import subprocess, sys; c = [sys.executable, '-c', {hold!r}];"
    code += "ps = [subprocess.Popen(c) for _ in '12']; [p.wait() for p in ps]"
    assert measuring.run(python(code), tmp_path).peak_bytes > 120e6


def test_disk_counts_a_file_of_two_names_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    n_bytes, n_files = measuring.disk(tmp_path)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert measuring.disk(tmp_path) == (n_bytes, n_files + 1)
    assert n_bytes >= 100_000


def test_a_failure_says_what_the_process_said_last(tmp_path):
    with pytest.raises(measuring.FailedRunError, match="no such thing"):
        measuring.run(python("raise SystemExit('no such thing')"), tmp_path)


def test_what_takes_too_long_is_ended(tmp_path):
    with pytest.raises(measuring.FailedRunError):
        measuring.run(python("import time; time.sleep(60)"), tmp_path, limit_s=0.2)


def test_fsync_can_be_taken_away(tmp_path):
    code = "import os; os.fsync(-1)"  # no descriptor: a real one raises
    measuring.run(python(code), tmp_path, fsync=False)
    with pytest.raises(measuring.FailedRunError):
        measuring.run(python(code), tmp_path)


def test_the_median_goes_field_by_field():
    runs = [measuring.Run(1, 30, 5, 1), measuring.Run(2, 20, 5, 1), measuring.Run(9, 10, 5, 1)]
    assert measuring.median(runs) == measuring.Run(2, 20, 5, 1)


def test_what_is_touched_before_is_no_memory_of_the_run(tmp_path):
    # A child of a fork begins with the largest size of its parent, which the suite makes large.
    run = measuring.run(python("pass"), tmp_path, touched_bytes=2**30)
    assert run.peak_bytes < 2**30
