"""The routes of dashboards."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from starlette.responses import Response

from .call import Call, empty_answer, json_answer
from .dashboards import Dashboard, check_dashboard, dashboard_json, read_dashboard
from .errors import (
    ApiError,
    illegal_argument,
    illegal_state,
    internal,
    invalid_entity,
    invalid_field,
    not_found,
    unreadable_entity,
)
from .flowmodel import Model, RejectedTextError
from .flowtext import scalar
from .paging import paged
from .routing import Router

_COLUMNS = {
    "id": attrgetter("id"),
    "updated": attrgetter("updated"),
    "created": attrgetter("created"),
    "title": lambda dashboard: dashboard_json(dashboard, "").get("title", ""),
}


def add_routes(router: Router) -> None:
    """Make the router answer for dashboards."""
    router.add("GET", "dashboards", list_dashboards)
    router.add("POST", "dashboards", create_dashboard)
    router.add("POST", "dashboards/validate", validate_dashboard)
    router.add("GET", "dashboards/{id}", get_dashboard)
    router.add("PUT", "dashboards/{id}", update_dashboard)
    router.add("DELETE", "dashboards/{id}", delete_dashboard)


def _shown(call: Call, dashboard: Dashboard) -> dict[str, Any]:
    return dashboard_json(dashboard, call.tenant.name)


def _refuse_empty(call: Call) -> None:
    if not call.body:
        raise ApiError(422, "Invalid route params: Required Body [dashboard] not specified")


def _read(call: Call) -> Model:
    _refuse_empty(call)
    try:
        return read_dashboard(call.text, call.world.catalogue)
    except RejectedTextError as error:
        prefix = f"Illegal {error.kind} source: " if error.kind else ""
        raise unreadable_entity(prefix + error.text, error.violations) from error


async def list_dashboards(call: Call) -> Response:
    """GET dashboards: each with its source, so one list reads them all."""
    wanted = (call.first("q") or "").lower()
    found = [
        one
        for one in call.tenant.dashboards.all_live()
        if not wanted or wanted in str(_shown(call, one).get("title", "")).lower()
    ]
    page, total = paged(call, "searchDashboards", found, _COLUMNS)
    return json_answer({"results": [_shown(call, one) for one in page], "total": total})


async def get_dashboard(call: Call) -> Response:
    """GET dashboards/{id}."""
    dashboard = call.tenant.dashboards.live(call["id"])
    if dashboard is None:
        raise not_found()
    return json_answer(_shown(call, dashboard))


async def create_dashboard(call: Call) -> Response:
    """POST dashboards."""
    model = _read(call)
    violations = check_dashboard(model)
    if violations:
        raise invalid_entity(violations)
    if model.get("id") is None:
        raise illegal_argument("Dashboard id is mandatory")
    dashboard_id = scalar(model["id"])
    if call.tenant.dashboards.live(dashboard_id) is not None:
        raise invalid_field("dashboard.id", "Dashboard id already exists")
    return json_answer(_shown(call, call.tenant.dashboards.save(dashboard_id, call.text)))


async def update_dashboard(call: Call) -> Response:
    """PUT dashboards/{id}."""
    dashboards = call.tenant.dashboards
    if dashboards.live(call["id"]) is None:
        raise not_found()
    model = _read(call)
    if model.get("id") is None:
        raise internal(
            'Cannot invoke "String.equals(Object)" because the return value of'
            ' "io.kestra.core.models.dashboards.Dashboard.getId()" is null'
        )
    if scalar(model["id"]) != call["id"]:
        raise invalid_field("dashboard.id", "Illegal dashboard id update")
    violations = check_dashboard(model)
    if violations:
        raise invalid_entity(violations)
    return json_answer(_shown(call, dashboards.save(call["id"], call.text)))


async def delete_dashboard(call: Call) -> Response:
    """DELETE dashboards/{id}: 409 where there is nothing to delete."""
    if not call.tenant.dashboards.delete(call["id"]):
        raise illegal_state(f"Dashboard {call['id']} doesn't exists")
    return empty_answer(204)


async def validate_dashboard(call: Call) -> Response:
    """POST dashboards/validate: 200 for any text but an empty one."""
    _refuse_empty(call)
    try:
        violations = check_dashboard(read_dashboard(call.text, call.world.catalogue))
        constraints = "".join(one.line for one in violations)
    except RejectedTextError as error:
        constraints = f"Illegal {error.kind} source: {error.text}" if error.kind else error.text
    entry: dict[str, Any] = {"index": 0}
    if constraints:
        entry["constraints"] = constraints
    return json_answer({**entry, "outdated": False})
