"""What a YAML text holds, and what the server says of a text that it cannot read.

The scalars are those of the server's reader: yes/no/on/off are booleans, dates stay texts, `1e3`
is a number, and only the first document of a text is read. Writes refuse a key that is given
twice, validations do not see it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml
from yaml.reader import ReaderError

_SOURCE = "[Source: (StringReader); line: {line}, column: {column}]"

#: libyaml's words for what the server's reader says otherwise.
_PROBLEMS = {
    "mapping values are not allowed in this context": "mapping values are not allowed here",
    "did not find expected node content": "expected the node content, but found '<stream end>'",
}
#: Scalars that PyYAML types and the server leaves as texts, or the other way round.
_UNTYPED_TAGS = ("tag:yaml.org,2002:timestamp", "tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_INT = re.compile(r"[-+]?(?:0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)")
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*|\.[0-9]+|[0-9][0-9_]*(?=[eE]))(?:[eE][-+]?\d+)?"
)

#: The limits of SnakeYAML's LoaderOptions: aliases of collections, and levels.
MAX_ALIASES, MAX_DEPTH = 50, 50
#: `%TAG` lines, of which libyaml compares each with all before it.
_MAX_TAGS = 100
#: A line that begins so far to the right that half of the levels may be above it.
_INDENTED = re.compile(rf"^[ \-?]{{{MAX_DEPTH // 2}}}", re.MULTILINE)

_IDENTITY = re.compile(r"^(id|namespace):[ \t]*([A-Za-z][A-Za-z0-9._-]*)[ \t\r]*$", re.MULTILINE)
_REVISION_LINE = re.compile(r"^revision: \d+\n?", re.MULTILINE)


class UnreadableTextError(Exception):
    """A text that is no YAML, or holds a key twice; the message is the server's."""


class LenientLoader(yaml.CSafeLoader):
    """The C loader with the server's idea of scalars."""


class StrictLoader(LenientLoader):
    """The same, but a key given twice is an error."""


LenientLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag not in _UNTYPED_TAGS]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}
LenientLoader.add_implicit_resolver(
    "tag:yaml.org,2002:int", re.compile(rf"^(?:{_INT.pattern})$"), list("-+0123456789")
)
LenientLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(rf"^(?:{_FLOAT.pattern})$"), list("-+0123456789.")
)
StrictLoader.yaml_implicit_resolvers = LenientLoader.yaml_implicit_resolvers


def _mapping(loader: LenientLoader, node: yaml.MappingNode) -> dict[Hashable, Any]:
    strict = isinstance(loader, StrictLoader)
    loader.flatten_mapping(node)
    found: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, Hashable):
            raise UnreadableTextError("a key is not a scalar")
        if strict and key in found:
            mark = key_node.end_mark
            where = _SOURCE.format(line=mark.line + 1, column=mark.column + 1)
            raise UnreadableTextError(
                f"Duplicate field '{key}'\n at {where} (at line {mark.line + 1})"
            )
        found[key] = loader.construct_object(value_node, deep=True)
    return found


def _untagged(loader: LenientLoader, suffix: str, node: yaml.Node) -> Any:
    """A node with a tag of its own is read as if it had none."""
    if isinstance(node, yaml.MappingNode):
        return _mapping(loader, node)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node) if isinstance(node, yaml.ScalarNode) else None


for _loader in (LenientLoader, StrictLoader):
    _loader.add_constructor("tag:yaml.org,2002:map", _mapping)
    _loader.add_multi_constructor("!", _untagged)


