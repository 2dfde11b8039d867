"""How are the changes of a run shown? As a coloured patch, or as rows."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from workers.cli.console import line, out, show, tell, text
from workers.cli.output import Output, write

_STYLES = (
    ("diff ", "bold"),
    ("+++ ", "bold"),
    ("--- ", "bold"),
    ("@@", "cyan"),
    ("+", "green"),
    ("-", "red"),
)


def show_patch(patch: bytes) -> None:
    """A patch: on a terminal coloured and made harmless, else byte for byte for other programs."""
    if not out().is_terminal:
        sys.stdout.buffer.write(patch)
        return
    for each in patch.decode("utf-8", "replace").splitlines():
        tell(text(each, next((style for start, style in _STYLES if each.startswith(start)), "")))


def show_rows(ion: bytes, form: Output) -> None:
    """The rows of a diff file; Ion byte for byte as Kestra reads it, one struct a line."""
    if form is Output.ION:
        sys.stdout.buffer.write(ion)
        return
    from amazon.ion import simpleion  # type: ignore[import-untyped]

    rows = [_plain(row) for row in _rows(simpleion.loads(ion, single_value=False))]
    if form is not Output.TABLE:
        write(rows, form)
        return
    from rich.table import Table

    table = Table("action", "kind", "key", "lines", "cause", box=None, pad_edge=False)
    for row in rows:
        lines = f"{row.get('additions', '')} {row.get('deletions', '')}"
        cells = (row.get("action"), row.get("kind"), row.get("key"), lines, row.get("cause"))
        table.add_row(*(line(cell or "") for cell in cells))
    show(table)


def _rows(values: object) -> Iterable[dict[str, object]]:
    return values if isinstance(values, Iterable) else ()


def _plain(row: dict[str, object]) -> dict[str, object]:
    """The row with plain strings, lists and None in place of Ion's own types."""
    return {str(key): _value(value) for key, value in row.items()}


def _value(value: object) -> object:
    if isinstance(value, str):
        return str(value)
    if isinstance(value, list | tuple):
        return [_value(one) for one in value]
    is_null = value is None or type(value).__name__ == "IonPyNull"
    return None if is_null else str(value)
