"""Which server is this, and which form of the API does it speak."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tasks.errors import Doubtful, Unsupported
from tasks.kestra.calls import Call, Repeat, get
from tasks.kestra.client import Client
from tasks.kestra.paging import PAGE_SIZE, whole_list

#: The first version with the tenant in every path and with filters.
OLDEST = (0, 23)
#: Characters of what a server may call itself: it becomes part of keys and messages.
LONGEST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """What a server says of itself."""

    #: Stable over restarts: the identity of the server.
    uuid: str
    #: As the server writes it, e.g. `1.3.25` or `2.0.0-rc10`.
    version: str
    #: OSS or EE.
    edition: str
    #: The namespace of the server's own flows.
    system_namespace: str
    #: The largest page that it answers; None where it has no cap.
    page_cap: int | None

    @property
    def release(self) -> tuple[int, int]:
        """Major and minor version."""
        return _release(self.version)

    @property
    def has_drafts(self) -> bool:
        """Whether a flow can be a draft there (since 2.0)."""
        return self.release >= (2, 0)

    @property
    def validates_parts(self) -> bool:
        """Whether `flows/validate` takes one flow per multipart part (since 1.3)."""
        return self.release >= (1, 3)

    @property
    def names_dashboards(self) -> bool:
        """Whether the text of a dashboard holds its id (since 1.0; before, it must not)."""
        return self.release >= (1, 0)

    @property
    def keeps_namespaces(self) -> bool:
        """Whether namespaces are objects of their own, which a tenant may require."""
        return self.edition == "EE"


def _release(version: str) -> tuple[int, int]:
    match = re.match(r"v?(\d{1,6})\.(\d{1,6})", version, re.ASCII)
    if match is None:
        raise Unsupported(
            f"Kestra says its version is {version!r}, from which the form of its API cannot be "
            "told; use a released server of 0.23 or later"
        )
    return int(match[1]), int(match[2])


def read_server(client: Client) -> Server:
    """What the server says of itself; it needs no login on 1.x, so it proves none.

    Raises Unsupported for a server before 0.23, Doubtful when the answer is not Kestra's.
    """
    call = Call(method="GET", path=("configs",), tenant=False)
    answer = client.read(call)
    uuid, version = (_word(answer, field) for field in ("uuid", "version"))
    if not isinstance(answer, dict) or not uuid or not version:
        raise Doubtful(f"{client!r}: {call} did not answer a uuid and a version; is it Kestra?")
    server = Server(
        uuid=uuid,
        version=version,
        edition=_word(answer, "edition") or ("EE" if "tenants" in answer else "OSS"),
        system_namespace=_word(answer, "systemNamespace") or "system",
        page_cap=PAGE_SIZE if _release(version) >= (2, 0) else None,
    )
    if server.release < OLDEST:
        raise Unsupported(
            f"{client!r}: Kestra {server.version} is too old: its API has no tenant in its paths; "
            "update it to 0.23 or later (1.0 or later for dashboards)"
        )
    return server


def _word(answer: object, field: str) -> str | None:
    """A short printable text of the answer; None for a field of another kind."""
    value = answer.get(field) if isinstance(answer, dict) else None
    good = isinstance(value, str) and len(value) <= LONGEST and value.isprintable()
    return str(value) if good else None


def prove_login(client: Client) -> None:
    """Reads something that needs the login. Raises LoginRefused, or NotFound for the tenant."""
    client.read(get("flows", "search", query=(("page", "1"), ("size", "1"))))


def read_namespaces(client: Client) -> tuple[str, ...]:
    """All namespaces that the server shows, parents included, sorted.

    A namespace that holds nothing but files or KV entries is not among them: no call of the API
    shows it.
    """
    rows = whole_list(client, ("namespaces", "search"))
    return tuple(sorted(str(row["id"]) for row in rows))


def namespace_call(namespace: str) -> Call:
    """The write that creates a namespace as an object of its own (Enterprise Edition)."""
    return Call(
        method="POST",
        path=("namespaces",),
        content=b'{"id": "%s", "deleted": false}' % namespace.encode(),
        content_type="application/json",
        repeat=Repeat.SAFE,
    )
