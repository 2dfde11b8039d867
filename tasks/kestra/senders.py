"""Which requests write and delete each kind, many at once and one alone, and which read it back."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tasks.artifacts import GLOBAL, Key, Kind
from tasks.errors import NotFound, Refused
from tasks.kestra.archives import chunked
from tasks.kestra.client import Client, Guard
from tasks.kestra.dashboards import delete_dashboard, put_dashboard, read_dashboards
from tasks.kestra.files import (
    UPLOAD_SIZE,
    delete_file,
    in_archives,
    put_file,
    read_file,
    read_files,
    upload_chunks,
    upload_files,
)
from tasks.kestra.flows import (
    delete_flow,
    delete_flows,
    held_flows,
    import_chunks,
    import_flows,
    put_flow,
)
from tasks.kestra.server import Server
from tasks.layout import held_name

#: Flows of one bulk deletion; each takes about 12 ms (measured).
DELETE_COUNT = 100
#: Up to so many files are read back one by one instead of with the whole namespace.
SINGLE_READS = 8

Text = tuple[Key, bytes]


@dataclass(frozen=True, slots=True)
class Batch:
    """One request: what it is about, and how it is sent.

    `send` returns the messages of the artifacts that the server did not take, and raises what the
    request as a whole met.
    """

    keys: tuple[Key, ...]
    send: Callable[[Guard], Mapping[Key, str]]


class Sender(Protocol):
    """How one kind is written in one namespace."""

    def upserts(self, texts: Sequence[Text]) -> Iterator[Batch]:
        """As few requests as the server allows, in order."""

    def deletions(self, keys: Sequence[Key]) -> Iterator[Batch]:
        """As few requests as the server allows, in order."""

    def upsert(self, key: Key, content: bytes, *, there: bool) -> Batch:
        """One artifact alone, so that the server says what is wrong with it."""

    def deletion(self, key: Key) -> Batch:
        """One artifact alone."""

    def held(self, keys: Collection[Key]) -> Mapping[Key, bytes]:
        """What the target holds now of these keys, and perhaps of others."""


def sender_of(kind: Kind, client: Client, server: Server, namespace: str) -> Sender:
    """The sender of a kind."""
    if kind is Kind.FLOW:
        return _Flows(client, namespace)
    if kind is Kind.FILE:
        return _Files(client, namespace)
    return _Dashboards(client, server)


def _batch(key: Key, send: Callable[[Guard], None]) -> Batch:
    def alone(guard: Guard) -> Mapping[Key, str]:
        send(guard)
        return {}

    return Batch((key,), alone)


class _Flows:
    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def upserts(self, texts: Sequence[Text]) -> Iterator[Batch]:
        for chunk in import_chunks(texts, self._client.connection.timeout):
            yield self._import(chunk)

    def _import(self, chunk: Sequence[Text]) -> Batch:
        def send(guard: Guard) -> Mapping[Key, str]:
            failed = import_flows(self._client, chunk, guard)
            return dict.fromkeys(failed, "the import did not take this flow")

        return Batch(tuple(key for key, _ in chunk), send)

    def deletions(self, keys: Sequence[Key]) -> Iterator[Batch]:
        for chunk in chunked([(key, 0) for key in keys], count=DELETE_COUNT, size=1):
            yield self._delete(chunk)

    def _delete(self, chunk: tuple[Key, ...]) -> Batch:
        def send(guard: Guard) -> Mapping[Key, str]:
            delete_flows(self._client, chunk, guard)
            return {}

        return Batch(chunk, send)

    def upsert(self, key: Key, content: bytes, *, there: bool) -> Batch:
        return _batch(key, lambda g: put_flow(self._client, key, content, there=there, guard=g))

    def deletion(self, key: Key) -> Batch:
        return _batch(key, lambda guard: delete_flow(self._client, key, guard))

    def held(self, keys: Collection[Key]) -> Mapping[Key, bytes]:
        return held_flows(self._client, self._namespace)


class _Files:
    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    def upserts(self, texts: Sequence[Text]) -> Iterator[Batch]:
        plain: list[Text] = []
        apart: list[Text] = []
        for key, content in texts:
            fits = in_archives(key.name) and not _unheld(key) and len(content) < UPLOAD_SIZE
            (plain if fits else apart).append((key, content))
        for chunk in upload_chunks(plain, self._client.connection.timeout):
            yield self._upload(chunk)
        for key, content in apart:
            yield self.upsert(key, content, there=False)

    def _upload(self, chunk: Sequence[Text]) -> Batch:
        def send(guard: Guard) -> Mapping[Key, str]:
            upload_files(self._client, self._namespace, chunk, guard)
            return {}

        return Batch(tuple(key for key, _ in chunk), send)

    def deletions(self, keys: Sequence[Key]) -> Iterator[Batch]:
        return (self.deletion(key) for key in keys)

    def upsert(self, key: Key, content: bytes, *, there: bool) -> Batch:
        def send(guard: Guard) -> None:
            if reason := _unheld(key):
                raise Refused(f"file {key.name} of {key.namespace}: {reason}; rename it in Git")
            try:
                put_file(self._client, self._namespace, key.name, content, guard)
            except NotFound:
                raise Refused(
                    f"file {key.name} of {key.namespace}: a file above it is or was in its way, "
                    "and Kestra keeps the places of deleted files; give it another name"
                ) from None

        return _batch(key, send)

    def deletion(self, key: Key) -> Batch:
        return _batch(key, lambda g: delete_file(self._client, self._namespace, key.name, g))

    def held(self, keys: Collection[Key]) -> Mapping[Key, bytes]:
        if len(keys) <= SINGLE_READS:
            try:
                pairs = self._client.each(self._one, keys)
                return {key: content for key, content in pairs if content is not None}
            except Refused:
                # A name that is listed and cannot be asked for.
                pass
        files = read_files(self._client, self._namespace)
        found = {Key(self._namespace, Kind.FILE, n): text for n, text in files.contents.items()}
        # Somebody has just saved it: it is neither gone nor what was written.
        return found | {key: b"" for key in keys if key.name in files.large}

    def _one(self, key: Key) -> tuple[Key, bytes | None]:
        try:
            return key, read_file(self._client, self._namespace, key.name)
        except NotFound:
            return key, None


def _unheld(key: Key) -> str | None:
    return held_name(key.name)


class _Dashboards:
    def __init__(self, client: Client, server: Server) -> None:
        self._client = client
        self._server = server

    def upserts(self, texts: Sequence[Text]) -> Iterator[Batch]:
        there = self.held([]) if texts else {}
        return (self.upsert(key, content, there=key in there) for key, content in texts)

    def deletions(self, keys: Sequence[Key]) -> Iterator[Batch]:
        return (self.deletion(key) for key in keys)

    def upsert(self, key: Key, content: bytes, *, there: bool) -> Batch:
        return _batch(
            key, lambda g: put_dashboard(self._client, key.name, content, there=there, guard=g)
        )

    def deletion(self, key: Key) -> Batch:
        return _batch(key, lambda guard: delete_dashboard(self._client, key.name, guard))

    def held(self, keys: Collection[Key]) -> Mapping[Key, bytes]:
        texts = read_dashboards(self._client, self._server)
        return {Key(GLOBAL, Kind.DASHBOARD, name): text for name, text in texts.items()}
