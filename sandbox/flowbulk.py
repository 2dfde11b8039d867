"""Many flows in one call: the import of an archive or a text, and the validation of many texts.

An import goes entry by entry and gives other calls their turn between two: readers see it half
stored, and nothing takes it back. A new flow that comes this way escapes the model's checks.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

from starlette.responses import Response

from .archive import DamagedArchiveError, read_archive
from .call import Call, json_answer
from .errors import EmptyError, illegal_argument, internal
from .flowmodel import Model, RejectedTextError, plugins_of, read_flow
from .flowtext import scalar
from .flowwrite import place_of, store
from .multipart import required_part
from .routing import Router
from .validation import check_model, replaced_types, split_documents, validation_text

#: The largest YAML body of a validation; above it is a 500.
MAX_BODY = 10 * 1024 * 1024
#: Longer ids do not fit into the server's database.
MAX_ID = 100


def add_routes(router: Router) -> None:
    """Make the router answer for bulk calls."""
    router.add("POST", "flows/import", import_flows)
    router.add("POST", "flows/validate", validate_flows)


async def import_flows(call: Call) -> Response:
    """POST flows/import: the names of what was not stored, or 422 with `failOnError`."""
    part = required_part(call.parts(), "fileUpload")
    failed = [name async for name in _store_all(call, _entries(part.filename or "", part.content))]
    if failed and call.flag("failOnError"):
        raise illegal_argument(f"Following invalid flows were not imported: {', '.join(failed)}")
    return json_answer(failed)


def _entries(filename: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    dot = filename.rfind(".")
    if dot < 0:
        length = len(filename)
        raise internal(f"Range [-1, {length}) out of bounds for length {length}")
    suffix = filename[dot:].lower()
    if suffix == ".zip":
        for name, raw in read_archive(content):
            if name.endswith((".yml", ".yaml")):
                yield name, raw
    elif suffix in (".yml", ".yaml"):
        documents = re.split(r"(?m)^---\s*$", content.decode(errors="replace"))
        for number, document in enumerate(documents):
            yield f"{filename}(flow number: {number})", document.encode()
    else:
        raise illegal_argument(f"Cannot import file of type {filename[dot:]}")


async def _store_all(call: Call, entries: Iterator[tuple[str, bytes]]) -> AsyncIterator[str]:
    try:
        for name, raw in entries:
            if not await _store_entry(call, raw.decode(errors="replace")):
                yield name
    except DamagedArchiveError as error:
        raise EmptyError(400) from error


async def _store_entry(call: Call, source: str) -> bool:
    catalogue = call.world.catalogue
    try:
        model = read_flow(source, catalogue)
    except RejectedTextError:
        return False
    if model.get("id") is None or model.get("namespace") is None:
        return False
    namespace, flow_id = place_of(source, model)
    if not call.login.sees(namespace) or len(flow_id) > MAX_ID:
        return False
    known = call.tenant.flows.live(namespace, flow_id) is not None
    if known and (check_model(model, catalogue) or scalar(model["id"]) != flow_id):
        return False
    await store(call, namespace, flow_id, source, model)
    return True


async def validate_flows(call: Call) -> Response:
    """POST flows/validate: one entry per document; always 200, even for no YAML at all."""
    if call.content_type == "multipart/form-data":
        parts = [part for part in call.parts() if part.name == "flows"]
        texts = [(part.content.decode(errors="replace"), part.filename) for part in parts]
    elif call.content_type == "application/json":
        token = call.text.partition(":")[0]
        raise internal(
            f"Unrecognized token '{token}': was expecting (JSON String, Number, Array, Object or"
            " token 'null', 'true' or 'false')\n at [Source: REDACTED"
            " (`StreamReadFeature.INCLUDE_SOURCE_IN_LOCATION` disabled); line: 1, column: 1]"
        )
    elif len(call.body) > MAX_BODY:
        raise internal(
            f"The content length [{len(call.body)}] exceeds the maximum allowed bufferable length"
            f" [{MAX_BODY}]"
        )
    else:
        texts = [(text, None) for text in split_documents(call.text)]
    return json_answer(
        [_verdict(call, index, text, name) for index, (text, name) in enumerate(texts)]
    )


def _verdict(call: Call, index: int, text: str, filename: str | None) -> dict[str, Any]:
    entry: dict[str, Any] = {"index": index}
    if filename is not None:
        entry["filename"] = filename
    try:
        model = read_flow(text, call.world.catalogue, validating=True)
    except RejectedTextError as error:
        prefix = f"Illegal {error.kind} source: " if error.kind else ""
        return {
            **entry,
            "constraints": f"Validation error: {prefix}{error.text}",
            "outdated": False,
        }
    for field, key in (("namespace", "namespace"), ("flow", "id")):
        if model.get(key) is not None:
            entry[field] = scalar(model[key])
    violations = check_model(model, call.world.catalogue)
    if violations:
        entry["constraints"] = "Validation error: " + validation_text(violations)
    return {
        **entry,
        "outdated": False,
        "deprecationPaths": [],
        "warnings": [] if violations else _warnings(call, model),
        "infos": replaced_types(model),
    }


def _warnings(call: Call, model: Model) -> list[str]:
    found = []
    for typed in plugins_of(model):
        if not typed.type_name.endswith(".flow.Subflow"):
            continue
        namespace, flow_id = str(typed.node.get("namespace")), str(typed.node.get("flowId"))
        if "{{" in namespace + flow_id or call.tenant.flows.live(namespace, flow_id):
            continue
        found.append(f"The subflow '{flow_id}' not found in namespace '{namespace}'.")
    return found
