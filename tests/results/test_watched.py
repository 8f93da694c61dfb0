"""Laws of watched results: they are what they are elsewhere, and miss nothing that is read."""

import json
import random

import numpy as np
import pytest
import xarray as xr

from sweeps.code import reads
from sweeps.results import watched
from sweeps.storage import digests

WAYS = [
    "d.v.sel(a=1.0,b='x').item()",
    "d.v.sel(a=1.0).sum().item()",
    "d.sel(a=[0.0,1.0])['w'].values.tolist()",
    "d.v.mean().item()",
    "d.sel(b='y').v.sel(a=0.0).item()",
    "d.v.isel(a=-1).values.tolist()",
    "d.v.sel(a=0.4,method='nearest').values.tolist()",
    "d.sel(a=slice(0,1)).w.values.tolist()",
    "d.sizes['a']",
    "list(d.v.a.values)",
    "d.s.sel(a=0.0).item()",
    "d['v'].sel(a=2.0,b='x').item()",
    "float(d.v.sel(a=np.float64(1),b='y'))",
    "d.v.loc[1.0].values.tolist()",
    "d.v[0,0].item()",
    "d.aux.values.tolist()",
    "d.sel(a=1.0).aux.item()",
    "d.to_dataframe().loc[(0.0,'x'),'v']",
    "len(d)",
    "[str(k) for k in d]",
    "d.v.where(d.v>2).sum().item()",
    "(d.w*2).sel(a=0.0,b='x').item()",
    "xr.concat([d.v,d.v],'n').shape",
    "d.v.max('a').values.tolist()",
    "d.interp(a=0.5).v.values.tolist()",
    "d.v.sel(a=xr.DataArray([0.0,1.0],dims='k')).shape",
    "'v' in d",
    "d.v.attrs",
    "d.sel(a=1.0,b='x').v.attrs",
    "d.get('v').sum().item()",
    "d.v.sel(a=1.0).argmax().item()",
    "d.sel({'b':'x'}).w.sel(a=1.0).item()",
    "d.v.dims",
    "d.drop_vars('w').v.sel(a=1.0,b='x').item()",
    "d.isel(a=0).v.sel(b='x').item()",
    "d.v.T.shape",
    "next(iter(d.v)).sum().item()",
    "bool((d.v==d.v).all())",
    "d.v.sel(a=1.0)[0].item()",
]


def results(chance, n_a, n_b, *, is_first):
    """Results of two versions of an experiment, in which little differs."""
    v = np.arange(20.0).reshape(5, 4)[:n_a, :n_b].copy()
    w = 3 * np.arange(20).reshape(5, 4)[:n_a, :n_b]
    if not is_first and chance.random() < 0.5:
        v[chance.randrange(n_a), chance.randrange(n_b)] += 1
    order = list(range(n_a))
    if chance.random() < 0.3:
        chance.shuffle(order)
    made = xr.Dataset(
        {
            "v": (("a", "b"), v[order]),
            "w": (("a", "b"), w[order]),
            "s": ("a", np.array(list("pqrst"))[:n_a][order]),
        },
        {"a": np.arange(5.0)[:n_a][order], "b": list("xyz")[:n_b]},
        {"ended": chance.random()},
    )
    made = made.assign_coords(aux=("a", made.a.values**2))
    if chance.random() < 0.1:
        made.v.attrs["units"] = "m"
    return made


def asked(way, dataset):
    try:
        return repr(eval(way, {"d": dataset, "xr": xr, "np": np}))
    except Exception as error:
        return type(error).__name__


def check(seed):
    chance = random.Random(seed)
    then = results(chance, chance.randint(2, 4), chance.randint(2, 3), is_first=True)
    now = results(chance, chance.randint(2, 5), chance.randint(2, 3), is_first=False)
    content = digests.Content(now)
    n_held = 0
    for way in WAYS:
        recorder = reads.Recorder()
        with reads.recorded(recorder):
            got = asked(way, watched.watch(then, "first.h5"))
        assert got == asked(way, then)
        seen = recorder.reads
        if all(content.digest(r.variable, json.loads(r.labels)) == r.digest for r in seen):
            n_held += 1
            assert asked(way, now) == got, way
    return n_held


def test_where_what_was_read_holds_the_same_is_read_again():
    assert sum(map(check, range(4)))


@pytest.mark.campaign
def test_where_what_was_read_holds_the_same_is_read_again_in_many_cases():
    assert sum(map(check, range(1000)))
