"""Options and arguments that several commands have, and what they ask for together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import typer

from workers.cli.output import Output

RunArgument = Annotated[
    str, typer.Argument(metavar="RUN", help="A run: its id, a unique beginning of it, or `last`.")
]
WaitOption = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait until the run comes to rest.")
]
TimeoutOption = Annotated[
    float | None,
    typer.Option(
        "--timeout", metavar="SECONDS", help="Seconds to wait; after them the command ends with 4."
    ),
]
ExitCodeOption = Annotated[
    bool, typer.Option("--exit-code", help="End with 2 when the plan has changes.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """How a command wants to attend to a run."""

    wait: bool = True
    timeout: float | None = None
    exit_code: bool = False
    output: Output = Output.TABLE
