"""What both sides have held at every moment: each change, when, and by whom."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache

from sandbox.world import Tenant, World
from tasks.artifacts import GLOBAL, Key, Kind, digest
from tests.soak.places import PAIRS, TENANTS, Pair
from tests.stack import Stack

#: A server of Git says when a branch has moved, and to which commit.
HOOK = """#!/bin/sh
read old new ref
[ "$1" = committed ] && echo "$new $(date +%s.%N)" >>"$GIT_DIR/moves"
exit 0
"""
TRAILER = "%(trailers:key=Tenantsync-Run,valueonly,separator=%x2C)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One change of one artifact: its digest before and after (None = absent)."""

    key: Key
    before: str | None
    after: str | None
    #: Seconds since 1970.
    at: float
    #: In Kestra the login, in Git the run of the commit; None = a person.
    who: str | None


class Timeline:
    """All moves of one side of a pair, oldest first."""

    def __init__(self, moves: Iterable[Move]) -> None:
        self.moves = list(moves)
        self._of: dict[Key, list[Move]] = defaultdict(list)
        for move in self.moves:
            self._of[move.key].append(move)

    def held(self, key: Key, begin: float, end: float) -> set[str | None]:
        """What an artifact was between two moments, both included."""
        found: set[str | None] = set()
        now: str | None = None
        for move in self._of.get(key, ()):
            if move.at > begin:
                found.add(now)
            if move.at > end:
                return found
            now = move.after
        return found | {now}

    def ever(self, key: Key) -> set[str | None]:
        """All that an artifact ever was."""
        return {None, *(move.after for move in self._of.get(key, ()))}

    def now(self) -> dict[Key, str]:
        """What is there after the last move."""
        last = {key: moves[-1].after for key, moves in self._of.items()}
        return {key: after for key, after in last.items() if after is not None}

    @property
    def keys(self) -> set[Key]:
        return set(self._of)


@cache
def _digest(kind: Kind, content: bytes) -> str:
    return digest(kind, content)


class KestraWitness:
    """Stands in the sandbox server and writes down each change of its tenants."""

    def __init__(self, world: World) -> None:
        self._tenants = {name: world.tenant(name) for name in TENANTS.values()}
        self._last: dict[str, dict[Key, str]] = {name: {} for name in self._tenants}
        self.moves: dict[str, list[Move]] = {name: [] for name in self._tenants}
        world.witness = self

    def __call__(self, who: str | None) -> None:
        at = time.time()
        for name, tenant in self._tenants.items():
            assert tenant is not None
            before, after = self._last[name], _present(tenant)
            for key in sorted({*before, *after}):
                old, new = before.get(key), after.get(key)
                if old != new:
                    move = Move(key=key, before=old, after=new, at=at, who=who)
                    self.moves[name].append(move)
            self._last[name] = after

    def timeline(self, tenant: str) -> Timeline:
        return Timeline(self.moves[tenant])


def _present(tenant: Tenant) -> dict[Key, str]:
    found = {}
    for one in tenant.flows.all_live():
        key = Key(one.namespace, Kind.FLOW, one.id)
        found[key] = _digest(Kind.FLOW, one.revision.source.encode())
    for files in tenant.all_files():
        for row in files.files():
            content = files.content(row.path)
            key = Key(files.namespace, Kind.FILE, row.path.removeprefix("/"))
            found[key] = _digest(Kind.FILE, content.raw if content else b"")
    for board in tenant.dashboards.all_live():
        found[Key(GLOBAL, Kind.DASHBOARD, board.id)] = _digest(
            Kind.DASHBOARD, board.source.encode()
        )
    return found


def kept_in_kestra(tenant: Tenant) -> set[tuple[Key, str]]:
    """All texts that somebody can still read in a tenant, those of revisions included."""
    found = set(_present(tenant).items())
    for namespace, name, revision in tenant.flows.kept():
        key = Key(namespace, Kind.FLOW, name)
        found.add((key, _digest(Kind.FLOW, revision.source.encode())))
    for files in tenant.all_files():
        for row in files.files():
            key = Key(files.namespace, Kind.FILE, row.path.removeprefix("/"))
            contents = (files.content(row.path, at + 1) for at in range(len(row.revisions)))
            found |= {(key, _digest(Kind.FILE, one.raw)) for one in contents if one}
    return found


def watch_git(stack: Stack) -> None:
    """From now on the remote notes when a branch moves."""
    hook = stack.repository / "hooks" / "reference-transaction"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(HOOK)
    hook.chmod(0o755)


def git_timelines(stack: Stack) -> Mapping[Pair, Timeline]:
    """The timeline of each pair's folder, from the history of its branch."""
    lines = (stack.repository / "moves").read_text().splitlines()
    times = {line.split()[0]: float(line.split()[1]) for line in lines}
    moves: dict[Pair, list[Move]] = {pair: [] for pair in PAIRS}
    for branch in {pair.branch for pair in PAIRS}:
        own = [pair for pair in PAIRS if pair.branch == branch]
        _read_branch(stack, branch, times, lambda pair, move: moves[pair].append(move), own)
    return {pair: Timeline(found) for pair, found in moves.items()}


def _read_branch(
    stack: Stack,
    branch: str,
    times: Mapping[str, float],
    add: Callable[[Pair, Move], None],
    pairs: list[Pair],
) -> None:
    form = f"--format=@%H {TRAILER}"
    raw = ("--reverse", "--root", "--no-renames", "--raw", "-r", "--no-abbrev", form, branch)
    who: str | None = None
    at = 0.0
    for line in stack.git_out("log", *raw).decode().splitlines():
        if line.startswith("@"):
            oid, _, run = line[1:].partition(" ")
            who, at = run.strip() or None, times.get(oid, at)
        elif line.startswith(":"):
            meta, path = line.split("\t", 1)
            _, _, old, new, _ = meta.split()
            for pair in pairs:
                key = pair.key(path)
                if key is not None:
                    before, after = (_blob(stack, key.kind, oid) for oid in (old, new))
                    add(pair, Move(key=key, before=before, after=after, at=at, who=who))


_blobs: dict[tuple[str, Kind], str] = {}


def _blob(stack: Stack, kind: Kind, oid: str) -> str | None:
    if not oid.strip("0"):
        return None
    if (oid, kind) not in _blobs:
        _blobs[oid, kind] = _digest(kind, stack.git_out("cat-file", "blob", oid))
    return _blobs[oid, kind]
