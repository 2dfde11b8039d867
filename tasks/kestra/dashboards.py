"""Which dashboards does a tenant hold, and how are dashboards written and deleted?"""

from __future__ import annotations

import re
from collections.abc import Callable

from tasks.errors import Doubtful, NotFound, Refused, Unsupported
from tasks.kestra.calls import Call, Repeat, get
from tasks.kestra.client import Client
from tasks.kestra.paging import Row, whole_list
from tasks.kestra.server import Server

#: What the server looks for before it puts the id in front of a text that it answers alone.
_ID_LINE = re.compile(r"^id:.*$", re.MULTILINE)


def read_dashboards(client: Client, server: Server) -> dict[str, bytes]:
    """All dashboards of the tenant: id → text, with an `id:` line even where the server stored
    none (those of old servers).

    Raises Unsupported where the server has no dashboards, or forbids the id in their text.
    """
    if not server.names_dashboards:
        raise Unsupported(
            f"{client!r}: dashboards of Kestra {server.version} have no id in their text, so they "
            "cannot be told apart; update it to 1.0 or later, or leave kind DASHBOARD out"
        )
    try:
        rows = whole_list(client, ("dashboards",))
    except (NotFound, Unsupported) as error:
        raise Unsupported(f"This server does not list dashboards: {error.message}") from None
    texts = client.each(lambda row: _text(client, row), rows)
    return {str(row["id"]): text for row, text in zip(rows, texts, strict=True)}


def _text(client: Client, row: Row) -> bytes:
    source, name = row.get("sourceCode"), str(row["id"])
    if not isinstance(source, str):
        call = get("dashboards", name)
        answer = client.read(call)
        source = answer.get("sourceCode") if isinstance(answer, dict) else None
        if not isinstance(source, str):
            raise Doubtful(f"{client!r}: {call} did not answer the text of the dashboard")
    if not _ID_LINE.search(source):
        source = f"id: {name}\n{source}"
    return source.encode()


def put_dashboard(
    client: Client, name: str, text: bytes, *, there: bool, guard: Callable[[float], None]
) -> None:
    """Updates one dashboard, or creates it where it is not there."""
    call = Call(
        method="PUT" if there else "POST",
        path=("dashboards", name) if there else ("dashboards",),
        content=text,
        content_type="application/x-yaml",
        repeat=Repeat.SAFE if there else Repeat.ONCE,
    )
    client.send(call, guard)


def delete_dashboard(client: Client, name: str, guard: Callable[[float], None]) -> None:
    """Deletes one dashboard; one that is not there is deleted already.

    The server says 404 or 409 then; a 409 that means something else shows when it is read back.
    """
    call = Call(method="DELETE", path=("dashboards", name), repeat=Repeat.SAFE)
    try:
        client.send(call, guard)
    except NotFound:
        return
    except Refused as error:
        if "exist" not in error.message:
            raise
