"""How tests steer a sandbox server, in whatever process it runs."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any
from urllib.parse import urlencode, urlsplit

from .faults import Fault
from .settings import DEFAULT_CONTROL_TOKEN

#: Seconds that a control call may take.
TIMEOUT = 60.0


class ControlError(Exception):
    """The server refused a control call."""


class Remote:
    """The control API of a server at `url`; every method is one HTTP call."""

    def __init__(self, url: str, control_token: str = DEFAULT_CONTROL_TOKEN) -> None:
        self.url = url
        self._token = control_token

    def seed(
        self,
        *,
        flows: Iterable[str | dict[str, Any]] = (),
        files: Iterable[dict[str, Any]] = (),
        dashboards: Iterable[str] = (),
        kv: Iterable[dict[str, str]] = (),
        tenant: str = "main",
    ) -> None:
        """Put flows (texts), files, dashboards (texts) and KV in as they stand, unchecked."""
        seed = {"flows": flows, "files": files, "dashboards": dashboards, "kv": kv}
        self.apply({name: list(entries) for name, entries in seed.items()}, tenant=tenant)

    def apply(self, seed: dict[str, Any], *, tenant: str = "main") -> None:
        """Put a whole seed document in (see `sandbox.seed`), deletions included."""
        self._call("POST", "seed", seed, tenant=tenant)

    def snapshot(self, tenant: str = "main") -> dict[str, Any]:
        """The seed document that plants a tenant like the present one."""
        found: dict[str, Any] = self._call("GET", "snapshot", tenant=tenant)
        return found

    def reset(self, tenant: str = "main") -> None:
        """Make a tenant empty, as new."""
        self._call("DELETE", "tenant", tenant=tenant)

    def flows(self, tenant: str = "main") -> dict[tuple[str, str], str]:
        """The stored text of every live flow, by (namespace, id)."""
        return {(one["namespace"], one["id"]): one["source"] for one in self.flow_records(tenant)}

    def flow_records(self, tenant: str = "main") -> list[dict[str, Any]]:
        """Every live flow with `namespace, id, revision, disabled, draft, source`."""
        found: list[dict[str, Any]] = self._call("GET", "flows", tenant=tenant)
        return found

    def files(self, tenant: str = "main") -> dict[tuple[str, str], bytes]:
        """The stored bytes of every file, by (namespace, path as Kestra lists it)."""
        return {
            (one["namespace"], one["path"]): base64.b64decode(one["base64"])
            for one in self.file_records(tenant)
        }

    def file_records(self, tenant: str = "main") -> list[dict[str, Any]]:
        """Every file with `namespace, path, revision, base64`."""
        found: list[dict[str, Any]] = self._call("GET", "files", tenant=tenant)
        return found

    def dashboards(self, tenant: str = "main") -> dict[str, str]:
        """The stored text of every dashboard, by id."""
        return {one["id"]: one["source"] for one in self._call("GET", "dashboards", tenant=tenant)}

    def kv(self, tenant: str = "main") -> dict[tuple[str, str], str]:
        """The written text of every key, by (namespace, key)."""
        return {
            (one["namespace"], one["key"]): one["written"] for one in self.snapshot(tenant)["kv"]
        }

    def counters(self, tenant: str = "main") -> dict[str, int]:
        """`requests` of the server, `flow_revisions` and `storage_objects` of the tenant."""
        found: dict[str, int] = self._call("GET", "counters", tenant=tenant)
        return found

    def log(self) -> list[dict[str, Any]]:
        """The calls since the last reset, oldest first (fields: `sandbox.requestlog.Entry`)."""
        found: list[dict[str, Any]] = self._call("GET", "log")
        return found

    def reset_log(self) -> None:
        """Forget the logged calls."""
        self._call("DELETE", "log")

    def arm(self, fault: Fault) -> int:
        """Put a fault in wait; gives back its id."""
        found: int = self._call("POST", "faults", asdict(fault))["id"]
        return found

    def disarm(self, fault_id: int | None = None) -> None:
        """Take one fault away, or all."""
        self._call("DELETE", "faults" if fault_id is None else f"faults/{fault_id}")

    def hits(self, fault_id: int) -> int:
        """How many calls an armed fault has struck."""
        for armed in self._call("GET", "faults"):
            if armed["id"] == fault_id:
                found: int = armed["hits"]
                return found
        raise ControlError(f"no fault {fault_id} is armed")

    def switch(self, **changes: Any) -> None:
        """Change `logins`, `missing_plugins`, `unsupported`, `unsupported_status`,
        `system_namespace` or `uuid` while the server runs."""
        self._call("POST", "switches", changes)

    def _call(self, method: str, route: str, body: Any = None, **query: str) -> Any:
        place = urlsplit(self.url)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=TIMEOUT)
        try:
            connection.request(
                method,
                f"/_sandbox/{route}?{urlencode(query)}",
                None if body is None else json.dumps(body),
                {"X-Sandbox-Token": self._token},
            )
            response = connection.getresponse()
            answer = json.loads(response.read())
        finally:
            connection.close()
        if response.status != 200:
            raise ControlError(answer["message"])
        return answer
