"""Which constraints of the model a readable flow breaks.

They are asked of single writes, of validations and of archived updates; a new flow that comes in
an archive escapes them, as on the server.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any

from .catalogue import Catalogue, words
from .errors import Violation
from .flowmodel import Model, Typed, plugins_of
from .flowtext import scalar

#: Ids that would hide a route of the server.
RESERVED_IDS = words(
    "pause resume force-run change-status kill executions search source disable enable"
)

_ID = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_NAMESPACE = re.compile(r"[a-z0-9][a-z0-9._-]*")
#: What the server says of a required list that is empty, where it is not `must not be null`.
_EMPTY = {"tasks": "The 'tasks' property cannot be empty", "then": "must not be empty"}


def check_model(model: Model, catalogue: Catalogue) -> tuple[Violation, ...]:
    """All constraints that a readable flow breaks; empty = valid."""
    found = [
        *_check_name(model, "id", _ID, "^[a-zA-Z0-9][a-zA-Z0-9._-]*", 100),
        *_check_name(model, "namespace", _NAMESPACE, "^[a-z0-9][a-z0-9._-]*", 150),
    ]
    if not model.get("tasks"):
        found.append(Violation("must not be empty", "tasks"))
    for typed in plugins_of(model):
        found += _check_plugin(typed, catalogue)
    found += [Violation(f"Invalid Flow: {text}", "") for text in _check_flow(model)]
    return tuple(found)


def _check_name(
    model: Model, name: str, pattern: re.Pattern[str], shown: str, most: int
) -> Iterator[Violation]:
    value = model.get(name)
    if value is None:
        yield Violation("must not be null", name)
        if name == "id":
            yield Violation("must not be blank", name)
        return
    text = scalar(value)
    if not 1 <= len(text) <= most:
        yield Violation(f"size must be between 1 and {most}", name)
    if not pattern.fullmatch(text):
        yield Violation(f'must match "{shown}"', name)


def _check_plugin(typed: Typed, catalogue: Catalogue) -> Iterator[Violation]:
    name = typed.node.get("id")
    if typed.section == "tasks" and name is None:
        if typed.depth == 1:
            yield Violation("must not be null", f"tasks[{typed.position}].id")
            yield Violation("must not be blank", f"tasks[{typed.position}].id")
        return
    if typed.section == "tasks":
        # The server repeats the id once for every plugin that the task lies within.
        place = ".".join([scalar(name)] * typed.depth)
    else:
        place = f"{typed.section}[{typed.position}]"
    for required in catalogue.plugin(typed.type_name).required:
        value = typed.node.get(required)
        if required in _EMPTY and not value:
            yield Violation(_EMPTY[required], f"{place}.{required}")
        elif value is None:
            yield Violation("must not be null", f"{place}.{required}")
    if typed.type_name.endswith(".trigger.Schedule") and isinstance(typed.node.get("cron"), str):
        yield from _check_cron(typed.node, place)


def _check_cron(trigger: Model, place: str) -> Iterator[Violation]:
    cron, wanted = trigger["cron"], 6 if trigger.get("withSeconds") else 5
    parts = len(cron.split())
    if parts != wanted and not cron.startswith("@"):
        yield Violation(
            f"invalid cron expression '{cron}': Cron expression contains {parts} parts but we"
            f" expect one of [{wanted}]",
            place,
        )


def _check_flow(model: Model) -> Iterator[str]:
    if model.get("id") in RESERVED_IDS:
        yield (
            f"Flow id is a reserved keyword: {model['id']}."
            f" List of reserved keywords: {', '.join(RESERVED_IDS)}"
        )
    tasks = [one for one in plugins_of(model) if one.section in ("tasks", "errors", "finally")]
    yield from _twice("task id", [one.node for one in tasks])
    yield from _twice("trigger id", model.get("triggers"))
    yield from _twice("input", model.get("inputs"))
    own = (scalar(model.get("namespace")), scalar(model.get("id")))
    for typed in tasks:
        called = (scalar(typed.node.get("namespace")), scalar(typed.node.get("flowId")))
        if typed.type_name.endswith(".Subflow") and called == own:
            yield f"Recursive call to flow [{'.'.join(own)}]"
    for label in _labels(model.get("labels")):
        if label.startswith("system."):
            yield f"System labels can only be set by Kestra itself, offending label: {label}"


def _twice(what: str, nodes: Any) -> Iterator[str]:
    ids = Counter(
        scalar(node["id"]) for node in nodes or () if isinstance(node, dict) and "id" in node
    )
    twice = [name for name, count in ids.items() if count > 1]
    if twice:
        yield f"Duplicate {what} with name [{', '.join(twice)}]"


def _labels(labels: Any) -> Iterator[str]:
    if isinstance(labels, dict):
        for key, value in labels.items():
            yield f"{key}={scalar(value)}"
    for one in labels if isinstance(labels, list) else ():
        if isinstance(one, dict):
            yield f"{one.get('key')}={scalar(one.get('value'))}"


def replaced_types(model: Model) -> list[str]:
    """The notes on deprecated type names."""
    notes = []
    for typed in plugins_of(model):
        current = Catalogue.replacement(typed.type_name)
        if current:
            notes.append(f"{typed.type_name} is replaced by {current}")
    return notes


def validation_text(violations: tuple[Violation, ...]) -> str:
    """The violations as a validation's answer joins them."""
    return "".join(
        f"{one.path}: {one.message}\n" if one.path else f" {one.message}\n" for one in violations
    )


def split_documents(text: str) -> list[str]:
    """The documents of a validation body: cut before every line that begins with `---`."""
    documents = re.split(r"\n+---\n*?", text.strip())
    while len(documents) > 1 and not documents[-1]:
        documents.pop()
    return documents
