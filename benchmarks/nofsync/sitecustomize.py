"""On the path of processes that are measured without fsync: they ask for it in vain.

sweeps always flushes what it commits, most peers never do. This takes it from sweeps, its workers
included, so that both can be compared like with like.
"""

import os


def _nothing(fd: object) -> None:
    pass


os.fsync = os.fdatasync = _nothing
