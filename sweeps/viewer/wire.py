"""Arrays on their way to the page: a header of JSON, then the numbers as they are in memory.

10^5 numbers take 0.8 MB and no time so; as JSON, both sides would need a tenth of a second.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from sweeps import text
from sweeps.storage.hdf5 import Array

_ALIGNED = 8  # a typed array of JavaScript begins at a multiple of the size of its numbers


def pack(header: Mapping[str, Any], arrays: Mapping[str, Array]) -> bytes:
    """Write a header and arrays: length of the header, header, arrays, each begun at 8 bytes.

    The header says of each array its dtype, its shape, and where it begins, counted from the end
    of the header.

    Examples
    --------
    >>> packed = pack({"x": 1}, {"z": np.array([1.5, 2.5])})
    >>> len(packed) % 8, unpack(packed)
    (0, ({'x': 1}, {'z': array([1.5, 2.5])}))
    """
    pieces, said, offset = [], {}, 0
    for name, array in arrays.items():
        own = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        said[name] = {"dtype": own.dtype.name, "shape": array.shape, "offset": offset}
        content = own.tobytes()
        content += bytes(-len(content) % _ALIGNED)
        pieces.append(content)
        offset += len(content)
    head = text.as_json({**header, "arrays": said}, None).encode()
    head += b" " * (-(len(head) + 4) % _ALIGNED)
    return b"".join([struct.pack("<I", len(head)), head, *pieces])


def unpack(content: bytes) -> tuple[dict[str, Any], dict[str, Array]]:
    """Read what `pack` wrote, as the page does."""
    (n_head,) = struct.unpack_from("<I", content)
    header = json.loads(content[4 : 4 + n_head])
    arrays = {}
    for name, said in header.pop("arrays").items():
        n = int(np.prod(said["shape"]))
        own = np.frombuffer(content, said["dtype"], n, 4 + n_head + said["offset"])
        arrays[name] = own.reshape(said["shape"])
    return header, arrays
