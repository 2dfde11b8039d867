"""The replacement of many flows by one text: dangerous, as on the server.

The text is cut at every `---`, wherever it stands, and with `delete`, which is the default, every
flow that it does not name is deleted. A client that posts to an unknown `flows/x` ends up here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from .call import Call, json_answer
from .errors import invalid_field
from .flowmodel import Model
from .flows import StoredFlow
from .flowtext import scalar
from .flowview import flow_json
from .flowwrite import guard, place_of, read_or_refuse, refuse_broken_model, store
from .routing import Router


def add_routes(router: Router) -> None:
    """Make the router answer for replacements."""
    router.add("POST", "flows/bulk", replace_all)
    router.add("POST", "flows/{namespace}", replace_namespace)


async def replace_all(call: Call) -> Response:
    """POST flows/bulk: of the whole tenant, or of `namespace`."""
    within = call.first("namespace")
    children = call.flag("allowNamespaceChild")

    def belongs(namespace: str) -> bool:
        if within is None:
            return True
        return namespace == within or (children and namespace.startswith(within + "."))

    return await _replace(call, call.text.split("---"), belongs)


async def replace_namespace(call: Call) -> Response:
    """POST flows/{namespace}; with `override` the texts' namespace is rewritten."""
    within = call["namespace"]
    texts = _texts(call)
    if call.flag("override"):
        texts = [_moved(call, text, within) for text in texts]
    return await _replace(call, texts, lambda namespace: namespace == within)


def _texts(call: Call) -> list[str]:
    if call.content_type == "multipart/form-data":
        contents = [part.content for part in call.parts() if part.name == "flows"]
        return [content.decode(errors="replace").strip() for content in contents]
    return [text.strip() for text in call.text.split("---") if text.strip()]


def _moved(call: Call, text: str, namespace: str) -> str:
    given = read_or_refuse(call, text).get("namespace")
    return text.replace(f"namespace: {given}", f"namespace: {namespace}", 1)


async def _replace(call: Call, texts: list[str], belongs: Callable[[str], bool]) -> Response:
    models = [(text, read_or_refuse(call, text)) for text in texts]
    for _, model in models:
        refuse_broken_model(call, model)
        guard(call, scalar(model["namespace"]))
        if not belongs(scalar(model["namespace"])):
            raise invalid_field("flow.namespace", "flow.namespace is invalid")
    gone = _delete_others(call, models, belongs) if call.flag("delete", default=True) else []
    catalogue = call.world.catalogue
    shown: list[dict[str, Any]] = [flow_json(flow, catalogue, source=True) for flow in gone]
    for text, model in models:
        stored = await store(call, *place_of(text, model), text, model)
        shown.append(flow_json(stored, catalogue, source=True, fresh=True))
    return json_answer(shown)


def _delete_others(
    call: Call, models: list[tuple[str, Model]], belongs: Callable[[str], bool]
) -> list[StoredFlow]:
    # By id alone, whatever the namespace.
    kept = {scalar(model["id"]) for _, model in models}
    gone = [flow for flow in call.tenant.flows.all_live(belongs) if flow.id not in kept]
    for flow in gone:
        call.tenant.flows.delete(flow.namespace, flow.id)
    return gone
