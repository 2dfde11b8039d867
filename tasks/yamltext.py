"""Which scalars does a YAML text hold, and under which keys?

Reads parser events only and builds no object, so anchors that multiply (YAML bombs) stay one
event each. A text that breaks off with a syntax error tells what stood before the error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

import yaml

#: Bytes of one text; Kestra itself refuses YAML bodies above 10 MiB (measured).
MAX_BYTES = 10 * 1024 * 1024
#: Levels of nesting; deeper texts are read no further.
MAX_DEPTH = 100
#: Parser events of one text, about two seconds of work; longer texts are read no further.
MAX_EVENTS = 300_000
#: `%TAG` lines of one text: libyaml compares each with all before it and keeps them for all
#: documents (100,000 of them take half a minute), and ordinary texts have none.
MAX_TAGS = 100

_BOM = "\ufeff"
_STRING_TAGS = {None, "!", "tag:yaml.org,2002:str"}
_NULLS = {"", "~", "null", "Null", "NULL"}
#: The place of a key that is no scalar; no scalar key of ours is equal to it.
_COMPLEX = "\0complex"

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scalar:
    """One scalar value: the keys and list positions that lead to it, and its lines."""

    path: Path
    #: None for a null, an alias or a value of a tag that is no string.
    value: str | None
    #: The line of the key and the last line of the value, counted from 0.
    first_line: int
    last_line: int
    #: Whether the mapping that holds it is written in block style.
    block: bool


@dataclass(slots=True)
class _Frame:
    """A collection that is open: its path and what comes next in it."""

    path: Path
    is_map: bool
    block: bool
    key: str | None = None
    key_line: int = 0
    index: int = 0

    @property
    def wants_key(self) -> bool:
        return self.is_map and self.key is None

    @property
    def child(self) -> Path:
        if not self.is_map:
            return (*self.path, self.index)
        return (*self.path, _COMPLEX if self.key is None else self.key)

    def took(self, key: str, line: int) -> None:
        """One node of this collection is complete."""
        if self.wants_key:
            self.key, self.key_line = key, line
        else:
            self.key, self.index = None, self.index + 1


def decoded(content: bytes) -> str:
    """The text as Kestra reads it: UTF-8, invalid bytes replaced, without a byte order mark."""
    return content.decode("utf-8", "replace").removeprefix(_BOM)


def is_readable(text: str | bytes) -> bool:
    """Whether a parser comes to the end of a text in a time that grows with its length."""
    count = text.count("%TAG") if isinstance(text, str) else text.count(b"%TAG")
    return count <= MAX_TAGS


def scalars(content: bytes) -> Iterator[Scalar]:
    """The scalars of the first document in order; ends early at a syntax error, at
    `MAX_DEPTH` or `MAX_EVENTS`, and at once for a text above `MAX_BYTES` or `MAX_TAGS`."""
    if len(content) > MAX_BYTES or not is_readable(content):
        return
    stack: list[_Frame] = []
    for event in _events(content):
        if isinstance(event, yaml.CollectionStartEvent):
            if len(stack) == MAX_DEPTH:
                return
            path = stack[-1].child if stack else ()
            is_map = isinstance(event, yaml.MappingStartEvent)
            stack.append(_Frame(path, is_map, not event.flow_style))
        elif isinstance(event, yaml.CollectionEndEvent):
            stack.pop()
            if stack:
                stack[-1].took(_COMPLEX, _first_line(event))
        elif isinstance(event, yaml.NodeEvent) and stack:
            frame, value = stack[-1], _value(event)
            if not frame.wants_key:
                yield _scalar(frame, event, value)
            frame.took(_COMPLEX if value is None else value, _first_line(event))


def _events(content: bytes) -> Iterator[yaml.Event]:
    try:
        for event in islice(yaml.parse(decoded(content), Loader=yaml.CSafeLoader), MAX_EVENTS):
            if isinstance(event, yaml.DocumentEndEvent):
                return
            yield event
    except yaml.YAMLError:
        return


def _value(event: yaml.NodeEvent) -> str | None:
    if not isinstance(event, yaml.ScalarEvent) or event.tag not in _STRING_TAGS:
        return None
    plain = event.style in (None, "") and event.tag is None
    return None if plain and event.value in _NULLS else str(event.value)


def _scalar(frame: _Frame, event: yaml.NodeEvent, value: str | None) -> Scalar:
    first = frame.key_line if frame.is_map else _first_line(event)
    last = event.end_mark.line if event.end_mark else first
    return Scalar(
        path=frame.child,
        value=value,
        first_line=first,
        last_line=last,
        block=frame.block,
    )


def _first_line(event: yaml.Event) -> int:
    return event.start_mark.line if event.start_mark else 0