@lru_cache(maxsize=4096)
def load_yaml(text: str, *, strict: bool = False) -> Any:
    """The tree of a text's first document (shared: not to be changed).

    Raises UnreadableTextError; `strict` refuses a key that is given twice.
    """
    try:
        check_limits(text)
        loader = (StrictLoader if strict else LenientLoader)(text.removeprefix("\ufeff"))
        try:
            if not loader.check_node():
                return None
            return loader.construct_document(loader.get_node())
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        raise UnreadableTextError(_marked_text(text, error)) from error
    except ReaderError as error:
        where = _SOURCE.format(line=1, column=1)
        raise UnreadableTextError(
            f"special characters are not allowed\n at {where} (at line 1)"
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableTextError(str(error)) from error


def check_limits(text: str) -> None:
    """Raises yaml.YAMLError in the words of the server's reader for a text that would multiply or
    nest without end; nothing of it is built before."""
    if text.count("%TAG") > _MAX_TAGS:
        raise yaml.YAMLError("found duplicate TAG directive")
    brackets = text.count("[") + text.count("{")
    if brackets > MAX_DEPTH // 2 or text.count("*") > MAX_ALIASES or _INDENTED.search(text):
        _check_events(text.removeprefix("\ufeff"))


def _check_events(text: str) -> None:
    depth = aliases = 0
    scalars = set()
    for event in yaml.parse(text, LenientLoader):
        match event:
            case yaml.ScalarEvent():
                scalars.add(event.anchor)
            case yaml.AliasEvent():
                aliases += event.anchor not in scalars
            case yaml.CollectionStartEvent():
                depth += 1
            case yaml.CollectionEndEvent():
                depth -= 1
            case yaml.DocumentEndEvent():
                return  # only the first document is read
        if depth > MAX_DEPTH:
            raise yaml.YAMLError(f"Nesting Depth exceeded max {MAX_DEPTH}")
        if aliases > MAX_ALIASES:
            raise yaml.YAMLError(
                f"Number of aliases for non-scalar nodes exceeds the specified max={MAX_ALIASES}"
            )


def _marked_text(text: str, error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark
    problem = _PROBLEMS.get(error.problem or "", error.problem or "")
    if mark is None:
        return problem
    lines = text.splitlines() or [""]
    # The server points behind the last character where libyaml points to the next line.
    at_end = mark.line >= len(lines)
    line = len(lines) if at_end else mark.line + 1
    shown = lines[line - 1]
    column = len(shown) + 1 if at_end else mark.column + 1
    place = f"\n in 'reader', line {line}, column {column}:\n    {shown}\n"
    place += f"    {' ' * (column - 1)}^\n"
    context = f"{error.context}{place}" if error.context and error.context_mark else ""
    where = _SOURCE.format(line=line, column=column)
    return f"{context}{problem}{place}\n at {where} (at line {line})"


def first_place() -> str:
    """The server's words for the very start of a text."""
    return f"\n at {_SOURCE.format(line=1, column=1)} (at line 1)"


def scalar(value: Any) -> str:
    """A YAML scalar as the text the server makes of it: `yes` is `true`, `1.10` is `1.1`."""
    return str(value).lower() if isinstance(value, bool) else str(value)


@dataclass(frozen=True, slots=True)
class Identity:
    """The namespace and id under which a flow's text is stored."""

    namespace: str
    id: str


def identity_of(source: str) -> Identity | None:
    """The identity in a flow's text, or None where it gives none.

    It is the raw text of the scalars: `id: yes` is stored under `yes`, although it is answered as
    `true`.
    """
    found = _IDENTITY.findall(source)
    named = dict(found)
    if len(found) == len(named) == 2 and "null" not in named.values():
        return Identity(named["namespace"], named["id"])
    try:
        check_limits(source)
        node = yaml.compose(source.removeprefix("\ufeff"), LenientLoader)
    except yaml.YAMLError:
        return None
    named = _scalars(node) if isinstance(node, yaml.MappingNode) else {}
    if "id" not in named or "namespace" not in named:
        return None
    return Identity(named["namespace"], named["id"])


def _scalars(node: yaml.MappingNode) -> dict[str, str]:
    return {
        key.value: value.value
        for key, value in node.value
        if isinstance(value, yaml.ScalarNode) and value.tag != "tag:yaml.org,2002:null"
    }


def without_revision(source: str) -> str:
    """The text that decides whether two sources are the same: its first revision line is cut."""
    return _REVISION_LINE.sub("", source, count=1)
