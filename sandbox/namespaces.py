"""Which namespaces there are, and their routes.

On an OSS server a namespace exists while it, or a child, holds a live flow; files alone do not
make one. The system namespace is always there.
"""

from __future__ import annotations

from starlette.responses import Response

from .call import Call, empty_answer, json_answer
from .errors import not_found
from .flowwrite import guard
from .paging import paged
from .routing import Router

#: The most names that autocomplete gives.
MAX_SUGGESTIONS = 50


def add_routes(router: Router, *, ee: bool) -> None:
    """Make the router answer for namespaces; an EE server can create and delete them too."""
    router.add("GET", "namespaces/search", search_namespaces)
    router.add("POST", "namespaces/autocomplete", suggest_namespaces)
    router.add("GET", "namespaces/{id}", get_namespace)
    if ee:
        router.add("POST", "namespaces", create_namespace)
        router.add("DELETE", "namespaces/{id}", delete_namespace)


def known_namespaces(call: Call) -> list[str]:
    """All namespaces that the login sees, parents included, sorted."""
    found = {call.world.switches.system_namespace, *call.tenant.created_namespaces}
    for namespace in call.tenant.flows.namespaces():
        parts = namespace.split(".")
        found.update(".".join(parts[: depth + 1]) for depth in range(len(parts)))
    return sorted(name for name in found if call.login.sees(name))


async def search_namespaces(call: Call) -> Response:
    """GET namespaces/search."""
    wanted = (call.first("q") or "").lower()
    names = [name for name in known_namespaces(call) if wanted in name.lower()]
    page, total = paged(call, "searchNamespaces", names, {"id": str})
    return json_answer({"results": [{"id": name} for name in page], "total": total})


async def suggest_namespaces(call: Call) -> Response:
    """POST namespaces/autocomplete."""
    asked = call.json() or {}
    wanted = str(asked.get("q") or "").lower()
    within = asked.get("ids")
    names = [
        name
        for name in known_namespaces(call)
        if wanted in name.lower() and (within is None or name in within)
    ]
    return json_answer(names[:MAX_SUGGESTIONS])


async def get_namespace(call: Call) -> Response:
    """GET namespaces/{id}: OSS knows every name, EE only those that exist."""
    guard(call, call["id"])
    if call.world.settings.ee and call["id"] not in known_namespaces(call):
        raise not_found()
    return json_answer({"id": call["id"]})


async def create_namespace(call: Call) -> Response:
    """POST namespaces (EE)."""
    name = str(call.json()["id"])
    guard(call, name)
    call.tenant.created_namespaces.add(name)
    return json_answer({"id": name, "deleted": False})


async def delete_namespace(call: Call) -> Response:
    """DELETE namespaces/{id} (EE)."""
    guard(call, call["id"])
    if call["id"] not in call.tenant.created_namespaces:
        raise not_found()
    call.tenant.created_namespaces.remove(call["id"])
    return empty_answer(204)
