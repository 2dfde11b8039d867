"""Which page of a list is asked for, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from .call import Call
from .errors import ApiError, Violation, internal
from .settings import Dialect

#: The largest page of a 2.0 server.
MAX_SIZE = 1000

Entry = TypeVar("Entry")


def paged(
    call: Call, operation: str, entries: Sequence[Entry], columns: Mapping[str, Any] | None = None
) -> tuple[list[Entry], int]:
    """The entries of the page that `call` asks for, and the total.

    `columns` maps a sortable field to the function that reads it. Past the end the page is empty
    and the total 0, as measured.
    """
    page, size = call.number("page", 1), call.number("size", 10)
    _refuse_numbers(call, operation, page, size)
    ordered = _ordered(call, list(entries), columns or {})
    start = (page - 1) * size
    if start >= len(ordered):
        return [], 0
    return ordered[start : start + size], len(ordered)


def _refuse_numbers(call: Call, operation: str, page: int, size: int) -> None:
    for name, number in (("page", page), ("size", size)):
        if number < 1:
            raise _refused(operation, name, "must be greater than or equal to 1")
    if call.world.settings.dialect is Dialect.V2_0 and size > MAX_SIZE:
        raise _refused(operation, "size", f"must be less than or equal to {MAX_SIZE}")


def _refused(operation: str, name: str, message: str) -> ApiError:
    path = f"{operation}.{name}"
    return ApiError(422, f"Invalid entity: {path}: {message}", (Violation(message, path),))


def _ordered(call: Call, entries: list[Entry], columns: Mapping[str, Any]) -> list[Entry]:
    wanted = [value for key, value in call.query if key == "sort"]
    for sort in reversed(wanted):
        name, colon, direction = sort.partition(":")
        if not colon:
            raise ApiError(422, "Unprocessable Entity: Invalid sort parameter")
        if name not in columns:
            raise internal(
                f'SQL [select *, count(*) over () "total_count"]; Column "{name}" not found'
            )
        entries = sorted(entries, key=columns[name], reverse=direction.lower() == "desc")
    return entries
