"""Whether a flow's text can be read as a flow: a mapping of known fields and known types."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .catalogue import INPUT_TYPES, Catalogue, words
from .errors import Violation
from .flowtext import UnreadableTextError, first_place, load_yaml

Model = dict[str, Any]

#: The top-level fields of a flow, in the order in which the server lists them.
FLOW_FIELDS = words(
    "workerGroup finally tenantId retry inputs errors tasks outputs concurrency variables deleted"
    " id description labels pluginDefaults sla checks taskDefaults namespace disabled listeners"
    " revision updated afterExecution triggers source"
)

_TYPE = re.compile(r"[a-z][A-Za-z0-9_]*(?:\.[A-Za-z0-9_$]+){2,}")
#: Subtrees whose `type` is no plugin to be loaded.
_UNTYPED = ("pluginDefaults", "taskDefaults", "inputs", "outputs", "variables", "labels")
_LISTS = {"tasks": "tasks.Task", "triggers": "triggers.AbstractTrigger", "errors": "tasks.Task"}
_MODELS = "io.kestra.core.models"
_FLOW = f"{_MODELS}.flows.FlowWithSource"
_TEXT = ("String", "VALUE_STRING")
_MAPPING = ("Object", "START_OBJECT")


class RejectedTextError(Exception):
    """A text cannot be read as its kind."""

    def __init__(self, text: str, violations: tuple[Violation, ...], kind: str = "") -> None:
        super().__init__(text, violations, kind)
        #: The message without `Illegal <kind> source: `.
        self.text = text
        self.violations = violations
        #: What could not be read; empty where the text says it all.
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Typed:
    """A node that names a plugin type."""

    type_name: str
    node: Model
    #: `tasks` and the position in it, as the server's error path has them.
    section: str
    position: int
    #: How many plugins it lies within.
    depth: int

    @property
    def path(self) -> str:
        """Where the server says the node is."""
        return f'{_FLOW}["{self.section}"]->java.util.ArrayList[{self.position}]'


def read_flow(source: str, catalogue: Catalogue, *, validating: bool = False) -> Model:
    """The tree of a flow's text; raises RejectedTextError with the server's words.

    A validation names other classes than a write, and does not see a key given twice.
    """
    model = _mapping(source, validating)
    for name in model:
        if name not in FLOW_FIELDS:
            raise _unrecognised(str(name), _FLOW, FLOW_FIELDS, "")
    _check_shapes(model)
    for one in model.get("inputs") or ():
        if isinstance(one, dict) and str(one.get("type", "STRING")) not in INPUT_TYPES:
            raise _invalid_type(str(one["type"]), f'{_FLOW}["inputs"]')
    _refuse_untyped(model)
    for typed in plugins_of(model):
        _read_plugin(typed, catalogue)
    return model


def _mapping(source: str, validating: bool) -> Model:
    kind = "Flow" if validating else "genericflow"
    try:
        tree = load_yaml(source, strict=not validating)
    except UnreadableTextError as error:
        raise unreadable(str(error), kind) from error
    owner = "java.util.LinkedHashMap" if validating else f"{_MODELS}.flows.GenericFlow"
    return as_mapping(tree, owner, kind, "<java.lang.String,java.lang.Object>" * validating)


def as_mapping(tree: Any, owner: str, kind: str, generic: str = "") -> Model:
    """The tree where it is a mapping; anything else is refused as the server does."""
    if isinstance(tree, dict):
        return tree
    if tree is None:
        raise unreadable(f"No content to map due to end-of-input{first_place()}", kind)
    if isinstance(tree, list):
        raise unreadable(
            f"Cannot deserialize value of type `{owner}{generic}` from Array value"
            f" (token `JsonToken.START_ARRAY`){first_place()}",
            kind,
        )
    raise unreadable(
        f"Cannot construct instance of `{owner}` (although at least one Creator exists):"
        " no String-argument constructor/factory method to deserialize from String value"
        f" ('{tree}'){first_place()}",
        kind,
    )


def unreadable(problem: str, kind: str) -> RejectedTextError:
    """A text whose YAML, or the shape of it, cannot be read."""
    text = f"YAML parsing error: {problem}"
    return RejectedTextError(text, (Violation(text, "yaml"),), kind)


def _check_shapes(model: Model) -> None:
    for name, element in _LISTS.items():
        value = model.get(name)
        if value is not None and not isinstance(value, list):
            shape, token = _MAPPING if isinstance(value, dict) else _TEXT
            raise _misshapen(
                f"Cannot deserialize value of type `java.util.ArrayList<{_MODELS}.{element}>`"
                f" from {shape} value (token `JsonToken.{token}`)",
                name,
            )
    if not isinstance(model.get("labels") or {}, dict | list):
        text = "Unable to deserialize value as it's neither an object neither an array"
        raise unreadable(f'{text} (through reference chain: {_FLOW}["labels"])', "flowwithsource")
    disabled = model.get("disabled")
    if isinstance(disabled, str) and disabled.lower() not in ("true", "false"):
        raise _misshapen(
            f'Cannot deserialize value of type `boolean` from String "{disabled}": only'
            ' "true"/"True"/"TRUE" or "false"/"False"/"FALSE" recognized',
            "disabled",
        )


def _misshapen(problem: str, name: str) -> RejectedTextError:
    return unreadable(
        f"{problem}\n at [Source: UNKNOWN; byte offset: #UNKNOWN]"
        f' (through reference chain: {_FLOW}["{name}"]) (at line -1)',
        "flowwithsource",
    )


def _unrecognised(name: str, owner: str, known: Sequence[str], path: str) -> RejectedTextError:
    quoted = ", ".join(f'"{one}"' for one in known)
    text = (
        f'Unrecognized field "{name}" (class {owner}), not marked as ignorable'
        f" ({len(known)} known properties: {quoted})"
    )
    chain = f"{path}->" if path else ""
    return RejectedTextError(text, (Violation(text, f'{chain}{owner}["{name}"]'),))


def check_fields(model: Model, owner: str, known: Sequence[str]) -> None:
    """Refuse a field that the class does not know."""
    for name in model:
        if name not in known:
            raise _unrecognised(str(name), owner, known, "")


def _invalid_type(name: str, path: str, *more: Violation) -> RejectedTextError:
    text = f"Invalid type: {name}"
    return RejectedTextError(text, (Violation(text, path), *more))


def plugins_of(model: Model) -> Iterator[Typed]:
    """Every node that names a plugin type, in the order of the text."""
    for section, tree in model.items():
        if section in _UNTYPED:
            continue
        for position, node in enumerate(tree if isinstance(tree, list) else [tree]):
            for found, depth in _typed_nodes(node, 1):
                yield Typed(found["type"], found, str(section), position, depth)


def _typed_nodes(tree: Any, depth: int) -> Iterator[tuple[Model, int]]:
    if isinstance(tree, dict):
        if isinstance(tree.get("type"), str) and _TYPE.fullmatch(tree["type"]):
            yield tree, depth
            depth += 1
        for key, below in tree.items():
            if key not in _UNTYPED:
                yield from _typed_nodes(below, depth)
    elif isinstance(tree, list):
        for below in tree:
            yield from _typed_nodes(below, depth)


def _read_plugin(typed: Typed, catalogue: Catalogue) -> None:
    if not catalogue.knows(typed.type_name):
        why = Violation(unresolved(typed, "FlowWithSource"), typed.path)
        raise _invalid_type(typed.type_name, typed.path, why)
    known = catalogue.plugin(typed.type_name).fields
    for name in typed.node:
        if known and name not in known:
            raise _unrecognised(str(name), typed.type_name, sorted(known), typed.path)


def _refuse_untyped(model: Model) -> None:
    for section in _LISTS:
        for position, node in enumerate(model.get(section) or ()):
            if isinstance(node, dict) and node.get("type") is None:
                path = f'{_FLOW}["{section}"]->java.util.ArrayList[{position}]'
                raise _invalid_type("<null>", path)


def unresolved(typed: Typed, owner: str) -> str:
    """What the server says of a type whose plugin is absent."""
    return (
        f"Could not resolve type id '{typed.type_name}' as a subtype of"
        f" `{_MODELS}.Plugin`: No plugin registered for the defined type:"
        f" '{typed.type_name}'\n at [Source: UNKNOWN; byte offset: #UNKNOWN]"
        f' (through reference chain: {_MODELS}.flows.{owner}["{typed.section}"]'
        f"->java.util.ArrayList[{typed.position}])"
    )


def missing_plugin(model: Model, catalogue: Catalogue) -> Typed | None:
    """The first node of a stored flow whose plugin is absent."""
    return next(
        (typed for typed in plugins_of(model) if not catalogue.knows(typed.type_name)), None
    )
