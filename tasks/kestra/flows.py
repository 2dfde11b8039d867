"""Which flows does a tenant or a namespace hold, and how are flows written and deleted?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tasks.artifacts import Key, Kind
from tasks.errors import Doubtful, NotFound, Unsupported
from tasks.identity import Identity, read_identity
from tasks.kestra.answers import ServerFailed
from tasks.kestra.archives import chunked, folded, unfolded
from tasks.kestra.calls import Call, Repeat, Upload, get
from tasks.kestra.client import Client
from tasks.kestra.paging import Row, is_count, page, whole_list
from tasks.kestra.server import Server, read_namespaces
from tasks.problems import Code, Problem

_EXPORT = ("flows", "export", "by-query")
#: Flows and bytes of one import. The server takes about 15 ms a flow (measured), so that a
#: full chunk ends well within the default timeout.
IMPORT_COUNT, IMPORT_SIZE = 100, 4 << 20
#: Seconds allowed for each flow of an import when chunks are sized for a short timeout.
IMPORT_SECONDS = 0.1
#: Rows of one page of the search, which brings the whole task tree of each flow.
_LISTED = 500

Entries = list[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flows:
    """The flows of a tenant or of one namespace, read whole."""

    #: Exact bytes; the keys come from the texts.
    texts: Mapping[Key, bytes] = field(default_factory=dict)
    #: Flows whose newest revision is a draft; their texts may be among `texts`.
    drafts: frozenset[Key] = frozenset()
    #: Flows whose texts tell no identity; the search says which they are.
    unnamed: frozenset[Key] = frozenset()
    #: How many more such texts there are, which may be any flow.
    unplaced: int = 0
    #: Texts without a readable identity.
    problems: tuple[Problem, ...] = ()

    @property
    def withheld(self) -> frozenset[Key]:
        """Flows that are neither exported nor overwritten nor missed."""
        return self.drafts | self.unnamed


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listing:
    """What the search says, to hold the export against."""

    total: int
    #: None where the search was only asked for the total.
    live: frozenset[Key] | None = None
    drafts: frozenset[Key] = frozenset()


def read_flows(client: Client, server: Server, namespace: str | None) -> Flows:
    """All flows of the tenant or of exactly one namespace.

    One export of everything; where the server cannot build it, one per namespace. The search is
    asked afterwards how many there are, and which they are on servers with drafts and where a text
    tells no identity: an export that holds
    fewer is asked for once more. Raises Doubtful when it is short again, Unsupported when the
    server has no such call.
    """
    for _ in range(2):
        entries = _exported(client, namespace)
        listing = _listing(client, namespace, whole=server.has_drafts)
        flows, unknown = _sorted(entries, listing, namespace)
        if unknown and listing.live is None:
            listing = _listing(client, namespace, whole=True)
            flows, unknown = _sorted(entries, listing, namespace)
        if not _short(flows, unknown, len(entries), listing):
            return flows
    raise Doubtful(
        f"{client!r}: the export of the flows {_of(namespace)} holds fewer than the search lists; "
        "the server or a proxy cut it, or flows are being written meanwhile: ask again"
    )


def _of(namespace: str | None) -> str:
    return "of the tenant" if namespace is None else f"of {namespace}"


def _filter(namespace: str | None) -> tuple[tuple[str, str], ...]:
    return () if namespace is None else (("filters[namespace][EQUALS]", namespace),)


def _exported(client: Client, namespace: str | None) -> Entries:
    try:
        return _export(client, namespace)
    except (NotFound, Unsupported) as error:
        raise Unsupported(f"This server does not list flows: {error.message}") from None
    except ServerFailed:
        # Two flows whose entries would have one name (`a-b` + `c`, `a` + `b-c`) break the whole
        # archive; within one namespace names are unique.
        if namespace is not None:
            raise
    each = client.each(lambda name: _export(client, name), read_namespaces(client))
    return [entry for entries in each for entry in entries]


def _export(client: Client, namespace: str | None) -> Entries:
    body = client.send(get(*_EXPORT, query=_filter(namespace), bulk=True))
    what = f"{client!r}: export of the flows {_of(namespace)}"
    return [(name, text) for name, text in unfolded(body, what) if name.endswith((".yml", ".yaml"))]


def _listing(client: Client, namespace: str | None, *, whole: bool) -> _Listing:
    # Drafts are looked for after the export: a flow that became one in between is left alone.
    path, query = ("flows", "search"), _filter(namespace)
    if not whole:
        return _Listing(total=page(client, path, (*query, ("page", "1"), ("size", "1")))[1])
    order = (("sort", "namespace:asc"), ("sort", "id:asc"))
    named = ("namespace", "id")
    rows = whole_list(client, path, (*query, *order), size=_LISTED, named=named)
    return _Listing(
        total=len(rows),
        live=frozenset(_key(row) for row in rows if not row.get("draft")),
        drafts=frozenset(_key(row) for row in rows if row.get("draft")),
    )


def _key(row: Row) -> Key:
    return Key(str(row["namespace"]), Kind.FLOW, str(row["id"]))


def _sorted(
    entries: Entries, listing: _Listing, namespace: str | None
) -> tuple[Flows, frozenset[str]]:
    """The flows by the identity in their texts, and the entry names of those without one."""
    texts: dict[Key, bytes] = {}
    unknown: list[str] = []
    for name, text in entries:
        key = _identified(read_identity(text))
        if _strange_draft(name, key, listing):
            continue
        if key is None:
            unknown.append(name)
            continue
        foreign = namespace is not None and key.namespace != namespace
        if foreign or key in texts:
            raise Doubtful(
                f"export of the flows {_of(namespace)}: entry {name} is the flow {key.namespace}."
                f"{key.name}, which {'was not asked for' if foreign else 'comes twice'}"
            )
        texts[key] = text
    missing = (listing.live or frozenset()) - texts.keys()
    unnamed = frozenset(key for key in missing if _entry_name(key) in unknown)
    flows = Flows(
        texts=texts,
        drafts=listing.drafts,
        unnamed=unnamed,
        unplaced=max(0, len(unknown) - len(unnamed)),
        problems=tuple(_nameless(name) for name in unknown),
    )
    return flows, frozenset(unknown)


def _strange_draft(name: str, key: Key | None, listing: _Listing) -> bool:
    """Whether an entry is a draft whose text names nothing, or something that is not there."""
    if key in listing.drafts or key in (listing.live or ()):
        return False
    return name in {_entry_name(draft) for draft in listing.drafts}


def _identified(said: Identity) -> Key | None:
    if said.id is None or said.namespace is None:
        return None
    return Key(said.namespace, Kind.FLOW, said.id)


def _entry_name(key: Key) -> str:
    return f"{key.namespace}-{key.name}.yml"


def _nameless(name: str) -> Problem:
    return Problem(
        code=Code.NO_ID,
        where=f"Kestra, exported as {name}",
        message="no id and namespace can be read from the text of this flow, so it is left alone; "
        "open it in Kestra and write both as plain lines",
    )


def _short(flows: Flows, unknown: frozenset[str], count: int, listing: _Listing) -> bool:
    if listing.live is None:
        return count < listing.total
    missing = listing.live - flows.texts.keys()
    return any(_entry_name(key) not in unknown for key in missing)


def held_flows(client: Client, namespace: str) -> dict[Key, bytes]:
    """What one namespace holds right now, to compare a write with."""
    found = {}
    for _, text in _export(client, namespace):
        key = _identified(read_identity(text))
        if key is not None and key.namespace == namespace:
            found[key] = text
    return found


def last_revision(client: Client, key: Key) -> str | None:
    """The last revision of a flow in words, deleted or not; None where there never was one."""
    call = get("flows", key.namespace, key.name, query=(("allowDeleted", "true"),))
    try:
        answer = client.read(call)
    except NotFound:
        return None
    if not isinstance(answer, dict) or not is_count(answer.get("revision")):
        raise Doubtful(f"{client!r}: {call} did not answer a flow")
    words = f"revision {answer['revision']}"
    if answer.get("deleted"):
        words = f"deleted in {words}"
    updated = answer.get("updated")
    return f"{words} of {updated[:40]}" if isinstance(updated, str) and updated else words


def import_chunks(
    texts: Sequence[tuple[Key, bytes]], timeout: float
) -> Iterator[tuple[tuple[Key, bytes], ...]]:
    """The texts in order, in chunks that one import takes within `timeout` seconds."""
    count = max(1, min(IMPORT_COUNT, int(timeout / IMPORT_SECONDS)))
    sized = [((key, text), len(text)) for key, text in texts]
    return chunked(sized, count=count, size=IMPORT_SIZE)


def import_flows(
    client: Client, texts: Sequence[tuple[Key, bytes]], guard: Callable[[float], None]
) -> frozenset[Key]:
    """Imports flows in this order with one request; the ones that the server did not take."""
    names = {f"{number:05d}.yml": key for number, (key, _) in enumerate(texts)}
    archive = folded(zip(names, (text for _, text in texts), strict=True))
    upload = Upload(
        field="fileUpload",
        filename="flows.zip",
        content=archive,
        content_type="application/zip",
    )
    call = Call(method="POST", path=("flows", "import"), uploads=(upload,), repeat=Repeat.SAFE)
    failed = client.parse(call, client.send(call, guard))
    if not isinstance(failed, list) or not all(str(name) in names for name in failed):
        raise Doubtful(f"{client!r}: {call} did not answer which of its entries failed")
    return frozenset(names[str(name)] for name in failed)


def put_flow(
    client: Client, key: Key, text: bytes, *, there: bool, guard: Callable[[float], None]
) -> None:
    """Updates one flow, or creates it where it is not there."""
    call = Call(
        method="PUT" if there else "POST",
        path=("flows", key.namespace, key.name) if there else ("flows",),
        content=text,
        content_type="application/x-yaml",
        repeat=Repeat.SAFE if there else Repeat.ONCE,
    )
    client.send(call, guard)


def delete_flows(client: Client, keys: Sequence[Key], guard: Callable[[float], None]) -> None:
    """Deletes flows in this order with one request. Raises NotFound at the first that is not
    there; those before it are deleted then."""
    ids = [{"namespace": key.namespace, "id": key.name} for key in keys]
    call = Call(
        method="DELETE",
        path=("flows", "delete", "by-ids"),
        content=json.dumps(ids).encode(),
        content_type="application/json",
        repeat=Repeat.SAFE,
    )
    client.send(call, guard)


def delete_flow(client: Client, key: Key, guard: Callable[[float], None]) -> None:
    """Deletes one flow; one that is not there is deleted already."""
    call = Call(method="DELETE", path=("flows", key.namespace, key.name), repeat=Repeat.SAFE)
    try:
        client.send(call, guard)
    except NotFound:
        return
