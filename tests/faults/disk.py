"""disk.py: a model of a disk under a file system that promises what POSIX does, and no more.

A file is an inode with the content that a power cut leaves, and the changes since its last sync,
each of which the disk may or may not have got: a write by sectors of 512 bytes, a truncation as
one. A name is an entry of a directory; entries made, renamed and removed since the last sync of the
directory may or may not be there, a rename as a whole, and none without what the same names went
through before."""

import collections
import functools
import hashlib
import os

SECTOR = 512

Call = collections.namedtuple("Call", "name path other offset data")
# A change of the content: bytes at an offset, or (data None) a new size.
Change = collections.namedtuple("Change", "offset data")


def read_record(path):
    """[Call] that iofault.so wrote down."""
    calls = []
    with open(path, "rb") as file:
        while True:
            line = file.readline()
            if not line:
                return calls
            name, where, other, offset, length = line.decode().rstrip("\n").split("\t")
            calls.append(Call(name, where, other, int(offset), file.read(int(length))))


@functools.lru_cache(maxsize=4096)
def parent(path):
    return os.path.dirname(path) or "."


class Inode:
    """A file or a directory. `safe`: what a power cut leaves in any case."""

    def __init__(self, safe=b"", is_directory=False):
        self.safe, self.changes, self.is_directory = safe, [], is_directory
        self.summed, self.sum = None, b"" # of which content

    def copy(self):
        made = Inode(self.safe, self.is_directory)
        made.changes = list(self.changes)
        return made

    def sync(self):
        content = bytearray(self.safe)
        for change in self.changes:
            changed(content, change)
        self.safe, self.changes = bytes(content), []

    def digest(self, heeded=None):
        """A hash of `safe`, or of what heeded(safe) gives of it; always the same function for one
        file."""
        if self.summed is not self.safe:
            content = self.safe if heeded is None else heeded(self.safe)
            self.summed, self.sum = self.safe, hashlib.sha256(content).digest()
        return self.sum


def changed(content, change):
    """A content behind a change; `content` is a bytearray."""
    if change.data is None:
        if change.offset < len(content):
            del content[change.offset:]
        else:
            content.extend(bytes(change.offset - len(content)))
        return
    end = change.offset + len(change.data)
    if len(content) < end:
        content.extend(bytes(end - len(content)))
    content[change.offset:end] = change.data


