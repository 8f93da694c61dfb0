"""Disks that lose power, and disks that fail, put in the place of `sweeps.storage.disk`.

A power cut leaves, of all that was done to a disk, what was flushed, and of the rest anything: any
of the bytes written to a file since its flush, any of the changes of names since the flush of their
folder, in any combination. Only a single change of a name is whole or not there, as journalling
filesystems have it.
"""

import collections
import contextlib
import dataclasses
import functools
import itertools
import os
import random
import shutil
from pathlib import Path

import pytest

from sweeps.storage import disk
from sweeps.storage.files import TEMPORARY_PREFIX

CALLS = ("create", "open_to_read", "close", "read", "write", "truncate", "flush", "flush_folder")
CALLS += ("protect", "replace", "link", "unlink", "make_folder", "remove_folder", "names")
CALLS += ("content", "open_to_change", "read_at", "write_at")
_NO_CHANGES = ("open_to_read", "open_to_change", "close", "read", "read_at", "names", "content")
_NO_CHANGES += ("protect",)
_MOST_SUBSETS = 6
"""Changes of which all subsets are tried; of more, some."""


@dataclasses.dataclass(frozen=True)
class Operation:
    """A change of the disk, or what somebody was promised by then."""

    call: str
    arguments: tuple


class Recorder:
    """Lets all through, and keeps what changes the disk; what is to be forgotten is not kept."""

    def __init__(self, forget=()):
        self.operations = []
        self._forget = forget
        self._inodes, self._numbers = {}, {}
        self._counter = itertools.count()

    def promise(self, what):
        self.operations.append(Operation("promise", (what,)))

    @contextlib.contextmanager
    def recording(self):
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                patch.setattr(disk, name, self._recorded(name, getattr(disk, name)))
            yield self

    def _recorded(self, name, call):
        def recorded(*arguments):
            known = self._known(name, arguments)
            returned = call(*arguments)
            if name == "create":
                self._inodes[returned] = next(self._counter)
                self._numbers[os.fstat(returned).st_ino] = self._inodes[returned]
                known = (self._inodes[returned], arguments[0])
            if name == "open_to_change":
                self._inodes[returned] = self._numbers[os.fstat(returned).st_ino]
            if name in ("write", "write_at"):
                known = (*known[:2], known[2][:returned])
            if known is not None and name not in self._forget:
                self.operations.append(Operation(name.removesuffix("_at"), known))
            return returned

        return recorded

    def _known(self, name, arguments):
        if name in ("write", "write_at", "truncate", "flush"):
            inode = self._inodes[arguments[0]]
            if name == "write_at":
                return inode, arguments[2], bytes(arguments[1])
            if name != "write":
                return (inode, *arguments[1:])
            return inode, os.lseek(arguments[0], 0, os.SEEK_CUR), bytes(arguments[1])
        is_change = name not in (*_NO_CHANGES, "create")
        return arguments if is_change else None


@dataclasses.dataclass
class Inode:
    """Content as it was flushed, and what was done to it since."""

    content: bytes = b""
    pending: list = dataclasses.field(default_factory=list)

    def flush(self):
        self.content = _written(self.content, self.pending)
        self.pending = []

    def contents(self, rng, n_random):
        """Every content that there may be after a power cut, or some of many."""
        all_ = self.pending
        if not all_:
            return [self.content]
        chosen = [all_[:n] for n in range(len(all_) + 1)]
        chosen += [all_[:n] + all_[n + 1 :] for n in range(len(all_))]
        chosen += [[*all_[:n], _torn(all_[n])] for n in range(len(all_))]
        chosen += [[each for each in all_ if rng.random() < 0.5] for _ in range(n_random)]
        # its length was flushed, and no byte of it
        chosen.append([("truncate", len(_written(self.content, all_)))])
        return list(dict.fromkeys(_written(self.content, each) for each in chosen))


