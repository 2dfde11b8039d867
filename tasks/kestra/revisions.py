"""Was a text of another writer overwritten unseen? Kestra has no compare-and-set, but it counts
the revisions of flows and files, and gives most of their texts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.artifacts import Key, Kind, digest
from tasks.errors import Doubtful, NotFound, Refused
from tasks.kestra.calls import Call, get
from tasks.kestra.client import Client
from tasks.kestra.server import Server

#: The first version that counts the revisions of files.
_COUNTS_FILES = (1, 2)
#: Revisions of one file that are read one by one, the newest ones.
_READ = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A write that has landed, or was tried."""

    key: Key
    #: Digest of what it wrote; None = it deleted.
    after: str | None
    #: Digest of what it was decided on; None = nothing was there.
    before: str | None
    #: The newest revision when the target was looked at; 0 = nothing was there.
    looked: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """A revision of another writer that is newer than the look and older than our write."""

    revision: int
    #: None where the server does not give it any more.
    text: bytes | None
    #: When it was saved, as the server writes it; None where it does not say.
    updated: str | None = None


@dataclass(frozen=True, slots=True)
class _Row:
    number: int
    deleted: bool
    digest: str
    text: bytes
    updated: str | None


def read_revisions(client: Client, server: Server, keys: Collection[Key]) -> dict[Key, int]:
    """The newest revision of each that is there: one call for all flows of a namespace, one for
    each file. Dashboards have none, and files have them from 1.2 on.

    To be asked before the texts are looked at, so that no edit falls between the two.
    """
    flows = _of(keys, Kind.FLOW)
    found = _listed(client, flows)
    if server.release >= _COUNTS_FILES:
        files = _of(keys, Kind.FILE)
        numbers = client.each(lambda key: _newest_of_file(client, key), files)
        found |= {key: one for key, one in zip(files, numbers, strict=True) if one}
    return found


def overtaken(client: Client, server: Server, sent: Sequence[Sent]) -> dict[Key, tuple[Saved, ...]]:
    """What other writers saved between the look and our write, oldest first, by key.

    Where the newest revision is the one after the look, ours is the only write, and nothing more
    is asked. A text equal to ours, one that was there at the look, and a text that was saved after
    ours are not among it.
    """
    now = read_revisions(client, server, [one.key for one in sent if one.after is not None])
    upserts = [one for one in sent if now.get(one.key, 0) > one.looked + 1]
    deletions = [one for one in sent if one.after is None]
    if server.release < _COUNTS_FILES:
        deletions = [one for one in deletions if one.key.kind is Kind.FLOW]
    doubtful = [*upserts, *(one for one in deletions if one.looked)]
    found = client.each(lambda one: _saved(client, one, now.get(one.key)), doubtful)
    return {one.key: saved for one, saved in zip(doubtful, found, strict=True) if saved}


def _of(keys: Iterable[Key], kind: Kind) -> list[Key]:
    return [key for key in keys if key.kind is kind]


def _saved(client: Client, sent: Sent, now: int | None) -> tuple[Saved, ...]:
    if sent.key.kind is Kind.FLOW:
        return _of_flow(client, sent)
    return _of_file(client, sent, now or 0) if sent.after else _of_deleted_file(client, sent)


# -- flows --------------------------------------------------------------------------------------


def _listed(client: Client, keys: Collection[Key]) -> dict[Key, int]:
    found = {}
    for namespace in sorted({key.namespace for key in keys}):
        call = get("flows", namespace, bulk=True)
        try:
            rows = _rows(client, call)
        except NotFound:  # a namespace that is an object of its own and is not there yet
            continue
        for row in rows:
            found[Key(namespace, Kind.FLOW, str(row.get("id")))] = _number(client, call, row)
    return {key: found[key] for key in keys if key in found}


def _of_flow(client: Client, sent: Sent) -> tuple[Saved, ...]:
    if sent.after is None and _newest_of_flow(client, sent.key) <= sent.looked + 1:
        return ()
    rows = {row.number: row for row in _revisions(client, sent.key)}
    # Where the look saw nothing, whatever is older than the last deletion was gone by then.
    gone = [row.number for row in rows.values() if row.deleted]
    begin = sent.looked or max(gone, default=0)
    end = max((row.number for row in rows.values() if _is_ours(row, sent)), default=0)
    saved = [_saved_flow(number, rows.get(number), sent) for number in range(begin + 1, end)]
    return tuple(one for one in saved if one is not None)