def sectors(change):
    """A write as changes of one sector each."""
    if change.data is None:
        return [change]
    pieces, at, end = [], change.offset, change.offset + len(change.data)
    while at < end:
        upto = min(end, (at // SECTOR + 1) * SECTOR)
        pieces.append(Change(at, change.data[at - change.offset:upto - change.offset]))
        at = upto
    return pieces


class Disk:
    """`names`: what programs see; `safe`: what is there after any power cut; `moves`: changes of
    names that are not durable: (directory, {path: inode or None})."""

    def __init__(self):
        self.names, self.safe, self.moves = {}, {}, []

    @staticmethod
    def of_folder(folder):
        made = Disk()
        for here, directories, files in os.walk(folder):
            for name in directories:
                path = os.path.relpath(os.path.join(here, name), folder)
                made.names[path] = Inode(is_directory=True)
            for name in files:
                with open(os.path.join(here, name), "rb") as file:
                    made.names[os.path.relpath(os.path.join(here, name), folder)] = \
                        Inode(file.read())
        made.safe = dict(made.names)
        return made

    def copy(self):
        """With inodes of its own."""
        made, twins = Disk(), {}

        def twin(inode):
            if inode is None:
                return None
            if id(inode) not in twins:
                twins[id(inode)] = inode.copy()
            return twins[id(inode)]

        made.names = {path: twin(inode) for path, inode in self.names.items()}
        made.safe = {path: twin(inode) for path, inode in self.safe.items()}
        made.moves = [(directory, {path: twin(inode) for path, inode in move.items()})
                      for directory, move in self.moves]
        return made

    def apply(self, call):
        name, path = call.name, call.path
        if name == "write":
            self.names[path].changes.append(Change(call.offset, call.data))
        elif name == "truncate":
            self.names[path].changes.append(Change(call.offset, None))
        elif name == "fsync":
            inode = self.names.get(path)
            if inode is not None: # else it was removed while it was open
                inode.sync()
        elif name == "dirsync":
            self.moves, kept = [], self.moves
            for directory, move in kept:
                if directory == path:
                    self.settle(self.safe, move)
                else:
                    self.moves.append((directory, move))
        elif name == "syncfs":
            for inode in self.inodes():
                if inode.changes:
                    inode.sync()
            for _, move in self.moves:
                self.settle(self.safe, move)
            self.moves = []
        elif name in ("create", "mkdir"):
            self.move(path, {path: Inode(is_directory=name == "mkdir")})
        elif name == "unlink":
            self.move(path, {path: None})
        elif name == "rename":
            self.move(path, {call.other: self.names[path], path: None})

    @staticmethod
    def settle(names, move):
        for path, inode in move.items():
            if inode is None:
                names.pop(path, None)
            else:
                names[path] = inode

    def move(self, path, move):
        self.settle(self.names, move)
        self.moves.append((parent(path), move))

    # ---- what a power cut leaves --------------------------------------------------------------

    def pending(self):
        """All that is not durable: ("name", number) and ("change", inode, number)."""
        found = [("name", number) for number in range(len(self.moves))]
        for inode in self.inodes():
            found += [("change", id(inode), number) for number in range(len(inode.changes))]
        return found

    def inodes(self):
        seen = {}
        for inode in list(self.names.values()) + list(self.safe.values()) + \
                [inode for _, move in self.moves for inode in move.values()]:
            if inode is not None:
                seen[id(inode)] = inode
        return list(seen.values())

    def plain_ways(self):
        """(how, what is kept of `pending`)"""
        pending = self.pending()
        yield "all lost", frozenset()
        if not pending:
            return
        yield "all kept", frozenset(pending)
        names = frozenset(one for one in pending if one[0] == "name")
        if names and len(names) < len(pending):
            yield "names kept", names
            yield "contents kept", frozenset(pending) - names
        if len(pending) > 1:
            for one in pending:
                yield "one lost", frozenset(pending) - {one}
                yield "one kept", frozenset([one])
            for count in range(2, len(pending)):
                yield "first kept", frozenset(pending[:count])

    def crash(self, kept):
        """The disk with just what is kept of `pending`."""
        return self.left(lambda move: ("name", move) in kept,
                         lambda inode, number, change:
                         [change] if ("change", id(inode), number) in kept else [])

    def crash_by(self, dice):
        """The disk with what chance keeps: by sectors."""
        share = dice.choice((0.1, 0.5, 0.9))
        return self.left(lambda move: dice.random() < share,
                         lambda inode, number, change:
                         [piece for piece in sectors(change) if dice.random() < share])

    def left(self, keeps_move, kept_of):
        made = Disk()
        names, without = dict(self.safe), set()
        for number, (_, move) in enumerate(self.moves):
            if keeps_move(number) and not without & set(move):
                self.settle(names, move)
            else:
                without |= set(move)
        contents = {}
        for path, inode in names.items():
            if not inode.changes:
                made.names[path] = inode # nothing changes it any more
                continue
            if id(inode) not in contents:
                content = bytearray(inode.safe)
                for number, change in enumerate(inode.changes):
                    for piece in kept_of(inode, number, change):
                        changed(content, piece)
                contents[id(inode)] = Inode(bytes(content), inode.is_directory)
            made.names[path] = contents[id(inode)]
        # What stands in a directory that was lost is lost.
        for path in sorted(made.names):
            above = parent(path)
            if above != "." and above not in made.names:
                del made.names[path]
        return made

    def lay(self, folder, only=None):
        """Writes it into a fresh folder: all of it, or these paths. Nothing may be pending."""
        os.makedirs(folder, exist_ok=True)
        for path in sorted(self.names) if only is None else only:
            inode, target = self.names[path], os.path.join(folder, path)
            if inode.is_directory:
                os.makedirs(target, exist_ok=True)
                continue
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "wb") as file:
                file.write(inode.safe)
