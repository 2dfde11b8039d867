"""Which contents does a record still name, directly or through a staged document?"""

from __future__ import annotations

import re
from collections.abc import Iterable

from tasks.errors import TenantSyncError
from tasks.toolbox import Toolbox

#: Fields of staged documents that name further contents (sha256, 64 hex digits).
#: A slice (`sha256@offset+length`) keeps its whole blob.
_NAMED = re.compile(rb'"(?:afterContent|beforeContent|keptContent)":"([0-9a-f]{64})')


def used_contents(tools: Toolbox) -> frozenset[str]:
    """All blobs that must be kept: those that rows name, and those with texts and pre-images that
    plans name. The name of a slice begins with that of its blob."""
    rows = tools.runs.contents() | tools.parts.contents()
    return frozenset(name.partition("@")[0] for name in rows) | frozenset(_within(tools, rows))


def _within(tools: Toolbox, names: Iterable[str]) -> Iterable[str]:
    for name in names:
        try:
            document = tools.contents.get(name)
        except TenantSyncError:
            continue  # what is gone or damaged names nothing; whoever needs it says so
        yield from (found.decode() for found in _NAMED.findall(document))
