"""The routes of flows, one by one and by query; archives and validation are in `flowbulk`."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

import yaml
from starlette.responses import Response

from .archive import DuplicateEntryError, write_archive
from .call import Call, archive_answer, empty_answer, json_answer
from .errors import ApiError, internal, not_found
from .filters import flow_filters, namespace_test
from .flows import StoredFlow
from .flowview import flow_json
from .flowwrite import create, guard, switch, update
from .paging import paged
from .routing import Router

_COLUMNS = {
    "id": attrgetter("id"),
    "namespace": attrgetter("namespace"),
    "updated": lambda flow: flow.revision.updated,
}


def add_routes(router: Router) -> None:
    """Make the router answer for flows."""
    router.add("POST", "flows", create_flow)
    router.add("GET", "flows/search", search_flows)
    router.add("GET", "flows/distinct-namespaces", distinct_namespaces)
    router.add("GET", "flows/export/by-query", export_by_query)
    router.add("POST", "flows/export/by-ids", export_by_ids)
    router.add("DELETE", "flows/delete/by-ids", delete_by_ids)
    router.add("DELETE", "flows/delete/by-query", delete_by_query)
    router.add("POST", "flows/disable/by-ids", disable_by_ids)
    router.add("POST", "flows/enable/by-ids", enable_by_ids)
    router.add("GET", "flows/{namespace}", list_namespace)
    router.add("GET", "flows/{namespace}/{id}", get_flow)
    router.add("PUT", "flows/{namespace}/{id}", update_flow)
    router.add("DELETE", "flows/{namespace}/{id}", delete_flow)
    router.add("GET", "flows/{namespace}/{id}/revisions", get_revisions)
    router.add("DELETE", "flows/{namespace}/{id}/revisions", drop_revisions)


def matching(call: Call) -> list[StoredFlow]:
    """The live flows that the call's query asks for and its login sees."""
    keeps = flow_filters(call.query, call.world.switches.system_namespace)
    wanted = namespace_test(call.query)
    sees = call.login.sees

    def within(namespace: str) -> bool:
        return sees(namespace) and (wanted is None or wanted(namespace))

    return [flow for flow in call.tenant.flows.all_live(within) if keeps(flow)]


def body_text(call: Call) -> str:
    """The YAML of a single write; only `application/x-yaml` (and, from of old, JSON) is taken."""
    if call.content_type == "application/json":
        return yaml.safe_dump(call.json(), sort_keys=False, allow_unicode=True)
    if call.content_type == "text/plain":
        raise internal(
            "Cannot convert type [class java.lang.String] to target type: class"
            " io.kestra.core.models.flows.Flow. Considering defining a TypeConverter bean to"
            " handle this case.",
            422,
        )
    if call.content_type != "application/x-yaml" or not call.body:
        name = "flow" if call.method == "POST" else "source"
        raise ApiError(422, f"Invalid route params: Required Body [{name}] not specified")
    return call.text


async def create_flow(call: Call) -> Response:
    """POST flows."""
    stored = await create(call, body_text(call))
    as_text = call.content_type != "application/json"
    return json_answer(flow_json(stored, call.world.catalogue, source=as_text, fresh=True))


async def update_flow(call: Call) -> Response:
    """PUT flows/{namespace}/{id}."""
    stored, changed = await update(call, call["namespace"], call["id"], body_text(call))
    return json_answer(flow_json(stored, call.world.catalogue, source=True, fresh=changed))


async def delete_flow(call: Call) -> Response:
    """DELETE flows/{namespace}/{id}."""
    guard(call, call["namespace"])
    if not call.tenant.flows.delete(call["namespace"], call["id"]):
        raise not_found()
    return empty_answer(204)


async def get_flow(call: Call) -> Response:
    """GET flows/{namespace}/{id}."""
    namespace, flow_id = call["namespace"], call["id"]
    guard(call, namespace)
    revisions = call.tenant.flows.revisions(namespace, flow_id)
    wanted = call.number("revision", 0)
    if wanted:
        revision = next((one for one in revisions if one.number == wanted), None)
    else:
        last = revisions[-1] if revisions else None
        revision = last if last and (not last.deleted or call.flag("allowDeleted")) else None
    if revision is None:
        raise not_found()
    flow = StoredFlow(namespace, flow_id, revision)
    return json_answer(flow_json(flow, call.world.catalogue, source=call.flag("source")))


