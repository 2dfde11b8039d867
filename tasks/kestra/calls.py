"""What one request asks: address, body, how long it may take and when it may be sent again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from tasks.visible import visible_line


class Repeat(StrEnum):
    """When a request that failed is sent again by itself."""

    #: A read: after every passing fault, 500 included (a GET only).
    READ = "READ"
    #: A second one changes nothing: when it was not sent, and after 429, 502, 503, 504.
    SAFE = "SAFE"
    #: A second one leaves a trace: only when the first was not sent or was turned away (429).
    ONCE = "ONCE"


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """One part of a multipart body."""

    field: str
    filename: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: `path` holds the segments after `/api/v1/{tenant}`, not yet encoded."""

    method: str
    path: tuple[str, ...]
    query: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None
    content_type: str | None = None
    uploads: tuple[Upload, ...] = ()
    repeat: Repeat = Repeat.READ
    #: Built by the server in memory: takes `bulk_timeout` instead of `timeout`.
    bulk: bool = False
    #: Instance-level calls have no tenant in their path.
    tenant: bool = True

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in self.query)
        address = "/".join(self.path) + (f"?{query}" if query else "")
        return f"{self.method} {visible_line(address)}"


def get(*path: str, query: Iterable[tuple[str, str]] = (), bulk: bool = False) -> Call:
    """A read of the tenant."""
    return Call(method="GET", path=path, query=tuple(query), bulk=bulk)
