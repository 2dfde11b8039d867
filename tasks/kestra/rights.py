"""What may this login read, and what does the server offer? Asked by small reads alone, so that
nothing is written to find out.

The rights are named as the Enterprise Edition names them (its permissions reference): an
open-source server has none, so that its login may do everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from tasks.artifacts import Kind
from tasks.errors import NotFound, Unsupported
from tasks.kestra.answers import Forbidden, moment_of
from tasks.kestra.calls import Call, get
from tasks.kestra.client import Client
from tasks.kestra.server import Server

#: A namespace that nobody has: an export of it is empty.
_NOWHERE = "tenantsync.doctor.nowhere"
_ONE = (("page", "1"), ("size", "1"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A right that the login lacks: without it nothing of the kind can be synced."""

    #: None: whatever is synced.
    kind: Kind | None
    right: str
    #: What the server was asked and answered.
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a login can see of its tenant."""

    missing: tuple[Missing, ...]
    #: Kinds that the server has calls for.
    kinds: tuple[Kind, ...]
    #: Why a kind is not offered.
    absent: dict[Kind, str]
    #: What else it has: drafts, KV, namespaces of their own.
    more: tuple[str, ...]
    #: Seconds by which the clock of this machine is ahead of the `Date` of the server, which it
    #: tells in whole seconds; None where it tells none.
    skew: float | None


def sight(client: Client, server: Server, namespaces: Sequence[str]) -> Sight:
    """Raises what keeps the login from anything at all, Unreachable and Busy."""
    absent: dict[Kind, str] = {}
    missing = [*_refused(client, _tenant_reads()), *_refused(client, _file_reads(namespaces))]
    if not server.names_dashboards:
        absent[Kind.DASHBOARD] = f"dashboards of Kestra {server.version} have no id of their own"
    else:
        try:
            missing += _refused(client, [_dashboards()])
        except (NotFound, Unsupported) as error:
            absent[Kind.DASHBOARD] = error.message
    kinds = tuple(kind for kind in Kind if kind not in absent)
    return Sight(
        missing=tuple(missing),
        kinds=kinds,
        absent=absent,
        more=_more(client, server),
        skew=_skew(client.date),
    )


#: Kind, the right that a read needs, and the read.
_Read = tuple[Kind | None, str, Call]


def _tenant_reads() -> list[_Read]:
    export = (("filters[namespace][EQUALS]", _NOWHERE),)
    return [
        (None, "NAMESPACE: LIST", get("namespaces", "search", query=_ONE)),
        (Kind.FLOW, "FLOW: LIST", get("flows", "search", query=_ONE)),
        (Kind.FLOW, "FLOW: EXPORT", get("flows", "export", "by-query", query=export)),
    ]


def _file_reads(namespaces: Sequence[str]) -> list[_Read]:
    # One right for reading and writing files alike.
    return [
        (
            Kind.FILE,
            f"NAMESPACE: MANAGE_FILES in {namespace}",
            get("namespaces", namespace, "files", "search", query=(("q", "/"),)),
        )
        for namespace in namespaces
    ]


def _dashboards() -> _Read:
    return (Kind.DASHBOARD, "DASHBOARD: LIST", get("dashboards", query=_ONE))


def _refused(client: Client, reads: Sequence[_Read]) -> Iterator[Missing]:
    for kind, right, call in reads:
        try:
            client.send(call)
        except Forbidden as error:
            yield Missing(kind=kind, right=right, said=error.message)
        except NotFound:
            if kind is not Kind.FILE:
                raise
            # The Enterprise Edition does not know this namespace yet: nothing to read there.


def _more(client: Client, server: Server) -> tuple[str, ...]:
    found = []
    if server.has_drafts:
        found.append("drafts")
    with suppress(NotFound, Unsupported, Forbidden):
        client.send(get("kv", query=_ONE))
        found.append("KV")
    if server.keeps_namespaces:
        found.append("namespaces of their own")
    return tuple(found)


def _skew(date: str | None) -> float | None:
    if date is None:
        return None
    told = moment_of(date)
    return None if told is None else (datetime.now(UTC) - told).total_seconds()
