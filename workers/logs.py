"""Which run and job does a log line belong to: fields that every line carries."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar

_fields: ContextVar[Mapping[str, str]] = ContextVar("log_fields", default={})  # noqa: B039

FORMAT = "%(asctime)s %(levelname)s %(processName)s%(fields)s %(message)s"

#: Libraries that log requests; at DEBUG the headers of answers (httpcore) and what a login is
#: signed with (botocore).
_TALKERS = ("httpx", "httpcore", "botocore", "aiobotocore", "s3fs", "fsspec", "urllib3", "asyncio")


class Fields(logging.Filter):
    """Adds the bound fields to each record as ` run=... job=...`."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.fields = "".join(f" {name}={value}" for name, value in _fields.get().items())
        return True


@contextmanager
def bound(**fields: str) -> Iterator[None]:
    """Binds fields to all lines of this thread until the block ends."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def install(logger: logging.Logger) -> None:
    """Gives all handlers of a logger the fields and the format; one line per HTTP request would
    drown what a run says, and at DEBUG it would hold logins."""
    for name in _TALKERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    for handler in logger.handlers:
        handler.addFilter(Fields())
        handler.setFormatter(logging.Formatter(FORMAT))
