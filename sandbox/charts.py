"""Charts over flows: a table with one row for each revision that is no deletion."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from starlette.responses import Response

from .call import Call, json_answer
from .errors import illegal_argument, invalid_field
from .flows import FlowStore
from .flowtext import UnreadableTextError, load_yaml
from .routing import Router

_TABLE = "io.kestra.plugin.core.dashboard.chart.Table"
_FLOWS = "io.kestra.plugin.core.dashboard.data.Flows"
_NAMES = ("ID", "NAMESPACE", "REVISION")


def add_routes(router: Router) -> None:
    """Make the router answer the preview of such a chart, and of no other."""
    router.add("POST", "dashboards/charts/preview", preview)


async def preview(call: Call) -> Response:
    """POST dashboards/charts/preview: `{chart, globalFilter: {pageNumber, pageSize}}`.

    Revisions of deleted flows stay among the rows, the deletions themselves are not.
    """
    asked = call.json()
    fields = _fields(asked.get("chart") if isinstance(asked, dict) else None)
    rows = list(_rows(call.tenant.flows, call.tenant.name))
    shown = [{name: row[field] for name, field in fields.items()} for row in _page(asked, rows)]
    return json_answer({"results": shown, "total": len(rows)})


def _fields(text: object) -> Mapping[str, str]:
    """Column → ID, NAMESPACE or REVISION."""
    if not isinstance(text, str) or not text.strip():
        raise invalid_field("previewChart.previewRequest.chart", "must not be blank")
    try:
        chart = load_yaml(text)
    except UnreadableTextError as error:
        raise illegal_argument(str(error)) from error
    source = chart.get("data") if isinstance(chart, dict) else None
    if not isinstance(source, dict) or (chart.get("type"), source.get("type")) != (_TABLE, _FLOWS):
        raise illegal_argument("this server answers tables of flows only")
    columns = source.get("columns") or {}
    if not all(_plain(column) for column in columns.values()):
        raise illegal_argument(f"this server answers plain columns of {', '.join(_NAMES)} only")
    return {name: column["field"] for name, column in columns.items()}


def _plain(column: object) -> bool:
    return isinstance(column, dict) and set(column) == {"field"} and column["field"] in _NAMES


def _rows(flows: FlowStore, tenant: str) -> Iterator[dict[str, Any]]:
    for namespace, flow_id, revision in flows.kept():
        name = f"{tenant}_{namespace}_{flow_id}_{revision.number}"
        yield {"ID": name, "NAMESPACE": namespace, "REVISION": revision.number}


def _page(asked: Mapping[str, Any], rows: list[Any]) -> list[Any]:
    wanted = asked.get("globalFilter") or {}
    number, size = wanted.get("pageNumber"), wanted.get("pageSize")
    if number is None or size is None:
        return rows
    if size < 1:
        raise illegal_argument(f"Size cannot be {size}")
    return rows[(number - 1) * size : number * size]
