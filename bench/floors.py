"""What does any correct implementation of an operation need at least? The floors: the bare API
calls and git commands, 8 at a time on connections that stay open, and nothing else.

A floor keeps no record, asks nobody, promises nothing when it dies, looks at nothing twice and
shares its work with no other process. What is above it is the price of doing these things, and of
Celery; no implementation can be below it without reading less than it has to.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from bench.baregit import BareGit
from bench.barekestra import BareKestra, Texts

T = TypeVar("T")

#: Calls and commands at a time.
CONCURRENCY = 8


class Floors:
    """The floors of one tenant; threads and connections are kept between the operations.

    `mirror` is the copy of the tenant's repository `url` that every implementation keeps.
    """

    def __init__(self, kestra: BareKestra, mirror: Path, url: str) -> None:
        self._kestra = kestra
        self._git = BareGit(mirror, url)
        self._git.create()
        self._pool = ThreadPoolExecutor(CONCURRENCY)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown()

    def no_change(self) -> None:
        """Finds that both sides are equal.

        Kestra: `configs` (which server is it), `namespaces/search` (where may files be), one flow
        export of the tenant, one file export of each namespace (there is no other way to know the
        bytes of files), `dashboards`. Git: `ls-remote` (did the branch move) and `ls-tree` of the
        commit in the mirror. Both sides are compared by blob ids, which Git has and which are
        hashed from what Kestra answered. No blob is read, nothing is fetched, since the branch
        did not move.
        """
        held, texts = self._both()
        if _differing(held, texts):
            raise ValueError("the sides are not equal")

    def first_export(self, url: str) -> str:
        """Writes the whole tenant into the empty repository `url`; the id of the tree.

        The reads of `no_change` (of Git only `ls-remote`: there is no tree yet), one
        `flows/validate` for the flows of each namespace (`onInvalidSyntax: FAIL`, the default,
        means that the server is asked before anything is written), `git init`, one `fast-import`
        of all blobs as one commit, one `push`.
        """
        with tempfile.TemporaryDirectory() as folder:
            git = BareGit(Path(folder) / "new.git", url)
            tip = self._pool.submit(git.tip)
            created = self._pool.submit(git.create)
            texts = self._kestra_side(self._validated)
            created.result()
            if tip.result() is not None:
                raise ValueError(f"{url} is not empty")
            git.commit({path: content for path, (_, content) in texts.items()})
            git.push()
            return git.tree()

    def one_change(self) -> None:
        """Brings the one flow that differs in Git to Kestra.

        The reads of `no_change`, `fetch` (the branch moved), one `cat-file` of the blob that
        differs, one `flows/validate`, one `flows/import`, and the flow export of that namespace:
        an import that answers 200 proves nothing until it is read back.
        """
        held, texts = self._both()
        (path,) = _differing(held, texts)
        text = self._git.blob(held[path])
        self._kestra.validate([text])
        self._kestra.import_flow(text)
        back = self._kestra.flows(path.partition("/")[0])
        if back[path][0] != held[path]:
            raise ValueError(f"{path}: the server holds another text than was imported")

    def _both(self) -> tuple[dict[str, str], Texts]:
        """What Git and what Kestra hold, read at the same time."""
        git = self._pool.submit(self._git_side)
        texts = self._kestra_side()
        return git.result(), texts

    def _git_side(self) -> dict[str, str]:
        tip = self._git.tip()
        if tip is None:
            raise ValueError("the branch is not there")
        if not self._git.has(tip):
            self._git.fetch()
        return self._git.listing(tip)

    def _kestra_side(self, then: Callable[[Texts], object] | None = None) -> Texts:
        """Everything that Kestra holds; `then` goes on with the flows while files are read."""
        namespaces = self._pool.submit(self._kestra.namespaces)
        whole: list[Future[Texts]] = [
            self._pool.submit(self._kestra.flows),
            self._pool.submit(self._kestra.dashboards),
        ]
        identity = self._pool.submit(self._kestra.configs)
        files = [self._pool.submit(self._kestra.files, name) for name in namespaces.result()]
        if then is not None:
            then(whole[0].result())
        texts: Texts = {}
        for answer in (*whole, *files):
            texts |= answer.result()
        identity.result()
        return texts

    def _validated(self, flows: Texts) -> None:
        of_namespace: defaultdict[str, list[bytes]] = defaultdict(list)
        for path, (_, content) in flows.items():
            of_namespace[path.partition("/")[0]].append(content)
        calls = [self._pool.submit(self._kestra.validate, some) for some in of_namespace.values()]
        for call in calls:
            call.result()


def _differing(held: Mapping[str, str], texts: Texts) -> list[str]:
    """Paths that one side lacks or that differ."""
    found = {path: oid for path, (oid, _) in texts.items()}
    if found == held:
        return []
    return [path for path in found.keys() | held.keys() if found.get(path) != held.get(path)]
