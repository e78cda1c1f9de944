"""What a disk holds after a power cut, from the log that support/powercut.c
writes.

What was synced is there: bytes of a file whose fsync ended, names of a folder
whose fsync ended. Of the rest the seed decides: with `pages`, bytes survive in pages of
4 KiB, each as of some moment of its own; lengths and names as they went to the
file system's journal, that is a first part of them in their order. `none` is
the harshest disk: nothing that was not synced. `orderly` is a kinder one, that
writes back bytes in the order in which they came.
"""
import os
import pathlib
import random
import shutil
import struct

PAGE = 4096
ENTRY = struct.Struct("<QQQIIII")
(CREATE, MKDIR, RENAME, REMOVE, WRITE, TRUNCATE, RESERVE, SYNC_BEGIN,
 SYNC_END) = range(9)


class Op:
    __slots__ = ("index", "time", "ino", "at", "op", "pid", "path", "data")

    def __init__(self, index, fields, path, data):
        self.index = index
        self.time, self.ino, self.at, self.op, self.pid = fields[:5]
        self.path = path
        self.data = data


def read_log(path, state):
    """Paths come out relative to the state folder."""
    raw = pathlib.Path(path).read_bytes()
    ops, at = [], 0
    while at + ENTRY.size <= len(raw):
        fields = ENTRY.unpack_from(raw, at)
        at += ENTRY.size
        name = raw[at:at + fields[5]].decode()
        at += fields[5]
        data = raw[at:at + fields[6]]
        at += fields[6]
        if fields[3] == RENAME:
            data = os.path.relpath(data.decode(), state)
        ops.append(Op(len(ops), fields, os.path.relpath(name, state), data))
    return ops


class File:
    """One file, whatever its names were. `base`: what it held before."""

    def __init__(self, base=None):
        self.base = base
        self.ops = []
        self.synced = -1  # all ops before this index are on the disk

    def build(self, path, rng, keeps):
        """`keeps`: none, orderly or pages."""
        if self.base:
            shutil.copyfile(self.base, path)
        with open(path, "r+b" if self.base else "wb") as f:
            self._apply_synced(f)
            if keeps == "orderly":
                self._apply_first(f, rng)
            elif keeps == "pages":
                self._apply_some(f, rng)
        os.chmod(path, 0o600)

    def _apply_synced(self, f):
        for op in self.ops:
            if op.index < self.synced:
                apply(f, op.op, op.at, op.data)

    def _loose(self):
        return [op for op in self.ops if op.index >= self.synced]

    def _apply_first(self, f, rng):
        left = self._loose()
        for op in left[:rng.randrange(len(left) + 1)]:
            apply(f, op.op, op.at, op.data)

    def _apply_some(self, f, rng):
        """Lengths up to some op, and each page as of some op of its own."""
        left = self._loose()
        lengths = rng.randrange(len(left) + 1)
        for number, op in enumerate(left):
            if op.op in (TRUNCATE, RESERVE) and number < lengths:
                apply(f, op.op, op.at, op.data)
        seen = {}
        for op in left:
            if op.op == WRITE:
                self._apply_pages(f, op, seen, rng)

    def _apply_pages(self, f, op, seen, rng):
        at = op.at
        data = op.data
        while data:
            piece = data[:PAGE - at % PAGE]
            page = at // PAGE
            # From the moment it was last written back on, it has no more.
            seen.setdefault(page, True)
            seen[page] = seen[page] and rng.random() < 0.6
            if seen[page]:
                apply(f, WRITE, at, piece)
            at += len(piece)
            data = data[len(piece):]


def apply(f, op, at, data):
    if op == TRUNCATE:
        f.truncate(at)
    elif op == RESERVE:
        f.truncate(max(at, f.seek(0, os.SEEK_END)))
    else:
        f.seek(at)
        f.write(data)


class Disk:
    """The state of a folder as of a number of ops, to be built elsewhere."""

    def __init__(self, ops, base=None, inodes=None):
        """`inodes`: of what was there before, {ino: path} in `base`."""
        self.files = {}
        self.names = []  # ops on names, in order
        self.folders_synced = {}
        self.base = pathlib.Path(base) if base else None
        self.inodes = inodes or {}
        self.begun = {}
        for op in ops:
            self._take(op)

    def _file(self, ino):
        if ino not in self.files:
            base = self.base / self.inodes[ino] if ino in self.inodes else None
            self.files[ino] = File(base)
        return self.files[ino]

    def _take(self, op):
        if op.op == CREATE:
            self.files[op.ino] = File()
            self.names.append((op, self.files[op.ino]))
        elif op.op in (MKDIR, RENAME, REMOVE):
            self.names.append((op, None))
        elif op.op in (WRITE, TRUNCATE, RESERVE):
            self._file(op.ino).ops.append(op)
        elif op.op == SYNC_BEGIN:
            self.begun[(op.pid, op.ino, op.path)] = op.index
        elif (op.pid, op.ino, op.path) in self.begun:
            self._synced(op, self.begun.pop((op.pid, op.ino, op.path)))

    def _synced(self, op, index):
        """A file, or a folder: each knows what that means for it."""
        self.folders_synced[op.path] = index
        if op.ino in self.files or op.ino in self.inodes:
            self._file(op.ino).synced = index

    def _is_synced(self, op):
        parent = os.path.dirname(op.path) or "."
        return op.index < self.folders_synced.get(parent, -1)

    def _tree(self, rng, keeps):
        """{path: File, or None for a folder}."""
        tree = {}
        if self.base:
            by_path = {path: ino for ino, path in self.inodes.items()}
            for path in sorted(self.base.rglob("*")):
                name = str(path.relative_to(self.base))
                tree[name] = (None if path.is_dir()
                              else self._file(by_path[name]))
        loose = [op for op, _ in self.names if not self._is_synced(op)]
        kept = rng.randrange(len(loose) + 1) if keeps != "none" and loose else 0
        kept_before = loose[kept].index if kept < len(loose) else 1 << 62
        for op, file in self.names:
            if self._is_synced(op) or (keeps != "none"
                                       and op.index < kept_before):
                self._apply_name(tree, op, file)
        return tree

    @staticmethod
    def _apply_name(tree, op, file):
        if op.op in (CREATE, MKDIR):
            tree[op.path] = file
        elif op.op == REMOVE:
            tree.pop(op.path, None)
        elif op.path in tree:
            tree[op.data] = tree.pop(op.path)

    def build(self, target, seed, keeps):
        rng = random.Random(seed)
        target = pathlib.Path(target)
        target.mkdir(mode=0o700)
        tree = self._tree(rng, keeps)
        tree.pop(".", None)
        for name, file in sorted(tree.items()):
            path = target / name
            if not path.parent.is_dir():
                continue  # its folder's name did not make it
            if file is None:
                path.mkdir(mode=0o700)
            else:
                file.build(path, rng, keeps)


def inodes_of(folder):
    folder = pathlib.Path(folder)
    return {p.stat().st_ino: str(p.relative_to(folder))
            for p in folder.rglob("*") if p.is_file()}
