"""How a paged list is read to its end, so that a short one never reads as a small one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tasks.errors import Doubtful
from tasks.kestra.calls import get
from tasks.kestra.client import Client

#: The largest page that every server accepts: above it, 2.0 and later answer 422.
PAGE_SIZE = 1000

Row = Mapping[str, object]


def page(
    client: Client, path: tuple[str, ...], query: Iterable[tuple[str, str]]
) -> tuple[list[Row], int]:
    """The rows of one page and the total that the server gives with them.

    Raises Doubtful when the answer has another form.
    """
    call = get(*path, query=query)
    answer = client.read(call)
    rows = answer.get("results") if isinstance(answer, dict) else None
    total = answer.get("total") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not isinstance(total, int):
        raise Doubtful(f"{client!r}: {call} did not answer a page (results and total)")
    if not all(isinstance(row, dict) for row in rows):
        raise Doubtful(f"{client!r}: {call} answered rows that are no objects")
    return rows, total


def whole_list(
    client: Client,
    path: tuple[str, ...],
    query: Iterable[tuple[str, str]] = (),
    *,
    size: int = PAGE_SIZE,
    named: tuple[str, ...] = ("id",),
) -> list[Row]:
    """All rows of a list; `named` are the fields that together name a row.

    Raises Doubtful when the pages fall short of `total`, when `total` changes on the way, or when
    a row comes twice: then the list moved while it was read.
    """
    found: list[Row] = []
    expected: int | None = None
    number = 1
    while expected is None or len(found) < expected:
        here = (*query, ("page", str(number)), ("size", str(size)))
        rows, total = page(client, path, here)
        if expected is not None and total != expected:
            raise Doubtful(
                f"{client!r}: {'/'.join(path)} said {expected} in all, then {total} on page "
                f"{number}; the list moved while it was read, ask again"
            )
        if not rows and len(found) < total:
            raise Doubtful(
                f"{client!r}: {'/'.join(path)} gave {len(found)} of {total} and then an empty page"
            )
        found, expected, number = found + rows, total, number + 1
    return _once_each(client, path, found, expected, named)


def _once_each(
    client: Client, path: tuple[str, ...], rows: list[Row], total: int, named: tuple[str, ...]
) -> list[Row]:
    names = {tuple(str(row.get(field)) for field in named) for row in rows}
    if len(rows) != total or len(names) != len(rows):
        raise Doubtful(
            f"{client!r}: {'/'.join(path)} gave {len(rows)} rows with {len(names)} names where it "
            f"said {total}; the list moved while it was read, ask again"
        )
    return rows
