"""Who is this text: which id and namespace does it name, and which flows does it call?

Flows and dashboards are known by what their text says, never by the name of a file or of an
archive entry.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tasks.artifacts import Key, blob_oid, normal_text
from tasks.yamltext import Scalar, scalars

_NAMES = ("id", "namespace")
_START = re.compile(rb"(?:\xef\xbb\xbf)?(?:---[ \t]*\r?\n)?")
#: Lines that may stand above and between the two lines of an ordinary text.
_FILLER = re.compile(rb"[ \t]*(?:#[^\r\n]*)?\r?\n")
#: An ordinary `id: x` or `namespace: y` line: nothing to interpret in it, at most a comment.
_LINE = re.compile(
    rb"(id|namespace): +(?!(?i:null)[ \t\r\n])([A-Za-z0-9][A-Za-z0-9._-]*)"
    rb"(?:[ \t]+#[^\r\n]*|[ \t]*)\r?\n"
)
#: Below them an indented line would go on with the value, and a line at column 0 could name one
#: of the two again where it does not begin with an ordinary key, a list entry or a comment.
_DOUBT = re.compile(rb"\n(?:(?:id|namespace)[ \t]*:|[^\sA-Za-z_#-]|---)")
_GOES_ON = re.compile(rb"[\r\n]*[ \t]")
#: Line ends that YAML knows besides LF and CRLF.
_ODD_BREAK = re.compile(rb"\r(?!\n)|\xc2\x85|\xe2\x80[\xa8\xa9]")
_SAYS_NAME = re.compile(rb"\s*[\"']?(?:id|namespace)[\"']?\s*:")
_LIKE_AN_ID = re.compile(rb"^[ \t]{0,2}[\"']?id[\"']?[ \t]*:[ \t]*[\"']?([^\s\"'#,{}\[\]]+)", re.M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What a text says that it is; None where it does not say it, or says it twice."""

    id: str | None
    namespace: str | None


def read_identity(text: bytes) -> Identity:
    """The top-level `id` and `namespace` of a YAML text.

    A text with a syntax error tells what stands above the error. A key that is there twice is an
    error for Kestra and reads as None here, as do nulls, aliases and values that are no scalars.
    Invalid UTF-8 is read as Kestra reads it (U+FFFD); texts above 10 MiB tell nothing.
    """
    return _ordinary(text) or _parsed(text)


def possible_ids(text: bytes) -> frozenset[str]:
    """Ids that a text without a readable one may mean: what stands behind every `id:` near the
    left edge. They are kept from deletion, so too many do no harm."""
    return frozenset(found.decode("utf-8", "replace") for found in _LIKE_AN_ID.findall(text))


def body_digest(text: bytes) -> str:
    """The blob id of the normal text without its top-level `id` and `namespace` lines: equal for
    two flows that differ in nothing else. Lines that also hold something else stay."""
    normal = normal_text(text)
    ordinary = _ordinary_lines(normal + b"\n")
    if ordinary is not None:
        return blob_oid(_without(normal + b"\n", ordinary)[:-1])
    lines = normal.split(b"\n")
    cut = _identity_lines(normal, lines)
    return blob_oid(b"\n".join(line for at, line in enumerate(lines) if at not in cut))


def _without(text: bytes, found: Iterable[re.Match[bytes]]) -> bytes:
    for one in sorted(found, key=lambda line: -line.start()):
        text = text[: one.start()] + text[one.end() :]
    return text


def called_flows(text: bytes) -> frozenset[tuple[str, str]]:
    """(namespace, flow id) of every flow that the tasks of a flow call by literal names.

    A call is a mapping that holds both `namespace` and `flowId` (Subflow, ForEachItem), wherever
    it lies but under `triggers`, where the other flow calls this one.
    """
    calls: dict[tuple[str | int, ...], dict[str, str]] = {}
    if b"flowId" not in text:
        return frozenset()
    for scalar in scalars(text):
        *above, last = scalar.path
        literal = scalar.value and "{{" not in scalar.value
        if last in ("namespace", "flowId") and literal and above and above[0] != "triggers":
            calls.setdefault(tuple(above), {})[str(last)] = str(scalar.value)
    return frozenset(
        (call["namespace"], call["flowId"]) for call in calls.values() if len(call) == 2
    )


def ordered(texts: Mapping[Key, bytes]) -> tuple[Key, ...]:
    """Keys of flows, each called flow before its callers, else sorted.

    In a cycle the flow with the smallest key among those reached first comes last of it, so that
    equal input gives equal order. Calls of flows that are not in `texts` have no influence.
    """
    by_name = {(key.namespace, key.name): key for key in texts}
    calls = {
        key: sorted(by_name[name] for name in called_flows(text) if name in by_name)
        for key, text in texts.items()
    }
    seen: set[Key] = set()
    order: list[Key] = []
    for key in sorted(texts):
        order.extend(_called_first(key, calls, seen))
    return tuple(order)


def _called_first(start: Key, calls: Mapping[Key, list[Key]], seen: set[Key]) -> Iterator[Key]:
    """Depth first without recursion: chains of calls may be longer than Python's stack."""
    if start in seen:
        return
    seen.add(start)
    open_keys = [(start, iter(calls[start]))]
    while open_keys:
        key, rest = open_keys[-1]
        called = next((one for one in rest if one not in seen), None)
        if called is None:
            open_keys.pop()
            yield key
        else:
            seen.add(called)
            open_keys.append((called, iter(calls[called])))


def _ordinary(text: bytes) -> Identity | None:
    """The identity by its two lines, where no rule of YAML can give them another meaning."""
    lines = _ordinary_lines(text)
    if lines is None:
        return None
    found = {line[1]: line[2].decode() for line in lines}
    return Identity(id=found[b"id"], namespace=found[b"namespace"])


def _ordinary_lines(text: bytes) -> Collection[re.Match[bytes]] | None:
    start = _START.match(text)
    at = start.end() if start else 0
    found: dict[bytes, re.Match[bytes]] = {}
    while len(found) < len(_NAMES):
        if filler := _FILLER.match(text, at):
            at = filler.end()
        elif (line := _LINE.match(text, at)) and line[1] not in found:
            found[line[1]], at = line, line.end()
        else:
            return None
    # Each pattern begins with a byte that is searched for quickly: all texts of a tenant come here.
    if _GOES_ON.match(text, at) or _DOUBT.search(text, at - 1):
        return None
    if (b"\r" in text or not text.isascii()) and _ODD_BREAK.search(text):
        return None
    return found.values()


def _parsed(text: bytes) -> Identity:
    found: dict[str, str | None] = {}
    for scalar in _top_level(text):
        name = str(scalar.path[0])
        found[name] = None if name in found else scalar.value or None
    return Identity(id=found.get("id"), namespace=found.get("namespace"))


def _top_level(text: bytes) -> Iterator[Scalar]:
    return (one for one in scalars(text) if len(one.path) == 1 and one.path[0] in _NAMES)


def _identity_lines(normal: bytes, lines: list[bytes]) -> frozenset[int]:
    spans = [(one.first_line, one.last_line, one.block) for one in _top_level(normal)]
    return frozenset(
        first
        for first, last, block in spans
        if block and first == last < len(lines) and _SAYS_NAME.match(lines[first])
    )
