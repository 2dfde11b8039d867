"""The Kestra side of a sync: everything that the steps of a run ask of one server and tenant."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from tasks.artifacts import Key, Kind
from tasks.circuit import Circuit, Unheard
from tasks.connections import KestraConnection
from tasks.kestra.client import Client, Guard
from tasks.kestra.dashboards import read_dashboards
from tasks.kestra.files import Files, read_files
from tasks.kestra.flows import Flows, last_revision, read_flows
from tasks.kestra.probe import Fingerprint, read_fingerprint
from tasks.kestra.revisions import Saved, Sent, overtaken, read_revisions
from tasks.kestra.rights import Sight, sight
from tasks.kestra.server import Server, prove_login, read_namespaces, read_server
from tasks.kestra.validation import invalid_texts
from tasks.kestra.writing import Write, WriteReport, Written, write_all

__all__ = [
    "Files",
    "Flows",
    "KestraSide",
    "Saved",
    "Sent",
    "Server",
    "Sight",
    "Write",
    "WriteReport",
    "Written",
]


class KestraSide:
    """One server and tenant, seen from one process; safe to use from many threads.

    Every method raises the errors of `tasks.errors`: LoginRefused, NotFound, Refused, Unsupported,
    Unreachable, Busy, and Doubtful for an answer that must not be taken for the whole.
    """

    def __init__(self, connection: KestraConnection, circuit: Circuit | None = None) -> None:
        self.connection = connection
        self._client = Client(connection, circuit or Unheard())
        self._server: Server | None = None
        #: Until when (monotonic) the probes of changes are too slow to be asked.
        self.slow_until = 0.0

    def __repr__(self) -> str:
        return f"KestraSide({self._client!r})"

    def close(self) -> None:
        """Closes the connections; a later call opens new ones."""
        self._client.close()

    def identity(self, *, prove: bool = True) -> Server:
        """What the server says of itself, asked anew; with `prove`, a second call proves the
        login and the tenant as well (whoever reads something anyway needs no proof)."""
        self._server = read_server(self._client)
        if prove:
            prove_login(self._client)
        return self._server

    def sight(self, namespaces: Sequence[str]) -> Sight:
        """What this login may read of the tenant, and the files of these namespaces; asked by
        reads alone."""
        return sight(self._client, self._dialect(), namespaces)

    def assume(self, server: Server) -> None:
        """Takes over what another process of the same run was told by the server."""
        self._server = self._server or server

    def namespaces(self) -> tuple[str, ...]:
        """All namespaces that the server shows, parents included, sorted.

        No call of the API shows a namespace that holds nothing but files.
        """
        self._dialect()
        return read_namespaces(self._client)

    def flows(self, namespace: str | None = None) -> Flows:
        """All flows of the tenant, or of exactly one namespace, with exact bytes."""
        return read_flows(self._client, self._dialect(), namespace)

    def files(self, namespace: str) -> Files:
        """All files of exactly one namespace, by name as Kestra lists it (a space is `+`), without
        leading slash."""
        self._dialect()
        return read_files(self._client, namespace)

    def dashboards(self) -> Mapping[str, bytes]:
        """All dashboards of the tenant: id → text, which always holds an `id:` line."""
        return read_dashboards(self._client, self._dialect())

    def fingerprint(self) -> Fingerprint | None:
        """What the probes of changes answer; None where this server or login has none."""
        return read_fingerprint(self._client, self._dialect())

    def validate(self, kind: Kind, texts: Mapping[Key, bytes]) -> Mapping[Key, str]:
        """Only the texts that the server does not accept, with its message. Files are not asked
        about; warnings and deprecations are no message."""
        return invalid_texts(self._client, self._dialect(), kind, texts)

    def revision(self, key: Key) -> str | None:
        """The last revision of a flow in words, e.g. `deleted in revision 4`; None for other
        kinds and for a flow that never was."""
        return last_revision(self._client, key) if key.kind is Kind.FLOW else None

    def revisions(self, keys: Collection[Key]) -> Mapping[Key, int]:
        """The newest revision of those flows and files that are there; see
        `tasks.kestra.revisions.read_revisions`."""
        return read_revisions(self._client, self._dialect(), keys)

    def overtaken(self, sent: Sequence[Sent]) -> Mapping[Key, tuple[Saved, ...]]:
        """What others saved between a look and our write; see
        `tasks.kestra.revisions.overtaken`."""
        return overtaken(self._client, self._dialect(), sent)

    def write(self, writes: Sequence[Write], guard: Guard) -> WriteReport:
        """Writes the changes of one namespace, or the dashboards, reads them back, and tries once
        more what did not stick; see `tasks.kestra.writing.write_all`.

        Raises only before anything is sent: when the server cannot be asked what it is, and
        ValueError for writes of several namespaces.
        """
        return write_all(self._client, self._dialect(), writes, guard)

    def _dialect(self) -> Server:
        if self._server is None:
            self._server = read_server(self._client)
        return self._server
