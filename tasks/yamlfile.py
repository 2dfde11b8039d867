"""Where in a YAML file does each value stand? Reads a file into plain values, refuses what could
blow up or mean two things, and knows the line of every key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import yaml
from yaml.constructor import SafeConstructor

from tasks.names import printable
from tasks.yamltext import MAX_TAGS, is_readable

#: The keys and list indexes that lead to a value.
KeyPath = tuple[str | int, ...]

#: A thousand syncs fit into a tenth of these; a YAML bomb does not.
MAX_BYTES = 1_000_000
MAX_VALUES = 50_000
MAX_DEPTH = 32
#: Characters of a number; the longest that means anything here has a tenth of them.
LONGEST_NUMBER = 100

_TAGGED = "a tag (!name) is not used here; a value that begins with ! needs quotes"
_TAG = "tag:yaml.org,2002:"
_MERGE = _TAG + "merge"
_SCALARS = frozenset(_TAG + name for name in ("null", "bool", "int", "float"))
#: Read as text: a branch named 2026-11-24 is no date.
_TEXTS = frozenset(_TAG + name for name in ("str", "timestamp", "value"))


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """Something in the file that a person has to mend; `text` holds no value of the file."""

    line: int
    path: str
    text: str

    def __str__(self) -> str:
        return (
            f"{self.line}: {self.path}: {self.text}" if self.path else f"{self.line}: {self.text}"
        )


@dataclass(frozen=True, slots=True)
class Document:
    """The plain value of a file, the line of every key path, and what is wrong with the YAML."""

    value: object
    lines: Mapping[KeyPath, int]
    mistakes: tuple[Mistake, ...] = ()

    def holds(self, path: KeyPath) -> bool:
        return path in self.lines

    def line(self, path: KeyPath) -> int:
        """The line of a key, or of the nearest key above it that the file has (1 is the first)."""
        while path and path not in self.lines:
            path = path[:-1]
        return self.lines.get(path, 1)


def dotted(path: KeyPath) -> str:
    """A key path as people write it: `syncs.nightly.kinds[1]`."""
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + printable(step)
    return text


def read(path: Path) -> Document:
    """Read a YAML file; raises OSError when there is none. All else is told in `mistakes`."""
    content = path.read_bytes()
    if len(content) > MAX_BYTES:
        return _unreadable(1, f"the file is larger than {MAX_BYTES} bytes; is it the right one?")
    try:
        return parse(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return _unreadable(line, "this is no UTF-8 text; save the file as UTF-8")


def parse(text: str) -> Document:
    """Read a YAML text of one document."""
    if not is_readable(text):
        return _unreadable(1, f"more than {MAX_TAGS} %TAG lines; is it the right file?")
    try:
        _check_size(text)
        root = yaml.compose(text, Loader=yaml.CSafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(mark.line + 1 if mark else 1, _syntax(error))
    except yaml.reader.ReaderError as error:
        line = text[: error.position].count("\n") + 1
        return _unreadable(line, "a control character stands here; remove it")
    except _TooMuch as error:
        return _unreadable(error.line, error.text)
    if root is None:
        return Document(None, {})
    walk = _Walk()
    try:
        value = walk.plain(root, (), ())
    except _TooMuch as error:
        return _unreadable(error.line, error.text)
    return Document(value, walk.lines, tuple(sorted(set(walk.mistakes))))


def _unreadable(line: int, text: str) -> Document:
    return Document(None, {}, (Mistake(line, "", text),))


def _syntax(error: yaml.MarkedYAMLError) -> str:
    """What is wrong, without a word of the file: an alias may be a password that begins with *."""
    problem = f"{error.context or ''} {error.problem or ''}".strip()
    if isinstance(error, yaml.composer.ComposerError):
        if "alias" in problem:
            return "an alias (*name) without its anchor; a value that begins with * needs quotes"
        if "anchor" in problem:
            return "an anchor (&name) stands twice; a value that begins with & needs quotes"
        return "a second document begins here; the configuration is one document"
    if "tag" in problem:
        return _TAGGED
    return f"the YAML cannot be read: {problem}; mend the syntax here or just above"


class _TooMuch(Exception):
    def __init__(self, line: int, text: str) -> None:
        super().__init__(text)
        self.line = line
        self.text = text


def _check_size(text: str) -> None:
    """Count depth and values before anything recursive reads the text."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=yaml.CSafeLoader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > MAX_DEPTH or count > 2 * MAX_VALUES:
            limits = f"more than {MAX_VALUES} values or {MAX_DEPTH} levels"
            raise _TooMuch(_line(event), f"{limits}; is it the right file?")


