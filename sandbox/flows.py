"""Which flows a tenant holds: all revisions of each, deletions included."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

from .archive import Packed, pack
from .flowtext import without_revision
from .journal import note


def iso(moment: float) -> str:
    """A time as the server writes it: UTC, microseconds."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(slots=True)
class Revision:
    """One state of a flow; a deletion is a revision too."""

    number: int
    source: str
    updated: float
    deleted: bool = False
    disabled: bool = False
    draft: bool = False
    _packed: Packed | None = field(default=None, repr=False)

    @property
    def packed(self) -> Packed:
        """The text as archives hold it, deflated once."""
        if self._packed is None:
            self._packed = pack(self.source.encode(errors="replace"))
        return self._packed

    def same(self, source: str, disabled: bool, draft: bool) -> bool:
        """True where storing `source` would change nothing."""
        return (
            not self.deleted
            and (self.disabled, self.draft) == (disabled, draft)
            and without_revision(self.source) == without_revision(source)
        )


@dataclass(frozen=True, slots=True)
class StoredFlow:
    """A flow's place and one of its revisions."""

    namespace: str
    id: str
    revision: Revision


class FlowStore:
    """The flows of one tenant."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], list[Revision]] = {}
        self._ids: dict[str, list[str]] = {}
        #: Revisions ever written, deletions included.
        self.written = 0

    def revisions(self, namespace: str, flow_id: str) -> list[Revision]:
        """All revisions of a flow, ascending."""
        return self._rows.get((namespace, flow_id), [])

    def last(self, namespace: str, flow_id: str) -> Revision | None:
        """The newest revision, which may be a deletion."""
        revisions = self.revisions(namespace, flow_id)
        return revisions[-1] if revisions else None

    def live(self, namespace: str, flow_id: str) -> Revision | None:
        """The flow as it is now, None where it is absent or deleted."""
        last = self.last(namespace, flow_id)
        return None if last is None or last.deleted else last

    def next_number(self, namespace: str, flow_id: str) -> int:
        """The number that the next revision gets; deletions count."""
        last = self.last(namespace, flow_id)
        return 1 if last is None else last.number + 1

    def put(self, namespace: str, flow_id: str, revision: Revision) -> None:
        """Store a revision; one that already has its number is overwritten, as in a race."""
        if (namespace, flow_id) not in self._rows:
            self._rows[namespace, flow_id] = []
            self._ids.setdefault(namespace, []).append(flow_id)
        revisions = self._rows[namespace, flow_id]
        self.written += 1
        for at, known in enumerate(revisions):
            if known.number == revision.number:
                revisions[at] = revision
                note(_key(namespace, flow_id), _restore(revisions, at, known))
                return
        revisions.append(revision)
        note(_key(namespace, flow_id), lambda: revisions.remove(revision))

    def save(
        self, namespace: str, flow_id: str, source: str, *, disabled: bool, draft: bool = False
    ) -> Revision:
        """Store a text as the next revision, or give back the live one where nothing changes."""
        live = self.live(namespace, flow_id)
        if live is not None and live.same(source, disabled, draft):
            return live
        number = self.next_number(namespace, flow_id)
        revision = Revision(number, source, time.time(), disabled=disabled, draft=draft)
        self.put(namespace, flow_id, revision)
        return revision

    def delete(self, namespace: str, flow_id: str) -> bool:
        """Append the deletion of a live flow; False where there is none."""
        live = self.live(namespace, flow_id)
        if live is None:
            return False
        number = self.next_number(namespace, flow_id)
        gone = Revision(number, live.source, time.time(), deleted=True, disabled=live.disabled)
        self.put(namespace, flow_id, gone)
        return True

    def drop_revisions(self, namespace: str, flow_id: str, numbers: set[int]) -> bool:
        """Mark revisions as deleted, the present one too; False where one does not exist."""
        revisions = self.revisions(namespace, flow_id)
        if not numbers <= {revision.number for revision in revisions}:
            return False
        for revision in revisions:
            revision.deleted = revision.deleted or revision.number in numbers
        return True

    def all_live(self, sees: Callable[[str], bool] | None = None) -> Iterator[StoredFlow]:
        """The live flows in the order of their creation, of the namespaces that `sees` keeps."""
        kept = {name for name in self._ids if sees is None or sees(name)}
        if len(kept) == 1:  # the common question; the flows of all others need not be walked
            yield from self.in_namespace(*kept)
            return
        for (namespace, flow_id), revisions in self._rows.items():
            if namespace in kept and revisions and not revisions[-1].deleted:
                yield StoredFlow(namespace, flow_id, revisions[-1])

    def kept(self) -> Iterator[tuple[str, str, Revision]]:
        """Namespace, id and revision of all that is no deletion, of deleted flows too, sorted."""
        for namespace, flow_id in sorted(self._rows):
            for revision in self._rows[namespace, flow_id]:
                if not revision.deleted:
                    yield namespace, flow_id, revision

    def in_namespace(self, namespace: str) -> list[StoredFlow]:
        """The live flows of one namespace, without its children."""
        found = []
        for flow_id in self._ids.get(namespace, ()):
            live = self.live(namespace, flow_id)
            if live is not None:
                found.append(StoredFlow(namespace, flow_id, live))
        return found

    def namespaces(self) -> list[str]:
        """The namespaces that hold a live flow, sorted."""
        return sorted(
            namespace
            for namespace, ids in self._ids.items()
            if any(self.live(namespace, flow_id) is not None for flow_id in ids)
        )


def _key(namespace: str, flow_id: str) -> str:
    return f"flow {namespace}/{flow_id}"


def _restore(revisions: list[Revision], at: int, known: Revision) -> Callable[[], None]:
    def undo() -> None:
        revisions[at] = known

    return undo
