"""Which run and job does a log line belong to: fields that every line carries. A message is one
line, whatever names and foreign texts are in it, so that none can pass for another line."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from tasks.visible import visible_line

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


class Lines(logging.Formatter):
    """Writes each record as one line without characters that are not seen; the lines of a
    traceback follow it indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return visible_line(super().formatMessage(record))

    def formatException(self, ei: Any) -> str:
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"    {visible_line(line)}" for line in text.split("\n"))


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
        handler.setFormatter(Lines(FORMAT))
