"""What a commit holds: its entries and the contents of its blobs, read in bulk from the mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

from tasks.artifacts import LARGEST
from tasks.errors import Doubtful, NotFound, Refused
from tasks.repo.command import Git, Stream
from tasks.repo.url import check_oid, is_oid

#: Paths up to which one command names them all; beyond, the whole tree is listed (faster).
NAMED = 200


class EntryKind(StrEnum):
    """What an entry of a tree is."""

    #: A file: mode 100644 or 100755.
    BLOB = "blob"
    #: A symbolic link (mode 120000); its blob holds the target. Never followed.
    SYMLINK = "symlink"
    #: Another repository's commit (a submodule, mode 160000); there is nothing to read.
    COMMIT = "commit"
    #: A directory; only `children` and `find` show these.
    TREE = "tree"


_KINDS = {"120000": EntryKind.SYMLINK, "160000": EntryKind.COMMIT, "040000": EntryKind.TREE}


class TreeEntry(NamedTuple):
    """One entry; `path` is below the repository root and untrusted: it may hold anything that
    git lets into a tree (bytes that are no UTF-8 are surrogate escapes)."""

    path: str
    mode: str
    oid: str
    kind: EntryKind

    @property
    def is_file(self) -> bool:
        return self.kind is EntryKind.BLOB


def listing(git: Git, commit: str, directory: str) -> tuple[TreeEntry, ...]:
    """All entries below a directory (empty: the root), in git's order; () when it is absent."""
    tree = directory_oid(git, commit, directory)
    return () if tree is None else _ls(git, tree, directory, "-r")


def children(git: Git, commit: str, directory: str) -> tuple[TreeEntry, ...]:
    """The direct entries of a directory, directories among them; () when it is absent."""
    tree = directory_oid(git, commit, directory)
    return () if tree is None else _ls(git, tree, directory)


def directory_oid(git: Git, commit: str, directory: str) -> str | None:
    """The tree id of a directory, or None when there is no directory of this name."""
    name = directory.strip("/")
    if not name:
        return git.run("rev-parse", "--verify", f"{check_oid(commit)}^{{tree}}").text
    entry = find(git, commit, [name]).get(name)
    return entry.oid if entry is not None and entry.kind is EntryKind.TREE else None


def find(git: Git, commit: str, paths: Sequence[str]) -> Mapping[str, TreeEntry]:
    """The entries at exactly these paths; a path where nothing is has no key."""
    wanted = {path for path in paths if _plain(path)}
    if len(wanted) > NAMED:
        found = {entry.path: entry for entry in _ls(git, check_oid(commit), "", "-r", "-t")}
        return {path: found[path] for path in paths if path in found}
    if not wanted:
        return {}
    output = git.run("ls-tree", "-z", "-t", "--full-tree", check_oid(commit), "--", *wanted).stdout
    return {entry.path: entry for entry in parse(output) if entry.path in wanted}


def _plain(path: str) -> bool:
    """Whether git reads the path as it is written (`a//b`, `a/` and `./a` are read as others)."""
    return "\0" not in path and not {"", ".", ".."} & set(path.split("/"))


def _ls(git: Git, tree: str, directory: str, *options: str) -> tuple[TreeEntry, ...]:
    prefix = f"{directory.strip('/')}/" if directory.strip("/") else ""
    output = git.run("ls-tree", "-z", "--full-tree", *options, tree).stdout
    return tuple(parse(output, prefix))


def parse(output: bytes, prefix: str = "") -> Iterator[TreeEntry]:
    """The entries of `ls-tree -z` output. Raises Doubtful when it is cut short or another."""
    if output and not output.endswith(b"\0"):
        raise Doubtful("git ls-tree: its output is cut short")
    for line in output.decode("utf-8", "surrogateescape").split("\0")[:-1]:
        head, tab, path = line.partition("\t")
        mode, _, rest = head.partition(" ")
        oid = rest.rpartition(" ")[2]
        if not tab or not is_oid(oid):
            raise Doubtful("git ls-tree: its output has another form")
        yield TreeEntry(prefix + path, mode, oid, _KINDS.get(mode, EntryKind.BLOB))


def blobs(git: Git, oids: Iterable[str], limit: int = LARGEST) -> Iterator[tuple[str, bytes]]:
    """The contents of these blobs in the order asked, by one command, one in memory at a time.

    Raises Refused when one has more than `limit` bytes (before it is read), and Doubtful for an
    id that is no blob. Close the iterator, or read it to its end, to end the command.
    """
    asked = [check_oid(oid) for oid in oids]
    if not asked:
        return
    request = "".join(f"{oid}\n" for oid in asked).encode()
    with git.stream("cat-file", "--batch", "--buffer", stdin=request) as stream:
        for oid in asked:
            size = _size(stream, oid)
            if size > limit:
                raise Refused(
                    f"{git.place}: blob {oid} has {size} bytes, the limit is {limit}; make it "
                    "smaller or keep it out of the synced folders"
                )
            content = stream.stdout.read(size)
            if len(content) != size or stream.stdout.read(1) != b"\n":
                raise stream.broken()
            yield oid, content


def sizes(git: Git, oids: Iterable[str]) -> Mapping[str, int]:
    """The bytes of each of these blobs, without reading them."""
    asked = [check_oid(oid) for oid in dict.fromkeys(oids)]
    request = "".join(f"{oid}\n" for oid in asked).encode()
    with git.stream("cat-file", "--batch-check", "--buffer", stdin=request) as stream:
        return {oid: _size(stream, oid) for oid in asked}


def _size(stream: Stream, oid: str) -> int:
    line = stream.stdout.readline()
    words = line.decode("ascii", "replace").split()
    if not line.endswith(b"\n"):
        raise stream.broken()
    if words[1:] == ["missing"]:
        raise NotFound(f"object {oid} is not in the mirror; ensure its commit first")
    if len(words) != 3 or words[0] != oid or words[1] != "blob":
        raise Doubtful(f"git cat-file: {oid} is no blob ({' '.join(words[1:])[:60]})")
    return int(words[2])