def _written(content, pending):
    made = bytearray(content)
    for call, *rest in pending:
        at = rest[0]
        made.extend(bytes(max(0, at - len(made))))
        if call == "truncate":
            del made[at:]
        else:
            made[at : at + len(rest[1])] = rest[1]
    return bytes(made)


def _torn(change):
    call, at, *data = change
    return (call, at, *(each[: len(each) // 2] for each in data))


class Names:
    """Which name stands for what, as a tree of nodes: int for a file, dict for a folder."""

    def __init__(self):
        self.root = {}

    def at(self, path):
        node = self.root
        for part in path.parts:
            node = node.get(part) if isinstance(node, dict) else None
        return node

    def put(self, path, node):
        """Give a name to a node; where its folder is not there, neither is the name."""
        folder = self.at(path.parent)
        if isinstance(folder, dict):
            folder.pop(path.name, None)
            if node is not None:
                folder[path.name] = node

    def copy(self):
        def copied(node):
            return {k: copied(v) for k, v in node.items()} if isinstance(node, dict) else node

        made = Names()
        made.root = copied(self.root)
        return made

    def files(self, node=None, path=Path()):
        for name, each in sorted((self.root if node is None else node).items()):
            if isinstance(each, dict):
                yield path / name, None
                yield from self.files(each, path / name)
            else:
                yield path / name, each


class Power:
    """A disk under a folder, replayed from what was done to it, that may lose power at any time."""

    def __init__(self, root, rng=None, n_random=2):
        self._root = root
        self._rng = rng or random.Random(0)
        self._n_random = n_random
        self._inodes = {}
        self._now = Names()
        self._kept = Names()
        self._pending = []
        self.promised = []
        self.n_outcomes = 0

    def states(self, operations):
        """Every state of names and contents that a power cut may leave, with what was promised.

        Those that differ in temporary files only are one: nobody reads these.
        """
        seen = set()
        for operation in [*operations, None]:
            for state in self._cut():
                self.n_outcomes += 1
                lasting = [p for p in state if _is_lasting(p)]
                key = (tuple((p, state[p]) for p in sorted(lasting)), len(self.promised))
                if key not in seen:
                    seen.add(key)
                    yield state, list(self.promised)
            if operation is not None:
                self._do(operation)

    def some_states(self, operations, n):
        """Draw `n` of these states: first an instant, then what of the names and contents lasts."""
        drawn = collections.Counter(self._rng.choices(range(len(operations) + 1), k=n))
        for number, operation in enumerate([*operations, None]):
            for _ in range(drawn[number]):
                self.n_outcomes += 1
                yield self._one_cut(), list(self.promised)
            if operation is not None:
                self._do(operation)

    def _do(self, operation):
        call, arguments = operation.call, operation.arguments
        if call == "promise":
            self.promised.append(arguments[0])
        elif call in ("write", "truncate"):
            self._inodes[arguments[0]].pending.append((call, *arguments[1:]))
        elif call == "flush":
            self._inodes[arguments[0]].flush()
        elif call == "flush_folder":
            folder = self._local(arguments[0])
            if folder is not None:
                self._flush_names(folder)
        else:
            self._change(call, arguments)

    def _change(self, call, arguments):
        if call == "create":
            inode, path = arguments
            self._inodes[inode] = Inode()
            change = {self._local(path): inode}
        elif call == "make_folder":
            path = self._local(arguments[0])
            change = {path: {}} if self._now.at(path) is None else {}
        elif call in ("unlink", "remove_folder"):
            change = {self._local(arguments[0]): None}
        else:
            source, target = map(self._local, arguments)
            node = self._now.at(source)
            change = {target: node} if call == "link" else {source: None, target: node}
        if change:
            for path, node in change.items():
                self._now.put(path, node if not isinstance(node, dict) else dict(node))
            self._pending.append(change)

    def _flush_names(self, folder):
        later = []
        for change in self._pending:
            if any(path.parent == folder for path in change):
                self._apply(self._kept, change)
            else:
                later.append(change)
        self._pending = later

    @staticmethod
    def _apply(names, change):
        """Change names; a folder that moves takes with it what it has there."""
        moved = {p: names.at(p) for p, node in change.items() if node is None}
        for path, node in change.items():
            if isinstance(node, dict):
                node = next((m for m in moved.values() if isinstance(m, dict)), {})
            names.put(path, node)

    def _cut(self):
        contents = functools.cache(self._contents)
        for subset in self._subsets(self._pending):
            files = self._files(subset)
            choices = [[None] if i is None else contents(i) for i in files.values()]
            # one file after the other: that two unflushed ones are damaged adds nothing
            base = [each[-1] for each in choices]
            yield dict(zip(files, base, strict=True))
            for n, each in enumerate(choices):
                for content in each[:-1]:
                    yield dict(zip(files, [*base[:n], content, *base[n + 1 :]], strict=True))

    def _one_cut(self):
        files = self._files(self._rng.choice([*self._subsets(self._pending)]))
        lasting = {i for path, i in files.items() if i is not None and _is_lasting(path)}
        changed = self._rng.choice([*lasting, None])
        contents = {i: self._contents(i) for i in {*files.values()} - {None}}
        chosen = {i: all_[-1] for i, all_ in contents.items()} | {None: None}
        if changed is not None:
            chosen[changed] = self._rng.choice(contents[changed])
        return {path: chosen[i] for path, i in files.items()}

    def _files(self, subset):
        names = self._kept.copy()
        for change in subset:
            self._apply(names, change)
        return dict(names.files())

    def _contents(self, inode):
        return self._inodes[inode].contents(self._rng, self._n_random)

    def _subsets(self, changes):
        n = len(changes)
        if n <= _MOST_SUBSETS:
            for r in range(n + 1):
                yield from itertools.combinations(changes, r)
            return
        yield from (changes[:r] for r in range(n + 1))
        yield from (changes[:r] + changes[r + 1 :] for r in range(n))
        yield from ([each] for each in changes)
        for _ in range(8 * self._n_random):
            yield [each for each in changes if self._rng.random() < 0.5]

    def _local(self, path):
        return path.relative_to(self._root) if path.is_relative_to(self._root) else None


def _is_lasting(path):
    return not path.name.startswith(TEMPORARY_PREFIX)


def materialize(state, folder):
    """Write a state to a real folder; names of one file are names of one file there, too."""
    written = {}
    for path, content in state.items():
        if content is None:
            (folder / path).mkdir(parents=True, exist_ok=True)
        elif id(content) in written and content:  # as it is the very same object
            (folder / path).hardlink_to(written[id(content)])
        else:
            (folder / path).write_bytes(content)
            written[id(content)] = folder / path


def copy_tree(source, target):
    """Copy a folder; files of two names have two names in the copy."""
    copies = {}

    def copied(path, to):
        inode = os.stat(path).st_ino  # noqa: PTH116
        if inode in copies:
            os.link(copies[inode], to)
        else:
            copies[inode] = shutil.copy2(path, to)

    shutil.copytree(source, target, copy_function=copied)


class FailingDisk:
    """Counts calls, and fails at one of them, or from that one on."""

    def __init__(self, at=-1, code=0, *, for_good=False):
        self.at, self.code, self.for_good = at, code, for_good
        self.calls, self.failed = [], []

    @contextlib.contextmanager
    def installed(self):
        with pytest.MonkeyPatch.context() as patch:
            for name in CALLS:
                if name != "close":
                    patch.setattr(disk, name, self._failing(name, getattr(disk, name)))
            yield self

    def _failing(self, name, call):
        def failing(*arguments):
            number = len(self.calls)
            self.calls.append(name)
            if number == self.at or (self.for_good and number > self.at >= 0):
                self.failed.append(name)
                raise OSError(self.code, os.strerror(self.code))
            return call(*arguments)

        return failing