def _line(place: yaml.Node | yaml.Event) -> int:
    return place.start_mark.line + 1 if place.start_mark else 1


class _Walk:
    """Turns nodes into plain values and notes lines and mistakes on the way.

    An aliased node is walked once per use, so the count of values bounds what aliases multiply.
    """

    def __init__(self) -> None:
        self.lines: dict[KeyPath, int] = {}
        self.mistakes: list[Mistake] = []
        self._values = 0
        self._scalars = SafeConstructor()

    def plain(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> object:
        """The value of a node; `above` are the nodes that hold it."""
        self._count(node, path, above)
        self.lines.setdefault(path, _line(node))
        above = (*above, node)
        if isinstance(node, yaml.MappingNode) and node.tag == _TAG + "map":
            return self._mapping(node, path, above)
        if isinstance(node, yaml.SequenceNode) and node.tag == _TAG + "seq":
            return [self.plain(each, (*path, i), above) for i, each in enumerate(node.value)]
        return self._scalar(node, path)

    def _count(self, node: yaml.Node, path: KeyPath, above: tuple[yaml.Node, ...]) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            text = f"more than {MAX_VALUES} values, aliases followed; write fewer"
            raise _TooMuch(_line(node), text)
        if len(above) > MAX_DEPTH:
            text = f"{dotted(path[:1])}: an alias leads back to itself or too deep; remove it"
            raise _TooMuch(_line(node), text)

    def _mapping(
        self, node: yaml.MappingNode, path: KeyPath, above: tuple[yaml.Node, ...]
    ) -> dict[str, object]:
        values: dict[str, object] = {}
        for name, (line, value) in self._pairs(node, path, above).items():
            self.lines[*path, name] = line
            values[name] = self.plain(value, (*path, name), above)
        return values

    def _pairs(
        self, node: yaml.MappingNode, path: KeyPath, above: tuple[yaml.Node, ...]
    ) -> dict[str, tuple[int, yaml.Node]]:
        """Key → its line and value: the mapping's own keys, then what `<<` brings besides."""
        pairs: dict[str, tuple[int, yaml.Node]] = {}
        for key, value in node.value:
            name = self._name(key, path)
            if name is None or key.tag == _MERGE:
                continue
            if name in pairs:
                text = (
                    f"this key stands twice, in lines {pairs[name][0]} and {_line(key)}; keep one"
                )
                self.mistakes.append(Mistake(_line(key), dotted((*path, name)), text))
            pairs[name] = (_line(key), value)
        for merged in self._merged(node, path):
            self._count(merged, path, above)
            for name, pair in self._pairs(merged, path, (*above, merged)).items():
                pairs.setdefault(name, pair)
        return pairs

    def _merged(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[yaml.MappingNode]:
        for key, value in node.value:
            if key.tag != _MERGE:
                continue
            for each in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                if isinstance(each, yaml.MappingNode):
                    yield each
                else:
                    self._note(each, path, "<< takes a mapping or a list of mappings (*anchor)")

    def _name(self, key: yaml.Node, path: KeyPath) -> str | None:
        if isinstance(key, yaml.ScalarNode) and key.tag in _TEXTS | {_MERGE}:
            return str(key.value)
        self._note(key, path, "a key is a name; write it in quotes")
        return None

    def _scalar(self, node: yaml.Node, path: KeyPath) -> object:
        if isinstance(node, yaml.ScalarNode) and node.tag in _TEXTS:
            return node.value
        if isinstance(node, yaml.ScalarNode) and node.tag in _SCALARS:
            try:
                return self._plain_scalar(node)
            # PyYAML lets out what its own look-ups raise for `!!bool x` or `!!int ""`.
            except (ValueError, LookupError, yaml.YAMLError):
                self._note(node, path, "this is not a value of its type; write it in quotes")
                return None
        self._note(node, path, _TAGGED)
        return None

    def _plain_scalar(self, node: yaml.ScalarNode) -> object:
        if len(node.value) > LONGEST_NUMBER and node.tag != _TAG + "null":
            raise ValueError("no number is this long")
        value: object = self._scalars.construct_object(node)
        return value

    def _note(self, node: yaml.Node, path: KeyPath, text: str) -> None:
        self.mistakes.append(Mistake(_line(node), dotted(path), text))
