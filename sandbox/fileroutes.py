"""The routes of namespace files."""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import Any

from starlette.responses import Response

from .archive import DamagedArchiveError, read_archive, write_archive
from .call import Call, archive_answer, empty_answer, json_answer
from .errors import EmptyError, illegal_argument, internal, not_found
from .files import NamespaceFiles, Row, check_path, listed_path, refuse_parents
from .flowmodel import RejectedTextError, read_flow
from .flowwrite import guard, store
from .multipart import required_part
from .routing import Router
from .settings import Dialect

_FLOW_PATH = re.compile(r"/_flows/[^/]+\.(?:yml|yaml)")


def add_routes(router: Router) -> None:
    """Make the router answer for namespace files."""
    files = "namespaces/{namespace}/files"
    router.add("GET", files, read_file)
    router.add("POST", files, write_file)
    router.add("PUT", files, move_file)
    router.add("DELETE", files, delete_file)
    router.add("GET", f"{files}/export", export_files)
    router.add("GET", f"{files}/search", search_files)
    router.add("GET", f"{files}/stats", file_stats)
    router.add("GET", f"{files}/revisions", file_revisions)
    router.add("GET", f"{files}/directory", list_directory)
    router.add("POST", f"{files}/directory", make_directory)


def _files(call: Call) -> NamespaceFiles:
    guard(call, call["namespace"])
    return call.tenant.files(call["namespace"])


def _path(call: Call, name: str = "path") -> str:
    """The listed form of a path to be read; the folder of flows is forbidden."""
    given = call.required(name)
    refuse_parents(given)
    _refuse_flows(given)
    return listed_path(given)


def _refuse_flows(given: str) -> None:
    if given == "/_flows" or given.startswith("/_flows/"):
        raise illegal_argument(f"Forbidden path: {given}")


def _place(call: Call, path: str) -> str:
    """The place in the server's storage, which its messages give away."""
    place = f"{call.tenant.name}/{call['namespace'].replace('.', '/')}/_files{path}"
    return f"/app/storage/{place.rstrip('/')}"


def _absent(call: Call, given: str) -> Exception:
    return not_found(f"File '{given}' was not found in namespace '{call['namespace']}'.")


async def read_file(call: Call) -> Response:
    """GET files?path=."""
    files, path, given = _files(call), _path(call), call.required("path")
    if files.row(path + "/") is not None:
        raise not_found(f"{_place(call, path)} (Is a directory)")
    revision = call.number("revision", 0) or None
    if files.row(path) is None and (revision is None or files.content(path, revision) is None):
        raise _absent(call, given)
    content = files.content(path, revision)
    if content is None:
        raise not_found(
            f"Version {revision} of file '{given}' was not found"
            f" in namespace '{call['namespace']}'."
        )
    headers = {
        "cache-control": "no-cache",
        "last-modified": formatdate(content.written, usegmt=True),
    }
    return Response(content.raw, 200, headers, "application/octet-stream")


async def write_file(call: Call) -> Response:
    """POST files?path=: an upload named `*.zip` is unpacked, whatever the path says."""
    given = call.required("path")
    part = required_part(call.parts(), "fileContent")
    files = _files(call)
    if (part.filename or "").lower().endswith(".zip"):
        await _unpack(call, files, part.content)
    else:
        await _write(call, files, given, part.content)
    return empty_answer()


async def _unpack(call: Call, files: NamespaceFiles, archive: bytes) -> None:
    try:
        for name, raw in read_archive(archive):
            blank = name.find(" ")
            if blank >= 0:
                raise illegal_argument(f"Illegal character in path at index {blank + 1}: /{name}")
            await _write(call, files, "/" + _decoded(name), raw)
    except DamagedArchiveError as error:
        raise EmptyError(400) from error


def _decoded(name: str) -> str:
    return re.sub(r"%([0-9A-Fa-f]{2})", lambda code: chr(int(code[1], 16)), name)


async def _write(call: Call, files: NamespaceFiles, given: str, raw: bytes) -> None:
    # Only with its leading slash is the folder of flows one.
    if given == "/_flows" or given.startswith("/_flows/"):
        await _import_flow(call, given, raw)
        return
    path = check_path(given, call["namespace"])
    if path == "/" or files.blocked_by(path):
        why = "Is a directory" if path == "/" else "Not a directory"
        raise not_found(f"{_place(call, path)} ({why})")
    if files.row(path + "/") is None:
        files.write(path, raw)


