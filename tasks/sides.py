"""How one part is seen on either side: a snapshot, and the bytes behind its entries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Protocol

from tasks import snapshots
from tasks.artifacts import GLOBAL, Entry, Kind, Part, Snapshot
from tasks.errors import Unsafe
from tasks.ignore import IGNORE_FILE, Ignore
from tasks.kestra.side import KestraSide
from tasks.repo.side import RepoSide
from tasks.run import Run
from tasks.snapshots import GitFile, Known
from tasks.store.contents import Contents
from tasks.survey import PartSurvey


class Blobs(Protocol):
    """Blobs of Git by id."""

    def read(self, oids: Collection[str]) -> Mapping[str, bytes]:
        """Their bytes."""

    def sizes(self, oids: Collection[str]) -> Mapping[str, int]:
        """How many bytes they have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """One part on one side: `read` gives the bytes of some of its names, `sizes` how many they
    are."""

    snapshot: Snapshot
    read: Callable[[Collection[str]], Mapping[str, bytes]]
    sizes: Callable[[Collection[str]], Mapping[str, int]]
    #: Names whose bytes are in the contents store already → their name there.
    stored: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class BlobsOf:
    """Blobs of the pinned commit of a run; the mirror is asked for the commit when the first one is
    read, so that a part that reads none costs no git process."""

    repo: RepoSide
    run: Run

    def read(self, oids: Collection[str]) -> Mapping[str, bytes]:
        if not oids:
            return {}
        self._ensure()
        return dict(self.repo.blobs(dict.fromkeys(oids)))

    def sizes(self, oids: Collection[str]) -> Mapping[str, int]:
        self._ensure()
        return self.repo.sizes(oids)

    def _ensure(self) -> None:
        run = self.run
        if run.base_commit is not None:
            self.repo.ensure(run.id, run.base_commit, run.task.branch)


def kestra_view(
    part: Part,
    contents: Mapping[str, bytes],
    drafts: Collection[str] = (),
    large: Mapping[str, int] | None = None,
) -> View:
    """A part as Kestra holds it, all bytes in hand but those of the files that are too large."""
    snapshot = snapshots.kestra(part, contents, drafts, large)

    def read(names: Collection[str]) -> Mapping[str, bytes]:
        return {name: contents[name] for name in names}

    def sizes(names: Collection[str]) -> Mapping[str, int]:
        return {name: len(contents[name]) for name in names}

    return View(snapshot=snapshot, read=read, sizes=sizes)


def surveyed_view(survey: PartSurvey, contents: Contents, blobs: Blobs) -> View:
    """A part as Kestra held it at the survey; what Git holds as well is read from there."""
    held = survey.kestra or {}
    entries = {
        name: Entry(digest=digest, oid=oid, path=name) for name, (digest, oid, _) in held.items()
    }
    stored = {name: stored for name, (_, _, stored) in held.items() if stored is not None}

    def read(names: Collection[str]) -> Mapping[str, bytes]:
        equal = {name: held[name][1] for name in names if name not in stored}
        found = blobs.read(list(equal.values()))
        return {
            name: contents.get(stored[name]) if name in stored else found[equal[name]]
            for name in names
        }

    def sizes(names: Collection[str]) -> Mapping[str, int]:
        equal = {name: held[name][1] for name in names if name not in stored}
        found = blobs.sizes(set(equal.values())) if equal else {}
        return {
            name: contents.size(stored[name]) if name in stored else found[equal[name]]
            for name in names
        }

    snapshot = Snapshot(
        entries=entries, problems=survey.problems, withheld=frozenset(survey.withheld)
    )
    return View(snapshot=snapshot, read=read, sizes=sizes, stored=stored)


def git_view(part: Part, folder: str, files: Sequence[GitFile], kestra: View, blobs: Blobs) -> View:
    """A part as a commit holds it. Texts that Kestra holds as well are not read."""
    known = {
        entry.oid: Known(name, entry.digest) for name, entry in kestra.snapshot.entries.items()
    }
    snapshot = snapshots.git(part, folder, files, known, blobs.read, blobs.sizes)

    def read(names: Collection[str]) -> Mapping[str, bytes]:
        oids = {name: snapshot.entries[name].oid for name in names}
        contents = blobs.read(list(oids.values()))
        return {name: contents[oid] for name, oid in oids.items()}

    def sizes(names: Collection[str]) -> Mapping[str, int]:
        oids = {name: snapshot.entries[name].oid for name in names}
        found = blobs.sizes(set(oids.values())) if oids else {}
        return {name: found[oid] for name, oid in oids.items()}

    return View(snapshot=snapshot, read=read, sizes=sizes)


