"""What was asked for on the command line."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass

from bench.stack import Server
from bench.tenant import Size


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The same for all measures; each takes what concerns it."""

    size: Size
    #: Repetitions, at most.
    repeat: int
    #: More variables of the environment of all workers.
    settings: Mapping[str, str]
    #: Milliseconds that the sandbox lets each call wait; None = as the measure says.
    latency: float | None
    #: A Kestra that runs already; None = the sandbox.
    kestra: Server | None


def progress(text: str) -> None:
    """Says what is done now."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
