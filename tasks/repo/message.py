"""What a commit says: who, when, the message and its trailers, as git stores them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

#: The trailer by which a run finds its own commit again.
RUN_TRAILER = "Tenantsync-Run"

_TRAILER = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*: ")


@dataclass(frozen=True, slots=True)
class Person:
    """An author or committer."""

    name: str
    email: str

    def line(self, when: datetime) -> str:
        """`Name <mail> seconds +0000`, where nothing in a name can end the line or the mail."""
        name, email = _one_line(self.name), _one_line(self.email).replace(" ", "")
        return f"{name or 'unknown'} <{email}> {int(when.timestamp())} +0000"


def compose(message: str, trailers: Mapping[str, str]) -> str:
    """The whole message: its text, a blank line, then one line per trailer.

    Line ends in trailers become blanks, so that no value can add a trailer of its own. Lines
    that would read as the beginning of the block stay apart from it by the blank line; a last
    paragraph of the message that is itself a block of trailers is not joined with ours.
    """
    text = "\n".join(line.rstrip() for line in message.replace("\0", "").splitlines()).strip()
    lines = [
        f"{key}: {value}"
        for key, each in trailers.items()
        if _TRAILER.fullmatch(f"{key}: ") and (value := " ".join(each.replace("\0", " ").split()))
    ]
    # git never takes the first paragraph for trailers, so there always is another one.
    return "\n\n".join(filter(None, (text or "Sync", "\n".join(lines)))) + "\n"


def _one_line(text: str) -> str:
    cut = text.replace("\0", " ").replace("<", "").replace(">", "")
    return " ".join(cut.split()).strip(".,:;\"' ")
