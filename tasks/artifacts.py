"""What is synced: kinds, keys, digests and what one side holds of one part."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from tasks.problems import Problem

#: The namespace name of parts that belong to the whole tenant (dashboards).
GLOBAL = "_global"
#: Bytes of the largest artifact that takes part in a sync. Forges refuse files of more than
#: 100 MB or MiB (GitHub: "Files larger than 100 MiB are blocked"), and each is held in memory.
LARGEST = 100 * 1000 * 1000


class Kind(StrEnum):
    """The kinds of artifacts."""

    #: A flow: YAML text, identified by its namespace and the id in the text.
    FLOW = "FLOW"
    #: A namespace file: bytes, identified by its namespace and path.
    FILE = "FILE"
    #: A custom dashboard of the tenant: YAML text, identified by the id in the text.
    DASHBOARD = "DASHBOARD"

    # Parts and keys are hashed by the ten thousand, and an enumeration hashes in Python.
    __hash__ = str.__hash__

    @property
    def is_text(self) -> bool:
        """Whether equality ignores CRLF against LF and blanks at the end of the text."""
        return self is not Kind.FILE


class Part(NamedTuple):
    """One namespace × kind of a run."""

    namespace: str
    kind: Kind

    def __str__(self) -> str:
        return f"{self.namespace} {self.kind}"


class Key(NamedTuple):
    """The identity of one artifact: `name` is a flow id, a file path as Kestra lists it
    (no leading slash, a space is `+`), or a dashboard id."""

    namespace: str
    kind: Kind
    name: str

    @property
    def part(self) -> Part:
        return Part(self.namespace, self.kind)

    def __str__(self) -> str:
        return f"{self.namespace}/{self.kind}/{self.name}"


def blob_oid(content: bytes) -> str:
    """The id that Git gives to a blob of these bytes: 40 hex digits (SHA-1 object format)."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def content_digest(content: bytes) -> str:
    """The name of these bytes in the contents store: sha256, 64 hex digits."""
    return hashlib.sha256(content).hexdigest()


def normal_text(content: bytes) -> bytes:
    """A text as it is compared: CRLF is LF and blanks at its end are cut (DESIGN rule of §5;
    the vendor's plugin compares the same way, so newline-only edits are never written)."""
    return content.replace(b"\r\n", b"\n").rstrip(b" \t\r\n\v\f")


def digest(kind: Kind, content: bytes) -> str:
    """What is compared: the blob id of the bytes (files) or of the normal text (texts)."""
    return blob_oid(normal_text(content) if kind.is_text else content)


class Entry(NamedTuple):
    """One artifact as one side holds it."""

    #: What is compared; see `digest`.
    digest: str
    #: The blob id of the raw bytes.
    oid: str
    #: Git: the path below the repository root. Kestra: the path or id as the server lists it.
    path: str
    #: Git: the file mode, so that an executable bit outlives an update.
    mode: str = "100644"
    #: Kestra: the revision, where the server gives one.
    revision: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one side holds for one part, read whole: name → entry.

    `problems` tell of artifacts that are there but cannot take part (two files with one id, a
    name that Kestra cannot hold, more bytes than `LARGEST`). Names in `withheld` are neither
    written nor deleted on either side in this run: those of such artifacts, drafts, and names that
    an ignore file hides.
    """

    entries: Mapping[str, Entry] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    withheld: frozenset[str] = frozenset()