async def list_namespace(call: Call) -> Response:
    """GET flows/{namespace}: that namespace alone, without children."""
    guard(call, call["namespace"])
    flows = call.tenant.flows.in_namespace(call["namespace"])
    return json_answer([flow_json(flow, call.world.catalogue) for flow in flows])


async def search_flows(call: Call) -> Response:
    """GET flows/search."""
    flows, total = paged(call, "searchFlows", matching(call), _COLUMNS)
    catalogue = call.world.catalogue
    return json_answer({"results": [flow_json(flow, catalogue) for flow in flows], "total": total})


async def distinct_namespaces(call: Call) -> Response:
    """GET flows/distinct-namespaces: namespaces that hold a flow, without their parents."""
    prefix = call.first("q") or ""
    names = call.tenant.flows.namespaces()
    return json_answer([one for one in names if one.startswith(prefix) and call.login.sees(one)])


async def export_by_query(call: Call) -> Response:
    """GET flows/export/by-query: names may collide, which fails the whole export."""
    members = ((f"{flow.namespace}-{flow.id}.yml", flow.revision.packed) for flow in matching(call))
    try:
        return archive_answer(write_archive(members), "flows.zip")
    except DuplicateEntryError as error:
        raise internal(f"duplicate entry: {error}") from error


async def export_by_ids(call: Call) -> Response:
    """POST flows/export/by-ids."""
    flows = [_named(call, one) for one in call.json()]
    members = ((f"{flow.namespace}.{flow.id}.yaml", flow.revision.packed) for flow in flows)
    try:
        return archive_answer(write_archive(members), "flows.zip")
    except DuplicateEntryError as error:
        raise internal(f"duplicate entry: {error}") from error


def _named(call: Call, one: dict[str, Any]) -> StoredFlow:
    live = call.tenant.flows.live(one["namespace"], one["id"])
    if live is None or not call.login.sees(one["namespace"]):
        raise not_found("No value present")
    return StoredFlow(one["namespace"], one["id"], live)


async def delete_by_ids(call: Call) -> Response:
    """DELETE flows/delete/by-ids: an unknown id is a 404, what came before it stays deleted."""
    named = call.json()
    for one in named:
        flow = _named(call, one)
        call.tenant.flows.delete(flow.namespace, flow.id)
    return json_answer({"count": len(named)})


async def delete_by_query(call: Call) -> Response:
    """DELETE flows/delete/by-query."""
    found = matching(call)
    for flow in found:
        call.tenant.flows.delete(flow.namespace, flow.id)
    return json_answer({"count": len(found)})


async def disable_by_ids(call: Call) -> Response:
    """POST flows/disable/by-ids."""
    return _switch_all(call, disabled=True)


async def enable_by_ids(call: Call) -> Response:
    """POST flows/enable/by-ids."""
    return _switch_all(call, disabled=False)


def _switch_all(call: Call, *, disabled: bool) -> Response:
    flows = [_named(call, one) for one in call.json()]
    changed = [flow for flow in flows if switch(call, flow.namespace, flow.id, disabled=disabled)]
    return json_answer({"count": len(changed)})


async def get_revisions(call: Call) -> Response:
    """GET flows/{namespace}/{id}/revisions."""
    namespace, flow_id = call["namespace"], call["id"]
    guard(call, namespace)
    deleted_too = call.flag("allowDelete")
    return json_answer(
        [
            flow_json(StoredFlow(namespace, flow_id, one), call.world.catalogue, source=True)
            for one in call.tenant.flows.revisions(namespace, flow_id)
            if deleted_too or not one.deleted
        ]
    )


async def drop_revisions(call: Call) -> Response:
    """DELETE flows/{namespace}/{id}/revisions?revisions=1,2."""
    guard(call, call["namespace"])
    numbers = {int(one) for one in call.required("revisions").split(",")}
    if not call.tenant.flows.drop_revisions(call["namespace"], call["id"], numbers):
        raise not_found()
    return empty_answer(204)
