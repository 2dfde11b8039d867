"""Which parts a multipart body holds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from .errors import internal

#: More parts than this are refused with 500, as measured on 1.3.25.
MAX_PARTS = 128

_BOUNDARY = re.compile(r'boundary="?([^";]+)"?', re.IGNORECASE)
_PARAMETER = re.compile(r'\b(name|filename)="((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class Part:
    """One part: its field name, the file name given with it, its bytes."""

    name: str
    filename: str | None
    content: bytes


def parse_multipart(content_type: str, body: bytes) -> list[Part]:
    """All parts in order; more than MAX_PARTS is the server's 500."""
    found = _BOUNDARY.search(content_type)
    if found is None:
        return []
    parts = []
    for chunk in (b"\r\n" + body).split(b"\r\n--" + found[1].encode())[1:]:
        if chunk.startswith(b"--"):
            break
        head, _, content = chunk.partition(b"\r\n\r\n")
        parts.append(_part(head.decode(errors="replace"), content))
        if len(parts) > MAX_PARTS:
            raise internal(f"Number of form fields exceeds configured limit of [{MAX_PARTS}]")
    return parts


def _part(head: str, content: bytes) -> Part:
    given = {key: re.sub(r"\\(.)", r"\1", text) for key, text in _PARAMETER.findall(head)}
    return Part(given.get("name", ""), given.get("filename"), content)


def required_part(parts: list[Part], name: str) -> Part:
    """The part of that field name; its absence is the server's 500."""
    for part in parts:
        if part.name == name:
            return part
    raise internal(f"Required Part [{name}] not specified")
