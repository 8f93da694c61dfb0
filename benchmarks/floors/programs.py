"""The floor of programs: start one, wait for it and read nothing, on threads of one process."""

from __future__ import annotations

import os
import threading

N_THREADS = os.cpu_count() or 1


def programs(n_points: int, word: str = "./half") -> None:
    """Start a program for each point; what it prints goes to no file."""
    nowhere = [(os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0)]
    environment, failed = dict(os.environb), list[int]()

    def start_each(first: int) -> None:
        for i in range(first, n_points, N_THREADS):
            pid = os.posix_spawn(word, [word, str(i)], environment, file_actions=nowhere)
            if os.waitpid(pid, 0)[1]:
                failed.append(i)

    threads = [threading.Thread(target=start_each, args=(i,)) for i in range(N_THREADS)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    if failed:
        raise ValueError(f"{len(failed):,} programs failed, the first at {failed[0]}")