def _is_ours(row: _Row, sent: Sent) -> bool:
    return row.deleted if sent.after is None else row.digest == sent.after and not row.deleted


def _saved_flow(number: int, row: _Row | None, sent: Sent) -> Saved | None:
    if row is None:
        return Saved(revision=number, text=None)
    if row.deleted or row.digest in {sent.before, sent.after}:
        return None
    return Saved(revision=number, text=row.text, updated=row.updated)


def _newest_of_flow(client: Client, key: Key) -> int:
    call = get("flows", key.namespace, key.name, query=(("allowDeleted", "true"),))
    try:
        answer = client.read(call)
    except NotFound:
        return 0
    return _number(client, call, answer if isinstance(answer, dict) else {})


def _revisions(client: Client, key: Key) -> list[_Row]:
    query = (("allowDelete", "true"),)
    call = get("flows", key.namespace, key.name, "revisions", query=query, bulk=True)
    return [_row(client, call, key, row) for row in _rows(client, call)]


def _row(client: Client, call: Call, key: Key, row: Mapping[str, object]) -> _Row:
    text = str(row.get("source") or "").encode(errors="replace")
    updated = row.get("updated")
    return _Row(
        number=_number(client, call, row),
        deleted=bool(row.get("deleted")),
        digest=digest(key.kind, text),
        text=text,
        updated=None if updated is None else str(updated),
    )


# -- files --------------------------------------------------------------------------------------


def _newest_of_file(client: Client, key: Key) -> int:
    call = get("namespaces", key.namespace, "files", "revisions", query=_path(key))
    try:
        rows = _rows(client, call)
    except (NotFound, Refused):  # some names are listed and cannot be asked for
        return 0
    return max((_number(client, call, row) for row in rows), default=0)


def _of_file(client: Client, sent: Sent, now: int) -> tuple[Saved, ...]:
    """Goes back from the newest revision to what the look saw; where nothing was there, to what a
    deletion left, which is not given any more."""
    found: list[tuple[int, bytes | None]] = []
    for number in range(now, max(sent.looked, now - _READ), -1):
        text = _file_text(client, sent.key, number)
        if text is None and not sent.looked:
            break
        found.append((number, text))
    digests = [None if text is None else digest(Kind.FILE, text) for _, text in found]
    begin = digests.index(sent.after) + 1 if sent.after in digests else len(found)
    kept = zip(found[begin:], digests[begin:], strict=True)
    saved = [Saved(revision=n, text=t) for (n, t), d in kept if d not in {sent.before, sent.after}]
    return tuple(reversed([one for one in saved if one.text is not None or sent.looked]))


def _of_deleted_file(client: Client, sent: Sent) -> tuple[Saved, ...]:
    """A deletion takes the newest revision with it and leaves the older ones: if the one that the
    look saw is still given, it was not the newest any more, and what came last is lost."""
    saved: list[Saved] = []
    number = sent.looked
    while number and number < sent.looked + _READ:
        text = _file_text(client, sent.key, number)
        if number > sent.looked:
            saved.append(Saved(revision=number, text=text))
        if text is None:
            break
        number += 1
    return tuple(saved)


def _file_text(client: Client, key: Key, revision: int) -> bytes | None:
    query = (*_path(key), ("revision", str(revision)))
    try:
        return client.send(get("namespaces", key.namespace, "files", query=query, bulk=True))
    except NotFound:
        return None


def _path(key: Key) -> tuple[tuple[str, str], ...]:
    return (("path", f"/{key.name}"),)


# -- answers ------------------------------------------------------------------------------------


def _rows(client: Client, call: Call) -> list[Mapping[str, object]]:
    answer = client.read(call)
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise Doubtful(f"{client!r}: {call} did not answer a list of revisions")
    return answer


def _number(client: Client, call: Call, row: Mapping[str, object]) -> int:
    number = row.get("revision")
    if not isinstance(number, int):
        raise Doubtful(f"{client!r}: {call} did not answer a revision")
    return number
