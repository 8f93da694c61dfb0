"""Laws of a benchmark: what follows from its times, how it reads, and that it is kept whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sweeps.analysis.speedup import FILE, Benchmark, Timing, Variant, keep, read
from sweeps.errors import LaterFormatError, StorageError

seconds = st.floats(1e-6, 1e6)
timings = st.builds(
    lambda s, start, share, n: Timing(s, start, s * share, n),
    seconds,
    seconds,
    st.floats(0, 1),
    st.integers(0, 3),
)


def made(*variants, **changed):
    said = {
        "experiment": "wave",
        "fingerprint": "f" * 32,
        "measured": "2026-01-02T03:04:05Z",
        "machine": {"host": "here"},
        "points": 1000,
        "of_points": 10**6,
        "failed": 0,
        "is_plain": True,
        "axes": {},
        "only": None,
    }
    return Benchmark(**{**said, **changed}, variants=variants)


def timed(workers, seconds, busy_s=None, start_s=0.0, n_failed=0):
    busy_s = seconds * (workers or 1) if busy_s is None else busy_s
    return Variant(workers, (Timing(seconds, start_s, busy_s, n_failed),))


@st.composite
def benchmarks(draw):
    n_rounds = draw(st.integers(1, 4))
    rounds = st.lists(timings, min_size=n_rounds, max_size=n_rounds).map(tuple)
    workers = sorted(draw(st.sets(st.integers(1, 64), min_size=1, max_size=4)))
    return made(*(Variant(n, draw(rounds)) for n in (None, *workers)))


@given(benchmarks())
def test_speed_up_is_sequential_by_parallel_seconds_and_efficiency_that_for_each_worker(bench):
    for row, variant in zip(bench.data["variants"], bench.variants, strict=True):
        assert row["speed_up"] == bench.sequential.seconds / variant.seconds
        assert row["efficiency"] == row["speed_up"] / (variant.workers or 1)
    assert bench.data["variants"][0]["speed_up"] == 1
    assert bench.speed_up(bench.fastest) == max(map(bench.speed_up, bench.variants[1:]))


@given(benchmarks())
def test_overhead_is_a_share_of_what_workers_have(bench):
    assert bench.sequential.overhead is None
    assert all(0 <= variant.overhead <= 1 for variant in bench.variants[1:])


def test_medians_count():
    rounds = [Timing(s, s / 10, s / 2, 0) for s in (9.0, 1.0, 2.0)]
    variant = Variant(1, tuple(rounds))
    assert (variant.seconds, variant.start_s, variant.busy_s, variant.overhead) == (2, 0.2, 1, 0.5)


@given(bench=benchmarks())
def test_what_is_read_is_what_was_kept(tmp_path_factory, bench):
    folder = tmp_path_factory.mktemp("memo")
    keep(folder, bench)
    assert read(folder, "wave") == bench
    assert read(folder, "renamed").experiment == "renamed"


def test_the_file_says_what_it_is(tmp_path):
    keep(tmp_path, made(timed(None, 2.0), timed(2, 1.0)))
    said = json.loads((tmp_path / FILE).read_text())
    assert "sweeps bench" in said["about"]
    assert said["variants"][1]["speed_up"] == 2.0
    assert "experiment" not in said  # a memo does not know its name


def test_where_there_is_none_none_is_read(tmp_path):
    assert read(tmp_path, "wave") is None


@pytest.mark.parametrize(
    "content",
    [b"", b"nonsense", b"[]", b"{}", b"[" * 10**5, b'{"format": "2"}'],
)
def test_a_damaged_one_is_told(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(StorageError, match="damaged: measure again"):
        read(tmp_path, "wave")


def test_one_of_a_later_format_is_refused_with_that_reason(tmp_path):
    (tmp_path / FILE).write_bytes(b'{"format": 2}')
    with pytest.raises(LaterFormatError, match=r"has format 2, and .* up to 1: use the"):
        read(tmp_path, "wave")


@pytest.mark.parametrize("name", ["points", "variants", "machine"])
@pytest.mark.parametrize("value", [None, "x", [], 3.5j.real])
def test_one_of_other_things_is_damaged(tmp_path, name, value):
    keep(tmp_path, made(timed(None, 2.0), timed(2, 1.0)))
    said = json.loads((tmp_path / FILE).read_text()) | {name: value}
    (tmp_path / FILE).write_text(json.dumps(said))
    with pytest.raises(StorageError, match="damaged"):
        read(tmp_path, "wave")


@given(benchmarks())
def test_every_variant_has_a_row_and_a_bar_of_its_length(bench):
    head, table, plot, conclusion = str(bench).split("\n\n")
    assert "1,000 of 1,000,000 points" in head
    assert len(table.splitlines()) == len(bench.variants) + 1
    *bars, legend = plot.splitlines()
    assert "starting the workers" in legend
    longest = max(v.start_s + v.seconds for v in bench.variants)
    for bar, variant in zip(bars, bench.variants, strict=True):
        shown = bar.count("."), bar.count("#")
        assert shown[1] >= 1
        assert abs(shown[1] - max(1, 50 * variant.seconds / longest)) <= 1
    assert "\n" not in conclusion


def test_the_conclusion_says_what_pays():
    bench = made(timed(None, 0.04), timed(1, 0.05), timed(2, 0.02, 0.0388, start_s=1.0))
    assert bench.conclusion == (
        "2 workers are 2 times as fast as a plain loop; points of 40 µs: overhead is 3 %; "
        "starting the workers pays from 50,000 points on"
    )


def test_the_conclusion_says_what_does_not():
    bench = made(timed(None, 0.001), timed(1, 0.002, 0.001), timed(2, 0.004, 0.002))
    assert bench.conclusion.startswith(
        "workers are not worth it: 1 worker takes 2 times as long as a"
    )
    assert "overhead is 50 %" in bench.conclusion
    assert "pays from" not in bench.conclusion


def test_the_conclusion_says_that_workers_hinder_each_other():
    bench = made(timed(None, 1.0), timed(2, 0.75, 1.5))
    assert "a call takes 1.5 times as long in workers" in bench.conclusion


def test_points_that_failed_are_said():
    slips = [timed(None, 1.0), timed(2, 0.75, n_failed=2)]
    assert "3 points of the sample failed and were left out" in str(made(*slips, failed=3))
    assert "1 point of the sample failed and was left out" in str(made(*slips, failed=1))
    assert "up to 2 points failed during the timing" in str(made(*slips))
