"""A whole TenantSync for tests against a real Kestra: real workers, a real Git server, the given
server behind a proxy that counts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sandbox.settings import Settings
from tasks.store.contents import Contents
from tests.real.proxy import Proxy
from tests.real.server import RealServer
from tests.stack import FIFTH, Stack


class RealStack(Stack):
    """The stack of all acceptance tests with another server, and with the times of production:
    a real server under load is not five times as fast."""

    def __init__(self, folder: Path, server: RealServer) -> None:
        self.server = server
        self.proxy = Proxy(server.url)
        super().__init__(folder, KESTRA_PASSWORD=server.password)

    def __enter__(self) -> Self:
        self._exits.enter_context(self.proxy)
        super().__enter__()
        for name in FIFTH:
            del self.environment[name]
        return self

    def _kestra(self, settings: Settings | None) -> Any:
        return self.server

    def configure(self, syncs: Mapping[str, Any] | None = None, **sections: Any) -> None:
        """Writes the configuration file: all that makes it work with this server."""
        login = {"username": self.server.user, "password": {"env": "KESTRA_PASSWORD"}}
        super().configure(
            syncs, **{"kestra": {"main": {"url": self.proxy.url, **login}}} | sections
        )

    def before(self, run_id: str) -> dict[tuple[str, str], str]:
        """What a run overwrote or deleted, as it was kept: (namespace, name) → text."""
        contents = Contents(str(self.folder / "data" / "contents"))
        return {
            (one["namespace"], one["name"]): contents.get(one["beforeContent"]).decode()
            for one in self.plan(run_id)["changes"]
            if one.get("beforeContent")
        }
