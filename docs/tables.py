"""Writes the tables of the Markdown files in this folder anew, from the models.

Run it as `make docs` after a field changed; a test says so when it was forgotten.
"""

from __future__ import annotations

from pathlib import Path

from tasks.reference import KINDS, filled, schema
from tasks.schema import json_schema
from workers.settings import PREFIX, Settings


def with_tables(text: str) -> str:
    """A Markdown text with its tables as the models have them now."""
    roots = [*(schema(kind) for kind in KINDS), json_schema(Settings)]
    return filled(text, roots, _spelt)


def _spelt(title: str, field: str) -> str:
    return PREFIX + field.upper() if title == "Settings" else field


def main() -> None:
    for path in sorted(Path(__file__).parent.glob("*.md")):
        text = path.read_text(encoding="utf-8")
        path.write_text(with_tables(text), encoding="utf-8")


if __name__ == "__main__":
    main()
