"""Which messages may reach a job? One that cannot be a message of a job is dropped with a line in
the log: it would end each worker that took it, and come back to the next one."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable
from typing import Any

from celery.exceptions import InvalidTaskError
from celery.worker.consumer import Consumer as CeleryConsumer
from kombu.exceptions import ContentDisallowed, DecodeError

from tasks.visible import visible_line

log = logging.getLogger(__name__)

#: Levels of a message: those of a chord have about twenty, and what is passed on to a child of the
#: worker must not exceed the stack of pickle, which takes about three hundred.
MAX_DEPTH = 100
#: What Celery lets out where a message has another form than it expects.
_ODD = (TypeError, ValueError, LookupError, AttributeError, RecursionError, OverflowError)


def only_messages(read: Callable[..., Any]) -> Callable[..., Any]:
    """`read` takes one reply of the broker and delivers what is in it; what is no message at all
    (no JSON, nested too deep, without its fields) is dropped, where kombu would end the worker."""

    @functools.wraps(read)
    def reading(channel: Any, *args: Any, **options: Any) -> Any:
        try:
            return read(channel, *args, **options)
        except _ODD as error:
            queues = visible_line(", ".join(sorted(channel.active_queues)))
            log.error("what is no message is dropped (queue %s): %s", queues, type(error).__name__)
            return True  # something was taken

    return reading


class Consumer(CeleryConsumer):
    """Takes messages as Celery does, but none that would end the worker."""

    def create_task_handler(self, *args: Any, **options: Any) -> Callable[[Any], None]:
        take = super().create_task_handler(*args, **options)

        def received(message: Any) -> None:
            try:
                _check(message)
                take(message)
            except (InvalidTaskError, *_ODD) as error:
                _drop(message, error)

        return received


def _check(message: Any) -> None:
    if not isinstance(message.headers.get("task"), str):
        raise InvalidTaskError("it names no job")
    if not isinstance(message.headers.get("id"), str):
        raise InvalidTaskError("it has no id")
    check_depth([message.headers], "its headers are")
    try:
        payload = message.payload
    except (DecodeError, ContentDisallowed):
        return  # Celery drops these itself
    check_payload(payload)


def check_payload(payload: object) -> None:
    """Raises InvalidTaskError for what is no [arguments, named arguments, more] (Celery's message
    protocol 2), and for what is nested deeper than `MAX_DEPTH`."""
    match payload:
        case [list(), dict(), dict() | None]:
            check_depth([payload], "its body is")
        case _:
            raise InvalidTaskError("its body is not of a job")


def check_depth(level: list[object], what: str) -> None:
    """Raises InvalidTaskError where these values are nested deeper than `MAX_DEPTH`."""
    for _ in range(MAX_DEPTH):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise InvalidTaskError(f"{what} nested deeper than {MAX_DEPTH} levels")


def _inside(value: object) -> Iterable[object]:
    if isinstance(value, dict):
        return value.values()
    return value if isinstance(value, (list, tuple)) else ()


def _drop(message: Any, error: Exception) -> None:
    why = str(error) if isinstance(error, InvalidTaskError) else type(error).__name__
    shown = visible_line(str(message.headers.get("id"))[:100])
    log.error("message %s is dropped: %s", shown, why)
    if not message.acknowledged:
        message.reject()
