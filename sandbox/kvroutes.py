"""The routes of keys and values."""

from __future__ import annotations

from operator import attrgetter
from typing import Any

from starlette.responses import Response

from .call import Call, empty_answer, json_answer
from .errors import ApiError, illegal_argument, internal, not_found
from .flows import iso
from .flowwrite import guard
from .kv import KEY, Value, seconds, written_value
from .paging import paged
from .routing import Router
from .settings import Dialect

_COLUMNS = {
    "namespace": attrgetter("namespace"),
    "key": attrgetter("key"),
    "updated": attrgetter("updated"),
}


def add_routes(router: Router, dialect: Dialect) -> None:
    """Make the router answer for keys; the list of one namespace is gone in 2.0."""
    keys = "namespaces/{namespace}/kv"
    router.add("GET", "kv", search_keys)
    if dialect is Dialect.V1_3:
        router.add("GET", keys, list_keys)
    router.add("DELETE", keys, delete_keys)
    router.add("GET", f"{keys}/inheritance", inherited_keys)
    router.add("GET", f"{keys}/{{key}}", get_key)
    router.add("PUT", f"{keys}/{{key}}", put_key)
    router.add("DELETE", f"{keys}/{{key}}", delete_key)


def _entry(value: Value) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "namespace": value.namespace,
        "key": value.key,
        "version": value.revision,
    }
    if value.description is not None:
        entry["description"] = value.description
    entry |= {"creationDate": iso(value.created), "updateDate": iso(value.updated)}
    if value.expires is not None:
        entry["expirationDate"] = iso(value.expires)
    return entry


async def search_keys(call: Call) -> Response:
    """GET kv: all namespaces, or those of a namespace filter."""
    wanted = call.first("filters[namespace][EQUALS]")
    found = [
        value
        for value in call.tenant.kv.live()
        if wanted in (None, value.namespace) and call.login.sees(value.namespace)
    ]
    page, total = paged(call, "listAllKeys", found, _COLUMNS)
    return json_answer({"results": [_entry(value) for value in page], "total": total})


async def list_keys(call: Call) -> Response:
    """GET namespaces/{namespace}/kv."""
    guard(call, call["namespace"])
    found = [one for one in call.tenant.kv.live() if one.namespace == call["namespace"]]
    return json_answer([_entry(value) for value in found])


async def inherited_keys(call: Call) -> Response:
    """GET namespaces/{namespace}/kv/inheritance: an OSS server inherits nothing."""
    guard(call, call["namespace"])
    return json_answer([])


async def get_key(call: Call) -> Response:
    """GET namespaces/{namespace}/kv/{key}: 404 where absent, 410 where expired."""
    namespace, key = call["namespace"], call["key"]
    guard(call, namespace)
    value = call.tenant.kv.get(namespace, key)
    if value is None:
        raise not_found(f"No value found for key '{key}' in namespace '{namespace}'")
    if value.expired:
        raise ApiError(410, "Resource has expired: The requested value has expired")
    shown = {"type": value.type}
    if value.value is not None:
        shown["value"] = value.value
    return json_answer({**shown, "revision": value.revision, "updated": iso(value.updated)})


async def put_key(call: Call) -> Response:
    """PUT namespaces/{namespace}/kv/{key}: text/plain only."""
    guard(call, call["namespace"])
    if call.content_type != "text/plain":
        raise ApiError(
            415,
            f"Unsupported Media Type: Content Type [{call.content_type}] not allowed."
            " Allowed types: [text/plain]",
        )
    if not KEY.fullmatch(call["key"]):
        raise illegal_argument(
            "Key must start with an alphanumeric character (uppercase or lowercase) and can"
            " contain alphanumeric characters (uppercase or lowercase), dots (.), underscores (_),"
            " and hyphens (-) only."
        )
    call.tenant.kv.put(
        written_value(
            call["namespace"],
            call["key"],
            call.text,
            call.headers.get("description"),
            _lasting(call.headers.get("ttl")),
        )
    )
    return empty_answer()


def _lasting(given: str | None) -> float | None:
    if given is None:
        return None
    lasting = seconds(given)
    if lasting is None:
        raise internal("Text cannot be parsed to a Duration")
    return lasting


async def delete_key(call: Call) -> Response:
    """DELETE namespaces/{namespace}/kv/{key}: true, or false where it is absent."""
    guard(call, call["namespace"])
    return json_answer(call.tenant.kv.delete(call["namespace"], call["key"]))


async def delete_keys(call: Call) -> Response:
    """DELETE namespaces/{namespace}/kv: the keys of the body that were there."""
    guard(call, call["namespace"])
    keys = call.json()["keys"]
    return json_answer(
        {"keys": [key for key in keys if call.tenant.kv.delete(call["namespace"], key)]}
    )