def without_ignored(kestra: View, git: View) -> tuple[View, View]:
    """Both views of a part of files without the names that `.kestraignore` of either side hides.

    Raises Unsafe where one of them cannot be read: what it hides would be laid bare.
    """
    _check_ignore(kestra)
    _check_ignore(git)
    texts = [
        view.read([IGNORE_FILE])[IGNORE_FILE]
        for view in (kestra, git)
        if IGNORE_FILE in view.snapshot.entries
    ]
    if not texts:
        return kestra, git
    ignore = Ignore.of(*texts)
    names = {*kestra.snapshot.entries, *git.snapshot.entries}
    hidden = ignore.hidden(names)
    return _hide(kestra, hidden), _hide(git, hidden)


def without_own_ignored(view: View, names: Iterable[str]) -> View:
    """A view of files without those of its names, and of `names`, that its own ignore file hides:
    for a look at one side while the other has not moved. Raises Unsafe as `without_ignored`."""
    _check_ignore(view)
    if IGNORE_FILE not in view.snapshot.entries:
        return view
    ignore = Ignore.of(view.read([IGNORE_FILE])[IGNORE_FILE])
    shown = {*view.snapshot.entries, *names}
    return _hide(view, ignore.hidden(shown))


def _check_ignore(view: View) -> None:
    if IGNORE_FILE in view.snapshot.withheld:
        raise Unsafe(
            f"{IGNORE_FILE}: a link, or too large, so that nobody can tell which files it hides; "
            "put a small file in its place"
        )


def _hide(view: View, hidden: frozenset[str]) -> View:
    shown = {name: entry for name, entry in view.snapshot.entries.items() if name not in hidden}
    snapshot = replace(view.snapshot, entries=shown, withheld=view.snapshot.withheld | hidden)
    return replace(view, snapshot=snapshot)


def kestra_now(kestra: KestraSide, parts: Collection[Part]) -> dict[Part, View]:
    """What Kestra holds of these parts at this moment, in as few calls as the server offers. Of
    files nothing but the ignore file is kept: they are compared by their digests."""
    flows = sorted(part.namespace for part in parts if part.kind is Kind.FLOW)
    # One tenant export costs about as much as four exports of one namespace (measured).
    wanted: list[str | None] = [None] if len(flows) > 4 else list(flows)
    texts: dict[Part, dict[str, bytes]] = {part: {} for part in parts}
    drafts: dict[Part, set[str]] = {part: set() for part in parts}
    with ThreadPoolExecutor(kestra.connection.connections) as pool:
        exports = [pool.submit(kestra.flows, namespace) for namespace in wanted]
        files = {
            part: pool.submit(kestra.files, part.namespace)
            for part in parts
            if part.kind is Kind.FILE
        }
        for export in exports:
            found = export.result()
            for key, text in found.texts.items():
                texts.setdefault(key.part, {})[key.name] = text
            for key in found.withheld:
                drafts.setdefault(key.part, set()).add(key.name)
        large = {part: export.result().large for part, export in files.items()}
        texts |= {part: dict(export.result().contents) for part, export in files.items()}
        files.clear()  # nothing else holds their bytes
    dashboards = Part(GLOBAL, Kind.DASHBOARD)
    if dashboards in parts:
        texts[dashboards] = dict(kestra.dashboards())
    return {part: _seen(part, texts.pop(part), drafts[part], large.get(part)) for part in parts}


def _seen(
    part: Part,
    contents: Mapping[str, bytes],
    drafts: Collection[str],
    large: Mapping[str, int] | None,
) -> View:
    view = kestra_view(part, contents, drafts, large)
    if part.kind is not Kind.FILE:
        return view
    kept = {name: contents[name] for name in (IGNORE_FILE,) if name in contents}
    few = kestra_view(part, kept)
    return replace(view, read=few.read, sizes=few.sizes)
