"""Hostile and odd HDF5 files, made when they are needed: none is kept."""

import contextlib
import os
import shutil
import struct
import zlib

import h5py
import numpy as np

HOSTILE, ODD = {}, {}
"""Writers of files by what is wrong with them: what must be refused, and what only must not hurt.

Each takes the path and a folder for what the file refers to, and fills a file that is fine so far.
HOSTILE ones are given with a part of the reason.
"""


def hostile(reason):
    def add(write):
        HOSTILE[write.__name__.replace("_", " ")] = (write, reason)
        return write

    return add


def odd(write):
    ODD[write.__name__.replace("_", " ")] = write
    return write


@contextlib.contextmanager
def fine(path, mode="a", **options):
    """A file like ours, open to be made worse."""
    with h5py.File(path, mode, **options) as file:
        if mode == "w":
            x = file.create_dataset("x", data=np.arange(3.0))
            x.make_scale("x")
            y = file.create_dataset("y", data=np.arange(3.0) * 2)
            y.dims[0].attach_scale(x)
        yield file


def patch(path, old, new, n_least=1):
    """Replace bytes of a file, where its format has no checksum for them."""
    content = path.read_bytes()
    assert content.count(old) >= n_least
    path.write_bytes(content.replace(old, new))


@hostile("links to another file")
def an_external_link(path, outside):
    with fine(path) as file:
        file["z"] = h5py.ExternalLink(str(outside), "/secret")


@hostile("links to another file")
def an_external_link_in_a_group(path, outside):
    with fine(path) as file:
        file["_sweeps2/z"] = h5py.ExternalLink(str(outside), "/secret")


@hostile("links to another file")
def a_soft_link_through_an_external_one(path, outside):
    with fine(path) as file:
        file["a"] = h5py.SoftLink("/z/secret")
        file["z"] = h5py.ExternalLink(str(outside), "/")


@hostile("keeps its data in another file")
def external_storage(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (4,), "i1", external=[(str(outside), 0, 4)])


@hostile("is a virtual dataset")
def a_virtual_dataset(path, outside):
    layout = h5py.VirtualLayout((3,), "i8")
    layout[:] = h5py.VirtualSource(str(outside), "secret", (3,))
    with fine(path) as file:
        file.create_virtual_dataset("z", layout)


@hostile("is a virtual dataset")
def a_virtual_dataset_of_itself(path, outside):
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource(".", "z", (3,))
    with fine(path) as file:
        file.create_virtual_dataset("z", layout)


def filtered(path, number):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_chunk((3,))
    plan.set_filter(number, h5py.h5z.FLAG_OPTIONAL, (1,))
    space = h5py.h5s.create_simple((3,))
    with fine(path) as file:
        h5py.h5d.create(file.id, b"z", h5py.h5t.NATIVE_INT32, space, plan)


@hostile("needs filter 32015")
def a_filter_of_a_plugin(path, outside):
    filtered(path, 32015)


@hostile("needs filter 299")
def a_filter_that_nobody_has(path, outside):
    filtered(path, 299)


@hostile("needs filter 32000")
def a_filter_of_h5py(path, outside):
    with fine(path) as file:
        file.create_dataset("z", data=np.arange(3), compression="lzf")


@hostile("declare")
def absurd_size_that_is_never_written(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (2**47,), "f8")


@hostile("declare")
def absurd_size_in_chunks(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (2**50,), "i1", chunks=(1024,))


@hostile("declare")
def an_absurd_chunk(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (10,), "i1", maxshape=(None,), chunks=(2**31,), compression=9)


@hostile("declare")
def an_absurd_type(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (2**10,), "S1073741824")


@hostile("declares|damaged")
def absurd_size_of_what_is_written(path, outside):
    with fine(path) as file:
        file.create_dataset("z", data=np.zeros(12_347, "i1"))
    patch(path, struct.pack("<Q", 12_347), struct.pack("<Q", 2**50), 2)


@hostile("declares|damaged")
def absurd_size_of_what_is_compact(path, outside):
    plan = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plan.set_layout(h5py.h5d.COMPACT)
    with fine(path) as file:
        space = h5py.h5s.create_simple((1237,))
        made = h5py.h5d.create(file.id, b"z", h5py.h5t.STD_I8LE, space, plan)
        made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.zeros(1237, "i1"))
    patch(path, struct.pack("<Q", 1237), struct.pack("<Q", 2**50))


@hostile("declare")
def many_datasets_at_one_place(path, outside):
    with fine(path) as file:
        file.create_dataset("z", data=np.zeros(2**20))
        for i in range(200):
            file[f"z{i}"] = file["z"]


@hostile("declare")
def a_bomb_of_gzip(path, outside):
    n = 2**24
    packed = zlib.compress(bytes(n), 9)
    with fine(path) as file:
        made = file.create_dataset("z", (32 * n,), "i1", chunks=(n,), compression=9)
        for i in range(32):
            made.id.write_direct_chunk((i * n,), packed)


@hostile("declares|damaged")
def an_absurd_attribute(path, outside):
    with fine(path) as file:
        file.attrs["z"] = np.zeros(12_347, "i1")
    patch(path, struct.pack("<Q", 12_347), struct.pack("<Q", 2**40))


