"""How the changes of one namespace are written, read back, and tried once more where they did
not stick."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from tasks.artifacts import Key, Kind, digest
from tasks.errors import LeaseLost, LoginRefused, NotFound, Passing, TenantSyncError
from tasks.kestra.answers import ServerFailed
from tasks.kestra.calls import get
from tasks.kestra.client import Client, Guard
from tasks.kestra.senders import Batch, Sender, sender_of
from tasks.kestra.server import Server, namespace_call
from tasks.plan import Action
from tasks.points import reach

#: Why a file that the server accepts may be nowhere (seen on 1.3.25 with storage on a disk).
_NO_PLACE = (
    "; if a folder of this name is or was in its place, which Kestra keeps for ever, give it "
    "another name"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One change that is to be written."""

    key: Key
    action: Action
    #: The exact bytes; None for a deletion.
    content: bytes | None = None
    #: Digest of what the target held when this was decided; None = nothing.
    before: str | None = None

    @property
    def deletes(self) -> bool:
        return self.action is Action.DELETE

    def holds(self, found: Mapping[Key, bytes]) -> bool:
        """Whether the target as it was found is what this write asks for."""
        if self.deletes or self.content is None:
            return self.key not in found
        return self._digest(found) == digest(self.key.kind, self.content)

    def stands(self, found: Mapping[Key, bytes]) -> bool:
        """Whether the target as it was found is still what this write was decided on."""
        return self._digest(found) == self.before

    def _digest(self, found: Mapping[Key, bytes]) -> str | None:
        return digest(self.key.kind, found[self.key]) if self.key in found else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What became of one write."""

    key: Key
    landed: bool
    #: What the target held when it was read back; None = nothing, or it was not read.
    found: bytes | None = None
    #: Why it did not land.
    message: str | None = None
    #: False when it was sent and the target could not be read afterwards: it may have landed.
    known: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteReport:
    """What became of all writes, in the order in which they were given."""

    written: tuple[Written, ...]
    #: What ended the writing early: LeaseLost, a passing error, or one that kept the target from
    #: being read back. The writes after it were not sent.
    stopped: TenantSyncError | None = None

    @property
    def lease_lost(self) -> bool:
        """Whether the lane belongs to another run now."""
        return isinstance(self.stopped, LeaseLost)


def write_all(client: Client, server: Server, writes: Sequence[Write], guard: Guard) -> WriteReport:
    """Writes the changes of one namespace (or the dashboards) and says what stuck.

    Order: files, flows as given, dashboards; then deletions of flows as given, of files, of
    dashboards. `guard` is called with the longest time in seconds of each request before it is
    sent. All that goes wrong is in the report. Raises ValueError for writes that do not belong to
    one namespace.
    """
    if len({one.key.namespace for one in writes}) > 1:
        raise ValueError("one call writes one namespace")
    written: dict[Key, Written] = {}
    stopped: TenantSyncError | None = None
    for chosen in _stages(writes):
        kind, namespace = chosen[0].key.kind, chosen[0].key.namespace
        stage = _Stage(sender_of(kind, client, server, namespace), chosen, guard)
        if stopped is None and kind is not Kind.DASHBOARD and not chosen[0].deletes:
            stopped = _make_namespace(client, server, namespace, stage.guarded)
        stopped = stopped or stage.carry_out()
        written |= stage.report(stopped)
    return WriteReport(written=tuple(written[one.key] for one in writes), stopped=stopped)


def _stages(writes: Sequence[Write]) -> Iterator[list[Write]]:
    upserts = ((kind, False) for kind in (Kind.FILE, Kind.FLOW, Kind.DASHBOARD))
    deletions = ((kind, True) for kind in (Kind.FLOW, Kind.FILE, Kind.DASHBOARD))
    for kind, deletes in chain(upserts, deletions):
        chosen = [one for one in writes if one.key.kind is kind and one.deletes == deletes]
        if chosen:
            yield chosen


def _make_namespace(
    client: Client, server: Server, namespace: str, guard: Guard
) -> TenantSyncError | None:
    """Where namespaces are objects of their own, a tenant may want one before its flows.

    Whether it was needed shows when something is written into it, so only a lost lease counts.
    """
    if not server.keeps_namespaces:
        return None
    try:
        client.read(get("namespaces", namespace))
    except NotFound:
        pass
    except TenantSyncError:
        return None
    else:
        return None
    try:
        client.send(namespace_call(namespace), guard)
    except LeaseLost as error:
        return error
    except TenantSyncError:
        return None
    return None


class _Stage:
    """The writes of one kind and direction: what was sent, heard and found so far."""

    def __init__(self, sender: Sender, writes: Sequence[Write], guard: Guard) -> None:
        self._sender = sender
        self._writes = writes
        self._guard = guard
        self._tries = 0
        self._sent: set[Key] = set()
        #: Sent since the target was read last.
        self._unread: set[Key] = set()
        self._messages: dict[Key, str] = {}
        self._found: Mapping[Key, bytes] | None = None
        #: What ended the last round before its end.
        self._halted: TenantSyncError | None = None

    def guarded(self, seconds: float) -> None:
        """The guard of every request of this stage."""
        self._guard(seconds)
        self._tries += 1
        reach("write.before", namespace=self._writes[0].key.namespace)

    def carry_out(self) -> TenantSyncError | None:
        """Two rounds; the error that stopped the writing, if one did."""
        try:
            error = self._round(self._first(self._writes))
            if self._left() and not isinstance(error, LeaseLost):
                error = self._round(self._again(self._left()))
        except TenantSyncError as unreadable:
            return unreadable
        return error if self._stops(error) else None

    def _stops(self, error: TenantSyncError | None) -> bool:
        """A request that failed and landed all the same stops nothing, and neither does what
        alone breaks a server that takes the rest."""
        left = self._left()
        if isinstance(error, ServerFailed) and len(left) < len(self._writes):
            return any(one.key not in self._sent for one in left)
        return isinstance(error, LeaseLost) or (isinstance(error, Passing) and bool(left))

    def _left(self) -> list[Write]:
        return [one for one in self._writes if not self._landed(one)]

    def _first(self, writes: Sequence[Write]) -> Iterator[Batch]:
        if self._writes[0].deletes:
            return self._sender.deletions([one.key for one in writes])
        return self._sender.upserts([(one.key, one.content or b"") for one in writes])

    def _again(self, left: Sequence[Write]) -> Iterator[Batch]:
        """What did not stick goes alone, so that the server says why; the rest in bulk. Where
        something else is found, somebody may have saved it meanwhile, and it is left alone."""
        found = self._found or {}
        alone = (self._alone(one) for one in left if one.key in self._sent and one.stands(found))
        unsent = [one for one in left if one.key not in self._sent]
        return chain(list(alone), self._first(unsent) if unsent else ())

    def _alone(self, one: Write) -> Batch:
        if one.deletes or one.content is None:
            return self._sender.deletion(one.key)
        there = one.key in (self._found or {})
        return self._sender.upsert(one.key, one.content, there=there)

    def _round(self, batches: Iterable[Batch]) -> TenantSyncError | None:
        error = self._send_all(batches)
        if self._unread:
            reach("write.after", namespace=self._writes[0].key.namespace)
            self._found = self._sender.held(self._sent)
            self._unread.clear()
        return error

    def _send_all(self, batches: Iterable[Batch]) -> TenantSyncError | None:
        self._halted = None
        for batch in batches:
            error = self._send(batch)
            if isinstance(error, (LeaseLost, LoginRefused, Passing)):
                self._halted = error
                if not (isinstance(error, ServerFailed) and len(batch.keys) == 1):
                    break
        return self._halted

    def _send(self, batch: Batch) -> TenantSyncError | None:
        tries, heard = self._tries, None
        try:
            said = batch.send(self.guarded)
        except TenantSyncError as error:
            said, heard = dict.fromkeys(batch.keys, error.message), error
        # A batch that found nothing to send has succeeded as well; both are read back.
        if self._tries > tries or heard is None:
            self._sent.update(batch.keys)
            self._unread.update(batch.keys)
        for key in batch.keys:
            self._messages.pop(key, None)
        self._messages.update(said)
        return heard

    def _landed(self, one: Write) -> bool:
        return self._found is not None and one.key in self._sent and one.holds(self._found)

    def report(self, stopped: TenantSyncError | None) -> dict[Key, Written]:
        """What became of each write of this stage."""
        return {one.key: self._written(one, stopped) for one in self._writes}

    def _written(self, one: Write, stopped: TenantSyncError | None) -> Written:
        known = one.key not in self._unread
        landed = self._landed(one) and known
        return Written(
            key=one.key,
            landed=landed,
            found=(self._found or {}).get(one.key) if known else None,
            message=None if landed else self._message(one, known, stopped),
            known=known,
        )

    def _message(self, one: Write, known: bool, stopped: TenantSyncError | None) -> str:
        said = self._messages.get(one.key)
        if not known:
            why = stopped.message if stopped is not None else "no answer"
            return f"{said or 'sent'}; what the target holds could not be read: {why}"
        if said is not None:
            return said
        if one.key not in self._sent:
            halted = stopped or self._halted
            return f"not sent: {halted.message if halted is not None else 'nothing to send'}"
        if one.deletes and one.stands(self._found or {}):
            return "the server accepted the deletion but still holds it"
        if one.key in (self._found or {}):
            return "the server accepted it but holds another text" + (
                "" if one.stands(self._found or {}) else ", which is left alone"
            )
        place = _NO_PLACE if one.key.kind is Kind.FILE else ""
        return f"the server accepted it but holds nothing{place}"
