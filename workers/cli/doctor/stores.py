"""Checks of the stores: the database of the records, and the contents."""

from __future__ import annotations

import secrets
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import Unreachable
from workers.cli.doctor.finding import Check, Finding, Subject
from workers.cli.doctor.machine import disk

if TYPE_CHECKING:
    from tasks.store.contents import Contents
    from workers.settings import Settings

RECORDS, CONTENTS = Subject("database"), Subject("contents")


def database(chosen: Settings) -> list[Finding]:
    """The records: reachable, of a version that this program knows, and writable. Tables of
    another version are left as they are; those of a new installation are made."""
    from tasks.store.database import Database
    from tasks.store.looking import look, try_to_write
    from tasks.store.upgrade import SCHEMA_VERSION

    found = look(chosen.database)
    if found.version is not None and found.version != SCHEMA_VERSION:
        return [_other_version(found.version, SCHEMA_VERSION)]
    if found.version is None:
        Database(chosen.database).close()
    try_to_write(chosen.database)
    where = "SQLite in the data directory" if chosen.database_url is None else "your own"
    return [
        RECORDS.ok(Check.DATABASE, f"{where}: can be written"),
        RECORDS.ok(Check.DATABASE_VERSION, f"its tables have version {SCHEMA_VERSION}"),
    ]


def _other_version(found: int, known: int) -> Finding:
    if found > known:
        text = (
            f"its tables have version {found}, this program knows {known}: a newer tenantsync uses "
            "it; upgrade tenantsync on this host"
        )
        return RECORDS.broken(Check.DATABASE_VERSION, text)
    text = (
        f"its tables have version {found}, this program's {known}: the next worker or command "
        "upgrades them. Stop the workers of the older version and make a backup before"
    )
    return RECORDS.warning(Check.DATABASE_VERSION, text)


def contents(chosen: Settings) -> list[Finding]:
    """The contents: what is put there comes back."""
    from tasks.store.contents import Contents

    written = something()
    try:
        store = Contents(chosen.contents)
        came_back = store.get(store.put(written))
    except Unreachable as error:
        text = f"{error}; name a folder or bucket that can be written in TENANTSYNC_CONTENTS_URL"
        return [CONTENTS.broken(Check.CONTENTS, text)]
    if came_back != written:
        return [CONTENTS.broken(Check.CONTENTS, "what was written does not come back")]
    if (wrong := _foreign(chosen, store)) is not None:
        return [CONTENTS.broken(Check.CONTENTS, wrong)]
    findings = [CONTENTS.ok(Check.CONTENTS, "can be written and read back")]
    local = Path(chosen.contents.removeprefix("file://"))
    if chosen.contents_url is not None and local.is_dir():
        findings = [disk(CONTENTS, Check.CONTENTS, local)]
    if chosen.contents_url is None and chosen.database_url is not None:
        text = "in the data directory: workers on other hosts need TENANTSYNC_CONTENTS_URL"
        findings.append(CONTENTS.note(Check.CONTENTS, text))
    return findings


def _foreign(chosen: Settings, store: Contents) -> str | None:
    """Why these contents are not those of the records; None where they are, where both are new,
    and where the records cannot be read, which another look tells."""
    from tasks.errors import TenantSyncError
    from tasks.store.belonging import mismatch
    from tasks.store.database import Database
    from tasks.store.looking import look
    from tasks.store.upgrade import SCHEMA_VERSION

    try:
        if look(chosen.database).version != SCHEMA_VERSION:
            return None
        with closing(Database(chosen.database)) as records:
            return mismatch(records, store)
    except TenantSyncError:
        return None


def something() -> bytes:
    """Bytes that no store holds yet: what an earlier look has left somewhere proves nothing. They
    are removed like all contents that no record names."""
    return f"written by `tenantsync doctor` {secrets.token_hex(16)}\n".encode()
