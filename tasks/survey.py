"""What do both sides hold? Read in bulk at the start of a run, and staged for its parts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.artifacts import GLOBAL, Kind, Part, blob_oid, digest
from tasks.errors import Doubtful, LoginRefused, NotFound, Passing, Unsupported
from tasks.kestra.server import Server
from tasks.kestra.side import KestraSide
from tasks.layout import SyncLayout
from tasks.plan import Target
from tasks.problems import Code, Problem
from tasks.record import Record
from tasks.repo.side import RepoSide
from tasks.repo.tree import EntryKind, TreeEntry
from tasks.requests import NamespaceSync, Side, Task
from tasks.snapshots import GitFile
from tasks.store.bases import BaseRow, Bases, scope
from tasks.store.contents import Contents


class PartSurvey(Record):
    """What was read of one part; staged, so that no job of the run reads it again."""

    git: tuple[GitFile, ...] = ()
    #: Texts of Kestra by flow or dashboard id; files are read by the job of their part.
    texts: Mapping[str, str] = {}
    #: Names that are drafts on the server.
    drafts: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    #: The base as it was before the sides were read.
    base: BaseRow = BaseRow()
    #: Why Kestra's side of the part could not be read.
    unread: str | None = None

    def contents(self) -> dict[str, bytes]:
        """The texts as the bytes that the server holds."""
        return {name: text.encode("utf-8", "surrogateescape") for name, text in self.texts.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """The two sides of a run: which server and tenant, which remote, branch and commit."""

    server: Server
    target: Target
    #: The tip of the branch, or where a new branch starts; None: an empty repository.
    commit: str | None
    new_branch: bool
    #: Why this run cannot go on, all reasons.
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """Both sides of a run as far as they are read in bulk."""

    #: Parts that a job has to compare: name in the contents store.
    open: Mapping[Part, str]
    #: Parts that are proven equal, with the number of their artifacts.
    equal: Mapping[Part, int]
    #: Kinds that this server does not offer, or parts that could not be read.
    problems: tuple[Problem, ...]


def pin(task: Task, run_id: str, kestra: KestraSide, repo: RepoSide, bases: Bases) -> Pinned:
    """Resolves both identities, fetches the branch and pins its commit.

    Raises NotFound, LoginRefused, Unreachable and the like for a side that cannot be reached.
    """
    server = kestra.identity(prove=False)  # the survey proves the login
    target = Target(
        server=server.uuid,
        tenant=kestra.connection.tenant,
        remote=repo.remote,
        branch=task.branch,
        git_directory=task.git_directory,
    )
    tip = repo.tip(task.branch)
    if tip.oid is not None:
        commit = repo.fetch(run_id, task.branch)
        problems = check_history(repo, target, commit, bases)
        return Pinned(
            server=server, target=target, commit=commit, new_branch=False, problems=problems
        )
    truths = {task.source(kind) for kind in task.kinds}
    if Side.GIT in truths:
        problem = _no_branch(task, repo, run_id)
        return Pinned(
            server=server, target=target, commit=None, new_branch=False, problems=(problem,)
        )
    start = _branch_start(task, repo, run_id)
    return Pinned(server=server, target=target, commit=start, new_branch=True, problems=())


def check_history(repo: RepoSide, target: Target, tip: str, bases: Bases) -> tuple[Problem, ...]:
    """The problem of a branch that no longer contains the last synced commit of the pair."""
    last = bases.commit(scope(target))
    if last is None or last == tip or repo.contains(tip, last):
        return ()
    message = (
        f"branch {target.branch} was rewritten: its tip {tip[:10]} does not contain {last[:10]}, "
        "the last commit synced with this tenant; push a branch that contains it, or sync to a "
        "new branch"
    )
    return (Problem(code=Code.HISTORY_REWRITTEN, where=target.branch, message=message, fatal=True),)


def _no_branch(task: Task, repo: RepoSide, run_id: str) -> Problem:
    try:
        repo.fetch(run_id, task.branch)
        message = f"branch {task.branch} is not there"
    except NotFound as error:
        message = error.message
    return Problem(code=Code.NO_BRANCH, where=task.branch, message=message, fatal=True)


def _branch_start(task: Task, repo: RepoSide, run_id: str) -> str | None:
    """Where a new branch starts: `baseBranch`, else the remote's HEAD; None: nothing there."""
    if task.base_branch is not None:
        return repo.fetch(run_id, task.base_branch)
    tip = repo.tip(task.branch)
    if tip.empty or tip.default_branch is None or tip.default_oid is None:
        return None
    return repo.fetch(run_id, tip.default_branch)


def read(
    task: Task, pinned: Pinned, kestra: KestraSide, repo: RepoSide, bases: Bases, contents: Contents
) -> Survey:
    """Reads both sides in bulk, proves what it can, and stages the rest part by part."""
    layout = SyncLayout(task.git_directory)
    entries = repo.listing(pinned.commit, task.git_directory) if pinned.commit else ()
    files = placed(layout, entries)
    rows = bases.parts(scope(pinned.target))
    found = _Found(kestra, task)
    parts = _scope(task, found, files, rows)
    open_: dict[Part, str] = {}
    equal: dict[Part, int] = {}
    for part in sorted(parts):
        surveyed = found.of(part, files.get(part, ()), rows.get(part, BaseRow()))
        proven = proven_equal(part, surveyed)
        if proven is None:
            open_[part] = contents.put(surveyed.to_json().encode())
            continue
        equal[part] = len(proven)
        if not task.dry_run:
            bases.seen_equal(scope(pinned.target), part, surveyed.base, proven, ())
    return Survey(open=open_, equal=equal, problems=tuple(found.problems))


