"""How a paged list is read to its end, so that a short one never reads as a small one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeGuard

from tasks.errors import Doubtful
from tasks.kestra.calls import get
from tasks.kestra.client import Client

#: The largest page that every server accepts: above it, 2.0 and later answer 422.
PAGE_SIZE = 1000
#: Rows of a list that is read whole: hundreds of times the largest tenant that was measured.
MOST_ROWS = 1_000_000

Row = Mapping[str, object]


def page(
    client: Client, path: tuple[str, ...], query: Iterable[tuple[str, str]]
) -> tuple[list[Row], int]:
    """The rows of one page and the total that the server gives with them.

    Raises Doubtful when the answer has another form, or says that there are more than
    `MOST_ROWS`.
    """
    call = get(*path, query=query)
    answer = client.read(call)
    rows = answer.get("results") if isinstance(answer, dict) else None
    total = answer.get("total") if isinstance(answer, dict) else None
    if not isinstance(rows, list) or not is_count(total):
        raise Doubtful(f"{client!r}: {call} did not answer a page (results and total)")
    if total > MOST_ROWS:
        raise Doubtful(f"{client!r}: {call} says {total} in all; at most {MOST_ROWS} are read")
    if not all(isinstance(row, dict) for row in rows):
        raise Doubtful(f"{client!r}: {call} answered rows that are no objects")
    return rows, total


def is_count(value: object) -> TypeGuard[int]:
    """Whether a value of an answer is a number of things: whole, not negative, and exact as a
    number of JSON (RFC 8259, section 6)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 53


def whole_list(
    client: Client,
    path: tuple[str, ...],
    query: Iterable[tuple[str, str]] = (),
    *,
    size: int = PAGE_SIZE,
    named: tuple[str, ...] = ("id",),
) -> list[Row]:
    """All rows of a list; `named` are the fields that together name a row, texts in every row.

    Raises Doubtful when the pages fall short of `total`, when `total` changes on the way, when a
    row comes twice (then the list moved while it was read, or its pages never end), or names
    nothing.
    """
    found: list[Row] = []
    names: set[tuple[str, ...]] = set()
    expected: int | None = None
    number = 1
    while expected is None or len(found) == len(names) < expected:
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
        names.update(_name(client, path, row, named) for row in rows)
        found += rows
        expected, number = total, number + 1
    if not len(found) == len(names) == expected:
        raise Doubtful(
            f"{client!r}: {'/'.join(path)} gave {len(found)} rows with {len(names)} names where it "
            f"said {expected}; the list moved while it was read, ask again"
        )
    return found


def _name(
    client: Client, path: tuple[str, ...], row: Row, named: tuple[str, ...]
) -> tuple[str, ...]:
    values = tuple(row.get(field) for field in named)
    if not all(isinstance(value, str) and value for value in values):
        raise Doubtful(
            f"{client!r}: {'/'.join(path)} gave a row without {' and '.join(named)}; is it Kestra?"
        )
    return tuple(map(str, values))
