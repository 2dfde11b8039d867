"""Which flows a query asks for: `filters[field][OP]=value`, and the older plain parameters."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from .catalogue import words
from .errors import ApiError, illegal_argument
from .flows import StoredFlow
from .flowtext import UnreadableTextError, load_yaml, scalar

_FILTER = re.compile(r"filters\[([^\]]+)\]\[([^\]]+)\](?:\[([^\]]+)\])?")

#: Every field that some resource can be filtered by.
_FIELDS = words(
    "childFilter metadata triggerState endDate parentPath triggerExecutionId type taskRunId path"
    " flowRevision assetId scope id state flowId expirationDate timeRange workerId level kind"
    " created triggerId version labels q executionId existingOnly namespace updated startDate"
    " taskId username"
)
#: The fields of flows: their name in messages, and the operators each takes.
_FLOW_FIELDS = {
    "labels": ("LABELS", words("EQUALS NOT_EQUALS IN NOT_IN CONTAINS")),
    "namespace": (
        "NAMESPACE",
        words("EQUALS NOT_EQUALS CONTAINS STARTS_WITH ENDS_WITH REGEX IN NOT_IN PREFIX"),
    ),
    "q": ("QUERY", words("EQUALS NOT_EQUALS")),
    "scope": ("SCOPE", words("EQUALS NOT_EQUALS")),
    "flowId": (
        "FLOW_ID",
        words("EQUALS NOT_EQUALS CONTAINS STARTS_WITH ENDS_WITH REGEX IN NOT_IN PREFIX"),
    ),
}
_NAMES = {"q": "QUERY"}

Test = Callable[[str, str], bool]

#: Each operator on one text: (value of the flow, value of the filter) -> kept.
OPERATORS: dict[str, Test] = {
    "EQUALS": lambda value, wanted: value == wanted,
    "NOT_EQUALS": lambda value, wanted: value != wanted,
    "IN": lambda value, wanted: value in wanted.split(","),
    "NOT_IN": lambda value, wanted: value not in wanted.split(","),
    "STARTS_WITH": lambda value, wanted: value.startswith(wanted),
    "ENDS_WITH": lambda value, wanted: value.endswith(wanted),
    "CONTAINS": lambda value, wanted: wanted.lower() in value.lower(),
    "REGEX": lambda value, wanted: re.search(wanted, value) is not None,
    "PREFIX": lambda value, wanted: value == wanted or value.startswith(wanted + "."),
}
_OTHER_OPERATORS = words(
    "GREATER_THAN LESS_THAN GREATER_THAN_OR_EQUAL_TO LESS_THAN_OR_EQUAL_TO NOT_CONTAINS"
)


@dataclass(frozen=True, slots=True)
class Filter:
    """One condition of a query."""

    field: str
    operator: str
    value: str
    key: str | None = None


def flow_filters(query: Iterable[tuple[str, str]], system: str) -> Callable[[StoredFlow], bool]:
    """The test that a query puts to flows; unknown fields and operators are refused as they are."""
    found = [*_written_filters(query), *_plain_filters(query)]

    def keeps(flow: StoredFlow) -> bool:
        return all(_keeps(one, flow, system) for one in found)

    return keeps


def namespace_test(query: Iterable[tuple[str, str]]) -> Callable[[str], bool] | None:
    """The part of a query that namespaces alone can be tested by; None = nothing."""
    found = [
        one
        for one in (*_written_filters(query), *_plain_filters(query))
        if one.field == "namespace"
    ]
    if not found:
        return None
    return lambda namespace: all(
        OPERATORS[one.operator](namespace, one.value) for one in found if one.operator in OPERATORS
    )


def _written_filters(query: Iterable[tuple[str, str]]) -> list[Filter]:
    found = []
    for name, value in query:
        written = _FILTER.fullmatch(name)
        if written is None:
            continue
        field, operator, key = written.groups()
        if field not in _FIELDS:
            raise illegal_argument(
                f"Unsupported field '{field}'. Expected one of: [{', '.join(_FIELDS)}]"
            )
        if operator not in OPERATORS and operator not in _OTHER_OPERATORS:
            raise illegal_argument(
                f"No enum constant io.kestra.core.models.QueryFilter.Op.{operator}"
            )
        if field not in _FLOW_FIELDS:
            name = _NAMES.get(field, re.sub(r"(?=[A-Z])", "_", field).upper())
            names = ", ".join(known for known, _ in _FLOW_FIELDS.values())
            raise _invalid(
                f"Field {name} is not supported for resource FLOW. Supported fields are {names}"
            )
        known, operators = _FLOW_FIELDS[field]
        if operator not in operators:
            raise _invalid(
                f"Operation {operator} is not supported for field {known}."
                f" Supported operations are {', '.join(operators)}"
            )
        if field == "scope" and value not in ("USER", "SYSTEM"):
            raise illegal_argument(f"Invalid FlowScope value: {value}")
        found.append(Filter(field, operator, value, key))
    return found


def _invalid(why: str) -> ApiError:
    return ApiError(400, f"Invalid query filters: Provided query filters are invalid: {why}")


def _plain_filters(query: Iterable[tuple[str, str]]) -> list[Filter]:
    found = []
    for name, value in query:
        if name == "namespace":
            found.append(Filter("namespace", "PREFIX", value))
        elif name == "q" and value:
            found.append(Filter("q", "EQUALS", value))
        elif name == "scope":
            found.append(Filter("scope", "EQUALS", value))
        elif name == "labels":
            key, _, label = value.partition(":")
            found.append(Filter("labels", "EQUALS", label, key))
    return found


def _keeps(one: Filter, flow: StoredFlow, system: str) -> bool:
    if one.field == "q":
        return one.value.lower() in f"{flow.namespace}.{flow.id}".lower()
    if one.field == "scope":
        return ("SYSTEM" in one.value.split(",")) == (flow.namespace == system)
    if one.field == "labels":
        return _labels(flow).get(one.key or "") == one.value
    value = flow.namespace if one.field == "namespace" else flow.id
    test = OPERATORS.get(one.operator)
    return test is not None and test(value, one.value)


def _labels(flow: StoredFlow) -> dict[str, str]:
    try:
        model = load_yaml(flow.revision.source)
    except UnreadableTextError:
        return {}
    return {
        label["key"]: label["value"]
        for label in labels_json(model.get("labels") if isinstance(model, dict) else None)
    }


def labels_json(labels: Any) -> list[dict[str, str]]:
    """Labels as the server answers them: a list of key and value, in either written form."""
    if isinstance(labels, dict):
        return [{"key": str(key), "value": scalar(value)} for key, value in labels.items()]
    if isinstance(labels, list):
        return [
            {"key": str(one.get("key")), "value": scalar(one.get("value"))}
            for one in labels
            if isinstance(one, dict)
        ]
    return []
