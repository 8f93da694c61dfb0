"""Whatever a disk makes of a file that was whole, nothing of it is taken for the truth.

python -m pytest -m campaign -s tests/reliability/test_corruption.py
"""

import collections
import concurrent.futures
import dataclasses
import os
import random
import stat
import threading

import pytest

from sweeps import experiment, grid
from sweeps.code import provenance
from sweeps.errors import StorageError
from sweeps.execution.options import Options
from sweeps.memo import index as memo
from sweeps.memo import listing, segment
from sweeps.operations import verify
from sweeps.operations.run import execute
from sweeps.project.sweep import resolve
from sweeps.results import update
from sweeps.storage import seal
from sweeps.storage.dataset import load

pytestmark = pytest.mark.usefixtures("children_that_look")

OPTIONS = Options(engine="serial")


@pytest.fixture
def sweep(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "of_git", lambda _: {})

    @experiment(grid(x=[float(i) for i in range(6)]))
    def cube(x):
        return {"cube": x**3, "text": f"{x}"}

    made = dataclasses.replace(resolve(cube), results=tmp_path / "results")
    for limit in (3, None):
        execute(made, dataclasses.replace(OPTIONS, limit=limit))
    return made


def segments(sweep):
    return sorted(sweep.memo.glob("*.seg"))


def assert_right(dataset):
    assert bool((dataset.cube == dataset.x**3).all())
    assert dataset.text.values.tolist() == [f"{float(i)}" for i in range(6)]


