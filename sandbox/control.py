"""What tests ask of a running server beside the API: seeds, raw reads, log, faults, switches.

All routes lie under `/_sandbox/` and need the header `X-Sandbox-Token`; they are neither logged
nor struck by faults.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from hmac import compare_digest
from typing import Any, Protocol
from urllib.parse import parse_qsl

from starlette.responses import Response

from .call import json_answer
from .faults import Armed, fault_from_json
from .seed import file_records, flow_record, harvest, plant
from .settings import login_from_json
from .world import Tenant, World

#: The header that opens the control routes.
TOKEN_HEADER = "x-sandbox-token"


class Asked(Protocol):
    """What a control route needs of a request."""

    method: str
    query: str
    headers: dict[str, str]
    body: bytes
    segments: tuple[str, ...]


Operation = Callable[[Asked], Any]


class Control:
    """The control routes of one server."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._operations: dict[tuple[str, str], Operation] = {
            ("POST", "seed"): self._seed,
            ("GET", "snapshot"): lambda asked: harvest(self._tenant(asked)),
            ("DELETE", "tenant"): self._reset_tenant,
            ("GET", "flows"): self._flows,
            ("GET", "files"): lambda asked: file_records(self._tenant(asked)),
            ("GET", "dashboards"): self._dashboards,
            ("GET", "counters"): self._counters,
            ("GET", "log"): lambda asked: world.log.as_json(),
            ("DELETE", "log"): lambda asked: world.log.reset(),
            ("POST", "faults"): self._arm,
            ("GET", "faults"): lambda asked: [_armed_json(armed) for armed in world.faults],
            ("DELETE", "faults"): self._disarm,
            ("POST", "switches"): self._switch,
        }

    async def answer(self, uri: str, asked: Asked) -> Response:
        """Carry out one control call; 403 without the token, 400 with the reason."""
        given = asked.headers.get(TOKEN_HEADER, "")
        if not compare_digest(given.encode(), self.world.settings.control_token.encode()):
            return json_answer({"message": f"{TOKEN_HEADER} is missing or wrong"}, 403)
        name = asked.segments[1] if len(asked.segments) > 1 else ""
        operation = self._operations.get((asked.method, name))
        if operation is None:
            return json_answer({"message": f"no control route {asked.method} {uri}"}, 404)
        try:
            return json_answer(operation(asked))
        except (KeyError, TypeError, ValueError) as error:
            return json_answer({"message": f"{type(error).__name__}: {error}"}, 400)

    def _tenant(self, asked: Asked) -> Tenant:
        name = dict(parse_qsl(asked.query)).get("tenant", "main")
        tenant = self.world.tenant(name)
        if tenant is None:
            raise ValueError(f"there is no tenant {name!r}")
        return tenant

    def _seed(self, asked: Asked) -> dict[str, int]:
        planted = plant(self._tenant(asked), json.loads(asked.body))
        self.world.witness(None)
        return planted

    def _reset_tenant(self, asked: Asked) -> None:
        self.world.reset(self._tenant(asked).name)

    def _flows(self, asked: Asked) -> list[dict[str, Any]]:
        return [flow_record(flow) for flow in self._tenant(asked).flows.all_live()]

    def _dashboards(self, asked: Asked) -> list[dict[str, Any]]:
        return [
            {"id": one.id, "source": one.source}
            for one in self._tenant(asked).dashboards.all_live()
        ]

    def _counters(self, asked: Asked) -> dict[str, int]:
        tenant = self._tenant(asked)
        return {
            "requests": self.world.log.total,
            "flow_revisions": tenant.flows.written,
            "storage_objects": tenant.storage_objects,
        }

    def _arm(self, asked: Asked) -> dict[str, int]:
        return {"id": self.world.faults.arm(fault_from_json(json.loads(asked.body))).id}

    def _disarm(self, asked: Asked) -> None:
        self.world.faults.disarm(int(asked.segments[2]) if len(asked.segments) > 2 else None)

    def _switch(self, asked: Asked) -> None:
        changes = json.loads(asked.body)
        switches = self.world.switches
        if "logins" in changes:
            switches.logins = tuple(login_from_json(one) for one in changes.pop("logins"))
        for name in ("missing_plugins", "unsupported"):
            if name in changes:
                setattr(switches, name, tuple(changes.pop(name)))
        for name in ("unsupported_status", "system_namespace", "uuid"):
            if name in changes:
                setattr(switches, name, changes.pop(name))
        if changes:
            raise ValueError(f"there is no switch {', '.join(sorted(changes))}")


def _armed_json(armed: Armed) -> dict[str, Any]:
    return {
        "id": armed.id,
        "seen": armed.seen,
        "hits": armed.hits,
        "fault": asdict(armed.fault),
    }
