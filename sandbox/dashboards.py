"""Which dashboards a tenant holds, and how one is read from its text."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .catalogue import Catalogue, words
from .errors import Violation
from .flowmodel import Model, RejectedTextError, as_mapping, check_fields, plugins_of, unreadable
from .flows import iso
from .flowtext import UnreadableTextError, load_yaml
from .journal import note

#: The fields of a dashboard, in the order in which the server lists them.
DASHBOARD_FIELDS = words(
    "tenantId title deleted id description timeWindow charts created updated sourceCode"
)
_OWNER = "io.kestra.core.models.dashboards.Dashboard"
_DAYS = re.compile(r"P(\d+)D")
_TABLE_OPTIONS = {"header": {"enabled": True}, "pagination": {"enabled": True}}


@dataclass(slots=True)
class Dashboard:
    """One dashboard; there are no revisions, only the last text."""

    id: str
    source: str
    created: float
    updated: float
    deleted: bool = False


class DashboardStore:
    """The dashboards of one tenant."""

    def __init__(self) -> None:
        self._rows: dict[str, Dashboard] = {}

    def live(self, dashboard_id: str) -> Dashboard | None:
        """The dashboard of that id, None where it is absent or deleted."""
        row = self._rows.get(dashboard_id)
        return None if row is None or row.deleted else row

    def all_live(self) -> list[Dashboard]:
        """All dashboards in the order of their creation."""
        return [row for row in self._rows.values() if not row.deleted]

    def save(self, dashboard_id: str, source: str) -> Dashboard:
        """Create or overwrite; an equal text keeps `updated`."""
        before = self._rows.get(dashboard_id)
        if before is not None and not before.deleted and before.source == source:
            return before
        now = time.time()
        fresh = before is None or before.deleted
        created = now if before is None or fresh else before.created
        row = Dashboard(dashboard_id, source, created, now)
        self._rows[dashboard_id] = row
        note(f"dashboard {dashboard_id}", self._put_back(dashboard_id, before))
        return row

    def delete(self, dashboard_id: str) -> bool:
        """Delete; False where there is nothing to delete."""
        row = self.live(dashboard_id)
        if row is None:
            return False
        row.deleted = True
        note(f"dashboard {dashboard_id}", lambda: setattr(row, "deleted", False))
        return True

    def _put_back(self, dashboard_id: str, before: Dashboard | None) -> Callable[[], None]:
        def undo() -> None:
            if before is None:
                self._rows.pop(dashboard_id)
            else:
                self._rows[dashboard_id] = before

        return undo


def read_dashboard(source: str, catalogue: Catalogue) -> Model:
    """The tree of a dashboard's text; raises RejectedTextError with the server's words."""
    try:
        tree = load_yaml(source, strict=True)
    except UnreadableTextError as error:
        raise unreadable(str(error), "dashboard") from error
    model = as_mapping(tree, _OWNER, "dashboard")
    check_fields(model, _OWNER, DASHBOARD_FIELDS)
    if isinstance(model.get("id"), list | dict):
        raise unreadable("Cannot deserialize value of type `java.lang.String`", "dashboard")
    for typed in plugins_of(model):
        if not catalogue.knows(typed.type_name):
            text = f"Invalid type: {typed.type_name}"
            raise RejectedTextError(text, (Violation(text, typed.path),))
    return model


def check_dashboard(model: Model) -> tuple[Violation, ...]:
    """The constraints that a readable dashboard breaks."""
    title = model.get("title")
    found = [Violation("must not be null", "title")] if title is None else []
    if not str(title or "").strip():
        found.append(Violation("must not be blank", "title"))
    window = model.get("timeWindow") or {}
    default, most = (_DAYS.fullmatch(str(window.get(name))) for name in ("default", "max"))
    if default and most and int(default[1]) > int(most[1]):
        text = "Invalid data chart: Default duration can't exceed max duration"
        found.append(Violation(text, "timeWindow"))
    return tuple(found)


def dashboard_json(dashboard: Dashboard, tenant: str) -> dict[str, Any]:
    """A dashboard as lists and single reads give it, its source included."""
    try:
        model = load_yaml(dashboard.source)
    except UnreadableTextError:
        model = {}
    shown: dict[str, Any] = {"tenantId": tenant, "id": dashboard.id}
    for name in ("title", "description"):
        if isinstance(model, dict) and name in model:
            shown[name] = model[name]
    window = model.get("timeWindow") if isinstance(model, dict) else None
    shown["timeWindow"] = _time_window(window or {})
    shown["charts"] = [_chart(chart) for chart in (model or {}).get("charts") or []]
    return {
        **shown,
        "deleted": dashboard.deleted,
        "created": iso(dashboard.created),
        "updated": iso(dashboard.updated),
        "sourceCode": dashboard.source,
    }


def _time_window(window: dict[str, Any]) -> dict[str, str]:
    return {
        "max": _duration(window.get("max", "P366D")),
        "default": _duration(window.get("default", "P30D")),
    }


def _duration(text: str) -> str:
    days = _DAYS.fullmatch(str(text))
    return f"PT{int(days[1]) * 24}H" if days else str(text)


def _chart(chart: Any) -> Any:
    if not isinstance(chart, dict):
        return chart
    table = str(chart.get("type", "")).endswith(".Table")
    options = {"width": 6, **(_TABLE_OPTIONS if table else {}), **(chart.get("chartOptions") or {})}
    shown = {**chart, "chartOptions": options}
    if table:
        shown["data"] = _table_query(chart.get("data") or {})
    return shown


def _table_query(query: dict[str, Any]) -> dict[str, Any]:
    columns = query.get("columns")
    if not isinstance(columns, dict):
        return query
    aligned = {
        name: {**column, "columnAlignment": column.get("columnAlignment", "LEFT")}
        for name, column in columns.items()
        if isinstance(column, dict)
    }
    return {**query, "columns": aligned}