def bits(content, step):
    """Each bit flipped, or some."""
    for number in range(0, 8 * len(content), step):
        flipped = bytearray(content)
        flipped[number // 8] ^= 1 << number % 8
        yield bytes(flipped)


def cuts(content, step):
    """Each shorter beginning, or some, and some with more behind."""
    for n in range(0, len(content), step):
        yield content[:n]
    for more in (b"\0", content[-1:], content, bytes(4096)):
        yield content + more


def pages(content, n_bytes):
    """Pages of zeros, or swapped."""
    for at in range(0, len(content) - n_bytes, n_bytes):
        page, behind = content[at : at + n_bytes], content[at + n_bytes :]
        if any(page):
            yield content[:at] + bytes(n_bytes) + behind
        if page != behind[:n_bytes]:
            yield content[:at] + behind[:n_bytes] + page + behind[n_bytes:]


def n_taken(path, spoiled):
    """How many spoiled contents of a segment are taken for whole, and how many there were."""
    n = taken = 0
    for content in spoiled:
        n += 1
        path.write_bytes(content)
        try:
            segment.load(path)
            taken += 1
        except segment.DamagedError:
            pass
    return taken, n


@pytest.mark.parametrize("make", [bits, cuts, pages], ids=lambda make: make.__name__)
def test_no_spoiled_segment_is_taken_for_whole(sweep, make):
    path = segments(sweep)[0]
    taken, n = n_taken(path, make(path.read_bytes(), 512 if make is pages else 97))
    assert taken == 0
    assert n > 10


@pytest.mark.campaign
def test_no_flip_of_a_bit_and_no_cut_of_a_segment_is_taken_for_whole(sweep):
    path = segments(sweep)[0]
    content = path.read_bytes()
    for make in (bits, cuts):
        taken, n = n_taken(path, make(content, 1))
        assert taken == 0
        print(f"\n{make.__name__}: {n:,} of a segment of {len(content):,} bytes: {taken} taken")


def test_a_spoiled_segment_is_set_aside_named_and_its_points_are_computed_again(sweep):
    rng = random.Random(0)
    for spoil in (bits, cuts, pages):
        path = segments(sweep)[0]
        n_points = sum(map(len, segment.load(path).parts))
        path.write_bytes(rng.choice(list(spoil(path.read_bytes(), 512))))
        sweep.landed.unlink()  # which a run reads first, and the memo only for what it lacks
        report = execute(sweep, OPTIONS)
        assert report.n_computed == n_points
        (warning,) = report.warnings
        assert str(path.with_suffix(listing.BAD_SUFFIX)) in warning
        assert_right(load(sweep.landed))


def test_a_segment_that_is_spoiled_while_a_run_goes_on_is_told(sweep, monkeypatch):
    """Its points were taken for finished, so that they are not computed in this run."""
    sweep.landed.unlink()
    land = update.refresh
    path = segments(sweep)[0]
    before = memo.scan(sweep.memo)

    def spoil(made, _, *arguments, **options):
        path.write_bytes(path.read_bytes()[:-1])
        known = {name: s for name, s in before.segments.items() if name != path.name}
        return land(made, dataclasses.replace(before, segments=known), *arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(update, "refresh", spoil)
        with pytest.raises(StorageError, match=f"{path.stem}.*run again"):
            execute(sweep, OPTIONS)
    assert load(sweep.landed).cube.isnull().any()  # and the rest is landed
    assert execute(sweep, OPTIONS).n_computed > 0
    assert_right(load(sweep.landed))


def test_segments_that_changed_their_names_are_as_good(sweep):
    """Their digests are right."""
    one, other = segments(sweep)[:2]
    contents = one.read_bytes(), other.read_bytes()
    one.write_bytes(contents[1])
    other.write_bytes(contents[0])
    assert execute(sweep, OPTIONS).n_computed == 0
    assert_right(load(sweep.landed))


def spoiled(content, rng):
    """Spoil some bits, a byte or a block, or cut it; never in vain."""
    made = bytearray(content)
    kind = rng.choice(["bit", "bits", "byte", "block", "zeros", "cut"])
    at = rng.randrange(len(made))
    if kind == "cut":
        return kind, content[:at]
    for _ in range(rng.randint(2, 9) if kind == "bits" else kind == "bit"):
        made[rng.randrange(len(made))] ^= 1 << rng.randrange(8)
    if kind == "byte":
        made[at] ^= rng.randint(1, 255)
    if kind in ("block", "zeros"):
        n = min(512, len(made) - at)
        made[at : at + n] = rng.randbytes(n) if kind == "block" else bytes(n)
    return kind, bytes(made)


def spoil_results(sweep, n, seed):
    """Spoil a results file in many ways; count what `verify` and `load` make of it."""
    content, rng = sweep.landed.read_bytes(), random.Random(seed)
    aside = sweep.landed.with_name(sweep.landed.name + listing.BAD_SUFFIX)
    counts = collections.Counter()
    while counts.total() < n:
        kind, now = spoiled(content, rng)
        if now == content:  # zeros in the place of zeros
            continue
        sweep.landed.write_bytes(now)
        try:
            load(sweep.landed)
            is_loaded = now[: -seal.DIGEST_BYTES] != content[: -seal.DIGEST_BYTES]
        except StorageError:
            is_loaded = False
        (damage,) = verify.verify(sweep.landed).damages
        assert (damage.path == aside) == (damage.state == "damaged")
        counts[kind, damage.state, "loaded" if is_loaded else "not loaded"] += 1
        aside.unlink(missing_ok=True)
    return counts


def test_no_spoiled_results_file_is_verified(sweep):
    assert set(spoil_results(sweep, 60, 1)) >= {("bit", "damaged", "not loaded")}


@pytest.mark.campaign
def test_none_of_ten_thousand_spoiled_results_files_is_verified(sweep):
    for (kind, state, loaded), n in sorted(spoil_results(sweep, 10_000, 2).items()):
        print(f"\n{kind:6} {state:9} {loaded:10} {n:6,}", end="")


@pytest.mark.parametrize("spoil", [bits, cuts, pages], ids=lambda make: make.__name__)
def test_a_run_lands_a_spoiled_results_file_anew(sweep, spoil):
    """Also one that says by its attributes that it is up to date."""
    content = sweep.landed.read_bytes()
    for now in random.Random(3).sample(list(spoil(content, 512)), 2):
        sweep.landed.write_bytes(now)
        assert execute(sweep, OPTIONS).n_computed == 0
        assert_right(load(sweep.landed))
        assert not verify.verify(sweep.landed).damages


@pytest.mark.parametrize("mask", [0o027, 0o002, 0o077])
def test_who_may_read_and_write_is_what_the_umask_says(sweep, mask, tmp_path):
    made = dataclasses.replace(sweep, results=tmp_path / "other")
    before = os.umask(mask)
    try:
        execute(made, OPTIONS)
    finally:
        os.umask(before)
    for path in made.results.rglob("*"):
        allowed = 0o777 if path.is_dir() else 0o666
        assert stat.S_IMODE(path.stat().st_mode) == allowed & ~mask, path


def test_readers_see_a_whole_file_while_it_is_landed_again_and_again(sweep):
    """Old or new, each with all of its points."""
    seen, over = [], threading.Event()

    def read():
        while not over.is_set():
            dataset = load(sweep.landed)
            assert not verify.verify(sweep.landed).damages
            assert_right(dataset)
            seen.append(dataset.attrs["ended"])

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        reading = pool.submit(read)
        for _ in range(3):
            execute(sweep, dataclasses.replace(OPTIONS, recompute=True))
        over.set()
        reading.result()
    assert seen