@hostile("damaged|does not")
def one_long_text_at_many_places(path, outside):
    with fine(path) as file:
        made = file.create_dataset("z", (2**13,), h5py.string_dtype())
        made[0] = "x" * 2**20
        start, n = made.id.get_offset(), made.size
    content = bytearray(path.read_bytes())
    content[start : start + 16 * n] = content[start : start + 16] * n
    path.write_bytes(content)


@hostile("damaged|does not")
def a_text_without_end(path, outside):
    with fine(path) as file:
        made = file.create_dataset("z", (1,), h5py.string_dtype())
        made[0] = "x" * 12_347
    patch(path, struct.pack("<I", 12_347), b"\xff\xff\xff\xff")


@hostile("in a circle")
def a_cycle_of_hard_links(path, outside):
    with fine(path) as file:
        file["a/b/c"] = file["/"]


@hostile("in a circle")
def a_group_of_two_names(path, outside):
    with fine(path) as file:
        file.create_group("a/b")
        file["c"] = file["a"]


@hostile("in a circle")
def a_soft_link_upwards(path, outside):
    with fine(path) as file:
        file["a/b"] = h5py.SoftLink("/a")


@hostile("links to nothing, or to itself")
def a_cycle_of_soft_links(path, outside):
    with fine(path) as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")


@hostile("links to nothing, or to itself")
def a_soft_link_to_nothing(path, outside):
    with fine(path) as file:
        file["a"] = h5py.SoftLink("/nothing")


@hostile("groups within each other")
def deep_nesting(path, outside):
    with fine(path) as file:
        group = file
        for _ in range(10_000):
            group = group.create_group("a")


@hostile("more than 20,000 objects")
def many_objects(path, outside):
    with fine(path, "w", libver="v110") as file:
        for i in range(100_000):
            file.id.links.create_soft(b"z%d" % i, b"/y")


@hostile("neither numbers nor text")
def references_to_objects(path, outside):
    with fine(path) as file:
        file.create_dataset("z", data=[file["y"].ref], dtype=h5py.ref_dtype)


@hostile("neither numbers nor text")
def references_to_regions(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (1,), h5py.regionref_dtype)[0] = file["y"].regionref[:2]


@hostile("neither numbers nor text")
def references_in_an_attribute(path, outside):
    with fine(path) as file:
        file.attrs.create("z", file["y"].ref, dtype=h5py.ref_dtype)


@hostile("neither numbers nor text")
def lists_of_numbers(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (1,), h5py.vlen_dtype("f8"))


@hostile("neither numbers nor text")
def opaque_values(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (1,), "V8")


@hostile("neither numbers nor text")
def a_type_of_types(path, outside):
    with fine(path) as file:
        kind = np.dtype("f8")
        for _ in range(30):
            kind = np.dtype([("a", kind), ("b", kind)]) if kind.itemsize < 2**12 else kind
        file["type"] = kind


@hostile("not HDF5")
def a_user_block(path, outside):
    with fine(path, "w", userblock_size=512):
        pass
    with path.open("r+b") as file:
        file.write(b"#!/bin/sh\nrm -rf ~\n")


@hostile("damaged|driver|not an HDF5")
def a_part_of_a_family(path, outside):
    with h5py.File(path.with_name("z%d.h5"), "w", driver="family", memb_size=4096) as file:
        file["z"] = np.zeros(10_000)
    path.with_name("z0.h5").replace(path)


@hostile("damaged|driver|not an HDF5")
def a_part_of_a_split_file(path, outside):
    with fine(path.with_name("z"), "w", driver="split"):
        pass
    path.with_name("z-m.h5").replace(path)


@hostile("open for writing")
def a_file_that_was_never_closed(path, outside):
    with fine(path, "w", libver="latest") as file:
        file.flush()
        shutil.copy(path, outside.with_name("copy"))
    outside.with_name("copy").replace(path)


@hostile("not an HDF5 file")
def no_file_of_hdf5(path, outside):
    path.write_text("x,y\n1,2\n")


@hostile("not an HDF5 file")
def an_empty_file(path, outside):
    path.write_bytes(b"")


@hostile("is damaged")
def half_a_file(path, outside):
    path.write_bytes(path.read_bytes()[:2000])


@hostile("not a file")
def a_pipe(path, outside):
    path.unlink()
    os.mkfifo(path)


@hostile("not a file")
def a_folder(path, outside):
    path.unlink()
    path.mkdir()


@odd
def a_dimension_of_another_length(path, outside):
    with fine(path) as file:
        longer = file.create_dataset("longer", data=np.arange(7.0))
        longer.make_scale("longer")
        file["y"].dims[0].attach_scale(longer)
        file.create_dataset("z", data=np.arange(5.0)).dims[0].attach_scale(longer)


@odd
def a_dimension_of_two_dimensions(path, outside):
    with fine(path) as file:
        square = file.create_dataset("square", data=np.zeros((3, 3)))
        square.make_scale("square")
        file.create_dataset("z", data=np.arange(3.0)).dims[0].attach_scale(square)


