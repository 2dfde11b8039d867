"""Who is told how a server answers? Whoever counts the failures of a server over all processes."""

from __future__ import annotations

from typing import Protocol


class Circuit(Protocol):
    """Hears how requests to servers end; never raises."""

    def answered(self, server: str) -> None:
        """A server (its url) has answered a request, be it with a refusal."""

    def failed(self, server: str, why: str) -> None:
        """A request to a server got no answer, or one that says that it does not serve now, and
        all its tries are used up."""


class Unheard:
    """Nobody counts: a single command that asks a server by itself."""

    def answered(self, server: str) -> None:
        """Nothing."""

    def failed(self, server: str, why: str) -> None:
        """Nothing."""
