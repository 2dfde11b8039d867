"""What do both sides hold? Read in bulk at the start of a run, and staged for its parts."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from tasks import snapshots
from tasks.artifacts import GLOBAL, Kind, Part, Snapshot
from tasks.errors import TenantSyncError, Unsafe, Unsupported
from tasks.ignore import IGNORE_FILE, Ignore
from tasks.kestra.side import Flows, KestraSide
from tasks.layout import SyncLayout, kestra_name
from tasks.partplan import unchanged
from tasks.pinning import Pinned, pin
from tasks.probing import Question, Seen, is_worth, look_at, not_read, probe
from tasks.problems import Code, Problem
from tasks.record import Record
from tasks.repo.side import RepoSide
from tasks.repo.tree import EntryKind, TreeEntry
from tasks.requests import NamespaceSync, Task
from tasks.snapshots import GitFile
from tasks.store.bases import BaseRow, Bases, scope
from tasks.store.contents import Contents
from tasks.store.known import Known

#: What Kestra holds under one name: digest, blob id, and the name of the bytes in the contents
#: store; None where Git holds an equal blob in the same part.
Staged = tuple[str, str, str | None]


class PartSurvey(Record):
    """What was read of one part; staged, so that no job of the run reads it again."""

    git: tuple[GitFile, ...] = ()
    #: None: the bulk read did not give it; the job of the part reads it by itself.
    kestra: Mapping[str, Staged] | None = None
    #: Names that cannot take part, and why.
    withheld: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: The base as it was before the sides were read.
    base: BaseRow = BaseRow()


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Both sides of a run as far as they are read in bulk."""

    pinned: Pinned
    #: Parts that a job has to compare: name in the contents store.
    open: Mapping[Part, str] = field(default_factory=dict)
    #: Parts that are proven equal, with the number of their artifacts.
    equal: Mapping[Part, int] = field(default_factory=dict)
    #: Of a dry run: what was read of the parts that are proven equal, as the names of a
    #: `PartSurvey` and a `PartPlan` in the contents store.
    proofs: Mapping[Part, tuple[str, str]] = field(default_factory=dict)
    #: Kinds that this server does not offer, texts that tell no identity.
    problems: tuple[Problem, ...] = ()
    #: How many flows tell no identity and are nowhere listed, so that any may be one of them.
    nameless: int = 0
    #: What the next run needs to ask the probes; None where it cannot.
    seen: Seen | None = None


def survey(
    task: Task,
    run_id: str,
    kestra: KestraSide,
    repo: RepoSide,
    bases: Bases,
    contents: Contents,
    question: Question | None = None,
) -> Survey:
    """Pins both sides, reads them side by side, proves what it can, stages the rest by part.

    Files are read namespace by namespace on as many threads as there are connections; what is
    proven equal is dropped at once, so that memory does not grow with the tenant. With a question
    the probes are asked first, and nothing is read when they say that both sides are as known.
    """
    server = kestra.identity(prove=False)  # what is read next proves the login
    with ThreadPoolExecutor(kestra.connection.connections) as pool:
        probed = pool.submit(probe, kestra) if question is not None else None
        asked = _Asked(task, kestra, pool) if question is None else None
        pinned = pin(task, run_id, server, kestra, repo, bases)
        if pinned.problems:
            return Survey(pinned=pinned)
        seen = None
        if question is not None and probed is not None:
            seen = look_at(probed.result(), task, pinned, kestra, repo, question)
        if seen is not None and seen.known is not None:
            return _unread(pinned, seen, seen.known, kestra.connection.full_read_every)
        began = time.monotonic()
        staging = _staging(task, pinned, repo, bases, contents)
        found = (asked or _Asked(task, kestra, pool)).found()
        surveyed = {
            part: _start(pool, kestra, staging, found, part)
            for part in sorted(_scope(task, found, staging.files, staging.rows))
        }
        read = {part: done.result() for part, done in surveyed.items()}
    if seen is not None and not is_worth(seen, kestra, time.monotonic() - began):
        seen = None
    return _survey(task, pinned, bases, contents, found, read, seen)


def _staging(
    task: Task, pinned: Pinned, repo: RepoSide, bases: Bases, contents: Contents
) -> _Staging:
    layout = SyncLayout(task.git_directory)
    entries = repo.listing(pinned.commit, task.git_directory) if pinned.commit else ()
    return _Staging(layout, contents, placed(layout, entries), bases.parts(scope(pinned.target)))


def _unread(pinned: Pinned, seen: Seen, known: Known, every: float) -> Survey:
    return Survey(pinned=pinned, equal=known.counts, problems=not_read(known, every), seen=seen)


@dataclass(frozen=True, slots=True, kw_only=True)
class _PartResult:
    """One part: proven equal (name → digest, and names to leave as they are), or staged."""

    base: BaseRow
    equal: Mapping[str, str] | None = None
    hidden: frozenset[str] = frozenset()
    staged: str | None = None


