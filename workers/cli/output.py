"""In which form is a result shown? As text for people, or as JSON, YAML or Ion for programs."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from typing import Annotated

import typer


class Output(StrEnum):
    """The forms of a result."""

    #: For people.
    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    ION = "ion"


OutputOption = Annotated[
    Output, typer.Option("--output", "-o", help="Form of the result on the standard output.")
]


def write(value: object, form: Output) -> None:
    """Writes a JSON-ready value to the standard output; every character that a terminal might
    obey is written as an escape."""
    sys.stdout.write(rendered(value, form))


def rendered(value: object, form: Output) -> str:
    """The value as text with a line end."""
    if form is Output.YAML:
        import yaml

        return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=False, width=100))
    if form is Output.ION:
        from tasks.ion import ion_text

        return f"{ion_text(value, indent='  ')}\n"
    # JSON itself escapes the rest of what is not seen.
    return json.dumps(value, indent=2).replace("\x7f", "\\u007f") + "\n"