def placed(layout: SyncLayout, entries: Iterable[TreeEntry]) -> Mapping[Part, tuple[GitFile, ...]]:
    """The files of a listing by the part that owns them; foreign ones are left out. What lies in
    the place of a folder (a link, a submodule, a file) belongs to every part behind it."""
    files: dict[Part, list[GitFile]] = defaultdict(list)
    for entry in entries:
        place = layout.place(entry.path)
        parts = (place.part,) if place is not None else layout.hidden_parts(entry.path)
        for part in parts:
            files[part].append((entry.path, entry.mode, entry.oid))
    return {part: tuple(found) for part, found in files.items()}


def placed_now(repo: RepoSide, layout: SyncLayout, part: Part, commit: str) -> tuple[GitFile, ...]:
    """The files of one part at a commit, as `placed` gives them."""
    folder = layout.folder(part)
    above = repo.paths(commit, [folder, folder.rsplit("/", 1)[0]])
    odd = [entry for entry in above.values() if entry.kind is not EntryKind.TREE]
    return placed(layout, [*odd, *repo.listing(commit, folder)]).get(part, ())


def proven_equal(part: Part, surveyed: PartSurvey) -> Mapping[str, str] | None:
    """Name → digest when the blobs of Git are exactly the texts of Kestra, else None.

    Equal blob ids prove equal texts, and so equal identities: what Kestra holds in a namespace
    names that namespace. Anything odd (drafts, problems, one text twice, files) is left to the
    job of the part.
    """
    if part.kind is Kind.FILE or surveyed.drafts or surveyed.problems or surveyed.unread:
        return None
    texts = surveyed.contents()
    kestra = {blob_oid(text): name for name, text in texts.items()}
    git = Counter(oid for _, mode, oid in surveyed.git if mode.startswith("100"))
    if len(kestra) != len(texts) or len(surveyed.git) != len(texts) or set(git) != set(kestra):
        return None
    return {name: digest(part.kind, text) for name, text in texts.items()}


class _Found:
    """What the bulk calls to Kestra gave, by part."""

    def __init__(self, kestra: KestraSide, task: Task) -> None:
        only = task.namespace if isinstance(task, NamespaceSync) else None
        self.problems: list[Problem] = []
        self.namespaces = {only} if only else set(kestra.namespaces())
        self.texts: dict[Part, dict[str, str]] = defaultdict(dict)
        self.drafts: dict[Part, list[str]] = defaultdict(list)
        self.flow_problems: dict[Part, list[Problem]] = defaultdict(list)
        self.unsupported: set[Kind] = set()
        self.unread: dict[Part, str] = {}
        if Kind.FLOW in task.kinds:
            self._read_flows(kestra, only)
        if Kind.DASHBOARD in task.kinds:
            self._read_dashboards(kestra)

    def _read_flows(self, kestra: KestraSide, only: str | None) -> None:
        flows = kestra.flows(only)
        for key, text in flows.texts.items():
            self.texts[key.part][key.name] = text.decode("utf-8", "surrogateescape")
            self.namespaces.add(key.namespace)
        for key in flows.drafts:
            self.drafts[key.part].append(key.name)
        self.problems.extend(flows.problems)

    def _read_dashboards(self, kestra: KestraSide) -> None:
        part = Part(GLOBAL, Kind.DASHBOARD)
        try:
            for name, text in kestra.dashboards().items():
                self.texts[part][name] = text.decode("utf-8", "surrogateescape")
        except Unsupported as error:
            self.unsupported.add(Kind.DASHBOARD)
            self.problems.append(
                Problem(code=Code.UNSUPPORTED, where="dashboards", message=error.message)
            )
        except (Passing, Doubtful, LoginRefused) as error:
            self.unread[part] = error.message

    def of(self, part: Part, git: Sequence[GitFile], base: BaseRow) -> PartSurvey:
        return PartSurvey(
            git=tuple(git),
            texts=self.texts.get(part, {}),
            drafts=tuple(sorted(self.drafts.get(part, ()))),
            problems=tuple(self.flow_problems.get(part, ())),
            base=base,
            unread=self.unread.get(part),
        )


def _scope(
    task: Task,
    found: _Found,
    files: Mapping[Part, Collection[GitFile]],
    rows: Mapping[Part, BaseRow],
) -> set[Part]:
    """All parts of a run: namespaces of either side, of the base and of the task × its kinds."""
    kinds = [kind for kind in task.kinds if kind not in found.unsupported]
    if isinstance(task, NamespaceSync):
        return {Part(task.namespace, Kind(kind)) for kind in kinds}
    namespaces = found.namespaces | {part.namespace for part in (*files, *rows)}
    namespaces |= set(task.namespaces)
    namespaces.discard(GLOBAL)
    parts = {
        Part(namespace, kind)
        for namespace in namespaces
        for kind in kinds
        if kind is not Kind.DASHBOARD
    }
    return parts | ({Part(GLOBAL, Kind.DASHBOARD)} if Kind.DASHBOARD in kinds else set())