def _survey(
    task: Task,
    pinned: Pinned,
    bases: Bases,
    contents: Contents,
    found: _Found,
    results: Mapping[Part, _PartResult],
    seen: Seen | None,
) -> Survey:
    proven = {part: result for part, result in results.items() if result.equal is not None}
    pair = scope(pinned.target)
    for part, result in proven.items() if not task.dry_run else ():
        bases.seen_equal(pair, part, result.base, result.equal or {}, result.hidden)
    return Survey(
        pinned=pinned,
        open={part: one.staged for part, one in results.items() if one.staged is not None},
        equal={part: len(one.equal or {}) for part, one in proven.items()},
        proofs=_proofs(contents, proven) if task.dry_run else {},
        problems=found.problems,
        nameless=found.nameless,
        seen=seen,
    )


def _proofs(contents: Contents, proven: Mapping[Part, _PartResult]) -> dict[Part, tuple[str, str]]:
    """What was read of equal parts, staged as the job of a part would."""
    surveys = [PartSurvey(base=one.base).to_json().encode() for one in proven.values()]
    plans = [
        unchanged(part, len(one.equal or {}))
        .model_copy(update={"equal": one.equal, "differing": tuple(sorted(one.hidden))})
        .to_json()
        .encode()
        for part, one in proven.items()
    ]
    names = contents.put_together([*surveys, *plans])
    return dict(zip(proven, zip(names, names[len(proven) :], strict=False), strict=True))


def _start(
    pool: ThreadPoolExecutor, kestra: KestraSide, staging: _Staging, found: _Found, part: Part
) -> Future[_PartResult]:
    if part.kind is Kind.FILE:
        return pool.submit(lambda: staging.of_files(kestra, part))
    done: Future[_PartResult] = Future()
    done.set_result(staging.of_texts(part, found))
    return done


@dataclass(frozen=True, slots=True)
class _Staging:
    """Proves or stages one part after the other."""

    layout: SyncLayout
    contents: Contents
    files: Mapping[Part, tuple[GitFile, ...]]
    rows: Mapping[Part, BaseRow]

    def of_files(self, kestra: KestraSide, part: Part) -> _PartResult:
        try:
            held = kestra.files(part.namespace)
        except TenantSyncError:
            return self._unread(part)
        return self._of(part, held.contents, (), held.large)

    def of_texts(self, part: Part, found: _Found) -> _PartResult:
        if part in found.unread:
            return self._unread(part)
        return self._of(part, found.texts.get(part, {}), found.drafts.get(part, ()))

    def _of(
        self,
        part: Part,
        held: Mapping[str, bytes],
        drafts: Collection[str],
        large: Mapping[str, int] | None = None,
    ) -> _PartResult:
        git, base = self.files.get(part, ()), self.rows.get(part, BaseRow())
        snapshot = snapshots.kestra(part, held, drafts, large)
        hidden = _hidden(part, held)
        if hidden is not None and _equal(part, self.layout.folder(part), snapshot, git):
            equal = {n: e.digest for n, e in snapshot.entries.items() if n not in hidden}
            return _PartResult(base=base, equal=equal, hidden=hidden)
        surveyed = PartSurvey(
            git=git,
            kestra=self._staged(held, snapshot, {oid for _, _, oid in git}),
            withheld=tuple(sorted(snapshot.withheld)),
            problems=snapshot.problems,
            base=base,
        )
        return _PartResult(base=base, staged=self.contents.put(surveyed.to_json().encode()))

    def _staged(
        self, held: Mapping[str, bytes], snapshot: Snapshot, in_git: Collection[str]
    ) -> dict[str, Staged]:
        wanted = [
            name
            for name, entry in snapshot.entries.items()
            if entry.oid not in in_git or name == IGNORE_FILE
        ]
        names = dict(
            zip(wanted, self.contents.put_together([held[n] for n in wanted]), strict=True)
        )
        return {n: (e.digest, e.oid, names.get(n)) for n, e in snapshot.entries.items()}

    def _unread(self, part: Part) -> _PartResult:
        base = self.rows.get(part, BaseRow())
        surveyed = PartSurvey(git=self.files.get(part, ()), base=base)
        return _PartResult(base=base, staged=self.contents.put(surveyed.to_json().encode()))


def _equal(part: Part, folder: str, snapshot: Snapshot, git: Sequence[GitFile]) -> bool:
    """Whether the blobs of Git are exactly what Kestra holds.

    Equal blob ids prove equal texts, and so equal identities: what Kestra holds in a namespace
    names that namespace. Anything odd (drafts, problems, one text twice) is left to the job.
    """
    if snapshot.withheld or snapshot.problems or len(git) != len(snapshot.entries):
        return False
    plain = [(path, oid) for path, mode, oid in git if mode.startswith("100")]
    if part.kind is Kind.FILE:
        names = {kestra_name(path.removeprefix(f"{folder}/")): oid for path, oid in plain}
        return names == {name: entry.oid for name, entry in snapshot.entries.items()}
    held = Counter(entry.oid for entry in snapshot.entries.values())
    return held == Counter(oid for _, oid in plain) and len(held) == len(git)