@odd
def numbers_of_dimensions_that_are_nonsense(path, outside):
    with fine(path) as file:
        for i, said in enumerate(["text", 2**62, -1, np.arange(3), 1.5]):
            made = file.create_dataset(f"z{i}", data=np.arange(3.0))
            made.make_scale(f"z{i}")
            made.attrs["_Netcdf4Dimid"] = said
            made.attrs["_Netcdf4Coordinates"] = said


@odd
def coordinates_that_are_not_there(path, outside):
    with fine(path) as file:
        file["y"].attrs["coordinates"] = "nothing ../y /x \x1b[2J"


@odd
def coordinates_that_are_a_number(path, outside):
    with fine(path) as file:
        file["y"].attrs["coordinates"] = 3


@odd
def references_that_lead_nowhere(path, outside):
    with fine(path) as file:
        del file["y"].attrs["DIMENSION_LIST"]
        file["y"].attrs["DIMENSION_LIST"] = np.arange(3)
        file["x"].attrs["REFERENCE_LIST"] = "text"


def bookkeeping(name, **options):
    def write(path, outside):
        with fine(path) as file:
            if name in file:
                del file[name]
            file.create_dataset(name, **options)

    ODD[f"{name} {options}"] = write


bookkeeping("_sweeps", data=3)
bookkeeping("_sweeps/status", data="done")
bookkeeping("_sweeps/status", data=np.zeros((2, 2, 2)))
bookkeeping("_sweeps/status", data=h5py.Empty("f4"))
bookkeeping("_sweeps/failures", data=["a", "b"])
bookkeeping("summary", data=3.0)
bookkeeping("summary/z", data=np.zeros(3, "S3"))
bookkeeping("z", data=h5py.Empty("f4"))
bookkeeping("z", data=np.zeros((1,) * 32))
bookkeeping("z", data=np.zeros((0, 3)))
bookkeeping("z", data=np.array([b"\xff\xfe", b"\x1b[31m"]))
bookkeeping("z\x1b[31m\n", data=np.zeros(3))
bookkeeping("z z", data=np.zeros(3))


@odd
def another_status_with_dimensions_of_its_own(path, outside):
    with fine(path) as file:
        if "_sweeps" in file:
            del file["_sweeps"]
        status = file.create_dataset("_sweeps/status", data=np.zeros((2, 5)))
        for i, n in enumerate((2, 5)):
            scale = file.create_dataset(f"_sweeps/dim{i}", data=np.zeros(n))
            scale.make_scale(f"dim{i}")
            status.dims[i].attach_scale(scale)


ROOT = {
    "n_points": ["many", -1, np.zeros((2, 2))],
    "n_done": [h5py.Empty("f4"), 2**63 - 1],
    "packages": ["{", "[" * 50_000, np.arange(3)],
    "sweeps_state": [3, np.arange(3), b"\xff"],
    "fingerprint": [np.zeros(1), "\x1b[2J"],
    "title": ["x" * 60_000, "\x1b]0;owned\x07"],
}
for _name, _values in ROOT.items():
    for _value in _values:

        def root(path, outside, name=_name, value=_value):
            with fine(path) as file:
                file.attrs[name] = value

        ODD[f"root attribute {_name} {_value!r:.20}"] = root


OF_VALUES = {
    "units": [3, "days since nonsense", "days since 0001-01-01", "\x1b[2J", np.arange(3)],
    "calendar": ["of the Maya", 5],
    "scale_factor": ["text", 0.0, np.arange(3)],
    "add_offset": ["text", np.nan],
    "_FillValue": ["text", np.arange(3), 2**62],
    "missing_value": ["text", np.arange(3)],
    "dtype": ["bool", "object", "nonsense"],
    "_Unsigned": ["true", 3],
    "bounds": ["nothing"],
    "grid_mapping": ["nothing", 3],
    "CLASS": ["nothing", 3],
    "NAME": [3],
}
for _name, _values in OF_VALUES.items():
    for _value in _values:

        def of_values(path, outside, name=_name, value=_value):
            with fine(path) as file:
                file["y"].attrs[name] = value
                file["x"].attrs[name] = value

        ODD[f"attribute {_name} {_value!r:.20}"] = of_values


@odd
def a_name_that_is_no_utf8(path, outside):
    with fine(path) as file:
        space = h5py.h5s.create_simple((3,))
        h5py.h5d.create(file.id, b"\xff\xfe", h5py.h5t.NATIVE_INT32, space)
        h5py.h5a.create(file.id, b"\xff", h5py.h5t.NATIVE_INT32, h5py.h5s.create(h5py.h5s.SCALAR))


@odd
def text_that_is_no_utf8(path, outside):
    with fine(path) as file:
        file.create_dataset("z", (1,), h5py.string_dtype())[0] = b"\xff\xfe"
        file.attrs.create("z", b"\xff\xfe", dtype=h5py.string_dtype())


@odd
def a_soft_link_to_a_dataset(path, outside):
    with fine(path) as file:
        file["z"] = h5py.SoftLink("/y")
