"""Has anything changed in a tenant? A few small calls whose answers move with every change that
they can see; they may spare a read, and nothing is ever decided by them alone."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from tasks.errors import Doubtful, TenantSyncError
from tasks.kestra.calls import Call, Repeat
from tasks.kestra.client import Client
from tasks.kestra.dashboards import read_dashboards
from tasks.kestra.paging import is_count, page
from tasks.kestra.server import Server, read_namespaces
from tasks.record import Record

#: A table of all flows. Its total counts every revision that is no deletion, those of deleted
#: flows included (measured on 1.3.25): each create and each update adds one.
_CHART = """id: flows
type: io.kestra.plugin.core.dashboard.chart.Table
data:
  type: io.kestra.plugin.core.dashboard.data.Flows
  columns:
    id:
      field: ID
"""


class Fingerprint(Record):
    """What the probes answered; equal ones say that no flow, dashboard or namespace has changed.

    Changes of namespace files do not move it: no call of the API shows them for a whole tenant.
    """

    #: Live flows: moves with every create and delete.
    flows: int
    #: When a flow was last changed, as the server writes it.
    updated: str
    #: Revisions of flows that are no deletion: moves with every create and update.
    revisions: int
    #: sha256 over the names of all namespaces.
    namespaces: str
    #: sha256 over the texts of all dashboards; empty where the server has none.
    dashboards: str


def read_fingerprint(client: Client, server: Server) -> Fingerprint | None:
    """What the probes answer now, by four calls at a time; None where one of them is not answered,
    is refused to this login, or fails: then everything is read, which says what is wrong."""
    with ThreadPoolExecutor(4) as pool:
        flows = pool.submit(_flows, client)
        revisions = pool.submit(_revisions, client)
        namespaces = pool.submit(_namespaces, client)
        dashboards = pool.submit(_dashboards, client, server)
    try:
        total, updated = flows.result()
        return Fingerprint(
            flows=total,
            updated=updated,
            revisions=revisions.result(),
            namespaces=namespaces.result(),
            dashboards=dashboards.result(),
        )
    except TenantSyncError:
        return None


def _flows(client: Client) -> tuple[int, str]:
    query = (("page", "1"), ("size", "1"), ("sort", "updated:desc"))
    rows, total = page(client, ("flows", "search"), query)
    return total, str(rows[0].get("updated")) if rows else ""


def _revisions(client: Client) -> int:
    body = {"chart": _CHART, "globalFilter": {"pageNumber": 1, "pageSize": 1}}
    call = Call(
        method="POST",
        path=("dashboards", "charts", "preview"),
        content=json.dumps(body).encode(),
        content_type="application/json",
        repeat=Repeat.SAFE,
    )
    answer = client.read(call)
    total = answer.get("total") if isinstance(answer, dict) else None
    if not is_count(total):
        raise Doubtful(f"{client!r}: {call} did not answer a total")
    return total


def _namespaces(client: Client) -> str:
    return _digest(dict.fromkeys(read_namespaces(client), b""))


def _dashboards(client: Client, server: Server) -> str:
    if not server.names_dashboards:
        return ""
    return _digest(read_dashboards(client, server))


def _digest(texts: Mapping[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, text in sorted(texts.items()):
        digest.update(b"%d %d " % (len(name.encode()), len(text)) + name.encode() + text)
    return digest.hexdigest()