def _hidden(part: Part, held: Mapping[str, bytes]) -> frozenset[str] | None:
    """Names that the ignore file of Kestra hides; None where it cannot be read."""
    if part.kind is not Kind.FILE or IGNORE_FILE not in held:
        return frozenset()
    try:
        ignore = Ignore.of(held[IGNORE_FILE])
    except Unsafe:
        return None  # the job of the part says so
    return ignore.hidden(held)


def placed(layout: SyncLayout, entries: Iterable[TreeEntry]) -> Mapping[Part, tuple[GitFile, ...]]:
    """The files of a listing by the part that owns them; foreign ones are left out. What lies in
    the place of a folder (a link, a submodule, a file) belongs to every part behind it."""
    files: dict[Part, list[GitFile]] = defaultdict(list)
    for entry in entries:
        place = layout.place(entry.path)
        hidden = layout.hidden_parts(entry.path, link=not entry.is_file) if place is None else ()
        for part in (place.part,) if place is not None else hidden:
            files[part].append((_storable(entry.path), entry.mode, entry.oid))
    return {part: tuple(found) for part, found in files.items()}


def _storable(path: str) -> str:
    """A path that JSON can hold: bytes that are no UTF-8 become escapes with a backslash, which
    no path rule lets through."""
    return path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def placed_now(repo: RepoSide, layout: SyncLayout, part: Part, commit: str) -> tuple[GitFile, ...]:
    """The files of one part at a commit, as `placed` gives them."""
    folder = layout.folder(part)
    above = repo.paths(commit, [folder, folder.rsplit("/", 1)[0]])
    odd = [entry for entry in above.values() if entry.kind is not EntryKind.TREE]
    return placed(layout, [*odd, *repo.listing(commit, folder)]).get(part, ())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What the bulk calls to Kestra gave, by part."""

    namespaces: frozenset[str]
    texts: Mapping[Part, Mapping[str, bytes]]
    drafts: Mapping[Part, Collection[str]]
    #: Parts whose bulk call failed.
    unread: frozenset[Part]
    unsupported: frozenset[Kind]
    problems: tuple[Problem, ...]
    nameless: int


class _Asked:
    """The bulk calls to Kestra, under way while Git is read."""

    def __init__(self, task: Task, kestra: KestraSide, pool: ThreadPoolExecutor) -> None:
        self._only = task.namespace if isinstance(task, NamespaceSync) else None
        self._namespaces = None if self._only else pool.submit(kestra.namespaces)
        self._flows = pool.submit(kestra.flows, self._only) if Kind.FLOW in task.kinds else None
        dashboards = Kind.DASHBOARD in task.kinds
        self._dashboards = pool.submit(kestra.dashboards) if dashboards else None

    def found(self) -> _Found:
        """Waits for the calls. Raises what kept namespaces or flows from being read; dashboards
        that cannot be read, or are not offered, leave the other kinds as they are."""
        namespaces = set(self._namespaces.result()) if self._namespaces else {str(self._only)}
        texts: dict[Part, dict[str, bytes]] = defaultdict(dict)
        drafts: dict[Part, set[str]] = defaultdict(set)
        flows = self._flows.result() if self._flows is not None else Flows()
        for key, text in flows.texts.items():
            texts[key.part][key.name] = text
            namespaces.add(key.namespace)
        for key in flows.withheld:
            drafts[key.part].add(key.name)
        unread, unsupported, problems = self._read_dashboards(texts)
        return _Found(
            namespaces=frozenset(namespaces),
            texts=texts,
            drafts=drafts,
            unread=unread,
            unsupported=unsupported,
            problems=(*flows.problems, *problems),
            nameless=flows.unplaced,
        )

    def _read_dashboards(
        self, texts: dict[Part, dict[str, bytes]]
    ) -> tuple[frozenset[Part], frozenset[Kind], list[Problem]]:
        part = Part(GLOBAL, Kind.DASHBOARD)
        try:
            texts[part].update(self._dashboards.result() if self._dashboards is not None else {})
        except Unsupported as error:
            problem = Problem(code=Code.UNSUPPORTED, where="dashboards", message=error.message)
            return frozenset(), frozenset({Kind.DASHBOARD}), [problem]
        except TenantSyncError:
            return frozenset({part}), frozenset(), []
        return frozenset(), frozenset(), []


def _scope(
    task: Task,
    found: _Found,
    files: Mapping[Part, Collection[GitFile]],
    rows: Mapping[Part, BaseRow],
) -> set[Part]:
    """All parts of a run: namespaces of either side, of the base and of the task × its kinds."""
    kinds = {Kind(kind) for kind in task.kinds} - found.unsupported
    if isinstance(task, NamespaceSync):
        return {Part(task.namespace, kind) for kind in kinds}
    namespaces = found.namespaces | {part.namespace for part in (*files, *rows)}
    namespaces = (namespaces | set(task.namespaces)) - {GLOBAL}
    of_namespaces = kinds - {Kind.DASHBOARD}
    parts = {Part(namespace, kind) for namespace in namespaces for kind in of_namespaces}
    return parts | ({Part(GLOBAL, Kind.DASHBOARD)} if Kind.DASHBOARD in kinds else set())
