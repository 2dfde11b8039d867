"""How a whole tenant, or a change of one, is written down, put in and read out.

A seed document is JSON: `flows` (texts, or `{"source", "namespace"?, "id"?}`), `files`
(`{"namespace", "path", "text" | "base64"}`), `dashboards` (texts), `delete_flows`
(`{"namespace", "id"}`), `delete_files` (`{"namespace", "path"}`), `delete_dashboards` (ids), `kv`
(`{"namespace", "key", "written"}`, written as a PUT's body), `delete_kv` (`{"namespace", "key"}`).
It is put in as it stands: no validation, and flows of a missing plugin are welcome.
"""

from __future__ import annotations

import base64
import re
from typing import Any

from .files import listed_path
from .flows import StoredFlow
from .flowtext import UnreadableTextError, identity_of, load_yaml
from .kv import written_value
from .world import Tenant

SEED_FIELDS = (
    "flows",
    "files",
    "dashboards",
    "kv",
    "delete_flows",
    "delete_files",
    "delete_dashboards",
    "delete_kv",
)

_DISABLED = re.compile(r"^disabled\s*:\s*true\s*$", re.MULTILINE)


def plant(tenant: Tenant, seed: dict[str, Any]) -> dict[str, int]:
    """Put a seed into a tenant; gives back how many entries of each field there were."""
    unknown = set(seed) - set(SEED_FIELDS)
    if unknown:
        raise ValueError(f"a seed has no field {', '.join(sorted(unknown))}")
    for flow in seed.get("flows", ()):
        _plant_flow(tenant, flow if isinstance(flow, dict) else {"source": flow})
    for file in seed.get("files", ()):
        files = tenant.files(file["namespace"])
        files.write(listed_path(file["path"]), file_bytes(file))
    for source in seed.get("dashboards", ()):
        tenant.dashboards.save(_dashboard_id(source), source)
    for entry in seed.get("kv", ()):
        tenant.kv.put(written_value(entry["namespace"], entry["key"], entry["written"]))
    for gone in seed.get("delete_flows", ()):
        tenant.flows.delete(gone["namespace"], gone["id"])
    for gone in seed.get("delete_files", ()):
        tenant.files(gone["namespace"]).delete(listed_path(gone["path"]))
    for gone in seed.get("delete_dashboards", ()):
        tenant.dashboards.delete(gone)
    for gone in seed.get("delete_kv", ()):
        tenant.kv.delete(gone["namespace"], gone["key"])
    return {name: len(seed.get(name, ())) for name in SEED_FIELDS if name in seed}


def _plant_flow(tenant: Tenant, flow: dict[str, Any]) -> None:
    source = flow["source"]
    namespace, flow_id = flow.get("namespace"), flow.get("id")
    if namespace is None or flow_id is None:
        identity = identity_of(source)
        if identity is None:
            raise ValueError(f"a flow to be planted names no id and namespace: {source[:60]!r}")
        namespace, flow_id = identity.namespace, identity.id
    tenant.flows.save(
        namespace,
        flow_id,
        source,
        disabled=_DISABLED.search(source) is not None,
        draft=bool(flow.get("draft", False)),
    )


def file_bytes(file: dict[str, Any]) -> bytes:
    """The content of a file entry, given as `text` or `base64`."""
    if "base64" in file:
        return base64.b64decode(file["base64"])
    text: str = file["text"]
    return text.encode()


def _dashboard_id(source: str) -> str:
    try:
        model = load_yaml(source)
    except UnreadableTextError as error:
        raise ValueError(f"a dashboard to be planted cannot be read: {error}") from error
    if not isinstance(model, dict) or "id" not in model:
        raise ValueError(f"a dashboard to be planted names no id: {source[:60]!r}")
    return str(model["id"])


def flow_record(flow: StoredFlow) -> dict[str, Any]:
    """A stored flow as tests read it."""
    revision = flow.revision
    return {
        "namespace": flow.namespace,
        "id": flow.id,
        "revision": revision.number,
        "disabled": revision.disabled,
        "draft": revision.draft,
        "source": revision.source,
    }


def file_records(tenant: Tenant) -> list[dict[str, Any]]:
    """All files of a tenant as tests read them."""
    found = []
    for files in tenant.all_files():
        for row in files.files():
            content = files.content(row.path)
            found.append(
                {
                    "namespace": files.namespace,
                    "path": row.path,
                    "revision": len(row.revisions),
                    "base64": base64.b64encode(content.raw if content else b"").decode(),
                }
            )
    return found


def harvest(tenant: Tenant) -> dict[str, Any]:
    """The seed document that plants a tenant like this one."""
    return {
        "flows": [
            {"namespace": flow.namespace, "id": flow.id, "source": flow.revision.source}
            for flow in tenant.flows.all_live()
        ],
        "files": [
            {key: file[key] for key in ("namespace", "path", "base64")}
            for file in file_records(tenant)
        ],
        "dashboards": [dashboard.source for dashboard in tenant.dashboards.all_live()],
        "kv": [
            {"namespace": value.namespace, "key": value.key, "written": value.written}
            for value in tenant.kv.live()
        ],
    }