async def _import_flow(call: Call, given: str, raw: bytes) -> None:
    if given == "/_flows" or call.world.settings.dialect is Dialect.V2_0:
        raise illegal_argument(f"Forbidden path: {given}")
    if not _FLOW_PATH.fullmatch(given):
        raise illegal_argument(f"Invalid flow file path: {given}")
    namespace = call["namespace"]
    source = re.sub(
        r"(?m)^namespace:.*$", f"namespace: {namespace}", raw.decode(errors="replace"), count=1
    )
    try:
        model = read_flow(source, call.world.catalogue)
    except RejectedTextError as error:
        raise illegal_argument(error.text) from error
    await store(call, namespace, str(model.get("id")), source, model)


async def delete_file(call: Call) -> Response:
    """DELETE files?path=: an absent path is 200 as well."""
    _files(call).delete(_path(call))
    return empty_answer()


async def move_file(call: Call) -> Response:
    """PUT files?from=&to=."""
    files, source = _files(call), _path(call, "from")
    target = check_path(call.required("to"), call["namespace"])
    _refuse_flows(call.required("to"))
    if files.row(target) is not None:
        raise internal(f"File '{target}' already exists in namespace '{call['namespace']}'.")
    files.move(source, target)
    return empty_answer()


async def export_files(call: Call) -> Response:
    """GET files/export: files only, in 1.3 with the namespace's flows under `_flows/`."""
    files, namespace = _files(call), call["namespace"]
    members = []
    for row in files.files():
        content = files.content(row.path)
        if content is not None:
            members.append((row.path[1:], content.packed))
    if call.world.settings.exports_flows_with_files:
        members += [
            (f"_flows/{flow.id}.yml", flow.revision.packed)
            for flow in call.tenant.flows.in_namespace(namespace)
        ]
    return archive_answer(write_archive(members), f"{namespace}_files.zip")


async def search_files(call: Call) -> Response:
    """GET files/search?q=: every path that holds the text, at any depth."""
    wanted = call.required("q").lower()
    return json_answer([row.path for row in _files(call).files() if wanted in row.path.lower()])


async def list_directory(call: Call) -> Response:
    """GET files/directory?path=: one level; without a path the root, which always exists."""
    files = _files(call)
    path = "/" if call.first("path") is None else _path(call).rstrip("/") + "/"
    if files.row(path[:-1]) is not None:
        return json_answer([])
    if path != "/" and files.row(path) is None:
        raise not_found(f"Directory not found: {call.required('path')}")
    return json_answer([_attributes(files, row) for row in files.children(path)])


async def make_directory(call: Call) -> Response:
    """POST files/directory?path=."""
    path = check_path(call.required("path"), call["namespace"])
    _refuse_flows(call.required("path"))
    _files(call).make_folder(path)
    return empty_answer()


async def file_stats(call: Call) -> Response:
    """GET files/stats?path=."""
    files = _files(call)
    if call.first("path") is None or _path(call) == "/":
        return json_answer(_attributes(files, Row("/_files/", 0)))
    path = _path(call)
    row = files.row(path) or files.row(path + "/")
    if row is None:
        raise _absent(call, call.required("path"))
    return json_answer(_attributes(files, row))


def _attributes(files: NamespaceFiles, row: Row) -> dict[str, Any]:
    content = files.content(row.path)
    moment = int((content.written if content else row.created) * 1000)
    return {
        "type": "Directory" if row.path.endswith("/") else "File",
        "size": len(content.raw) if content else 0,
        "fileName": row.path.rstrip("/").rpartition("/")[2],
        "lastModifiedTime": moment,
        "creationTime": int(row.created * 1000),
        "metadata": {},
    }


async def file_revisions(call: Call) -> Response:
    """GET files/revisions?path=."""
    row = _files(call).row(_path(call))
    if row is None:
        raise not_found(f"File not found: {call.required('path')}")
    return json_answer([{"revision": number + 1} for number in range(len(row.revisions))])
