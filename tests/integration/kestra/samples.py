"""Texts, keys, guards and writes that the tests of the Kestra side share."""

from __future__ import annotations

from sandbox.server import SandboxServer
from tasks.artifacts import GLOBAL, Key, Kind, digest
from tasks.errors import LeaseLost
from tasks.kestra.side import Write, WriteReport, Written
from tasks.plan import Action

NAMESPACE = "company.team"


def flow(name: str, namespace: str = NAMESPACE, message: str = "hi") -> bytes:
    return (
        f"id: {name}\nnamespace: {namespace}\ntasks:\n  - id: t\n"
        f"    type: io.kestra.plugin.core.log.Log\n    message: {message}\n"
    ).encode()


def dashboard(name: str | None, title: str = "Title") -> bytes:
    first = "" if name is None else f"id: {name}\n"
    return (
        f"{first}title: {title}\ntimeWindow:\n  default: P30D\n  max: P365D\ncharts:\n"
        "  - id: c\n    type: io.kestra.plugin.core.dashboard.chart.Table\n"
        "    chartOptions:\n      displayName: Flows\n    data:\n"
        "      type: io.kestra.plugin.core.dashboard.data.Flows\n      columns:\n"
        "        id:\n          field: ID\n"
    ).encode()


def flow_key(name: str, namespace: str = NAMESPACE) -> Key:
    return Key(namespace, Kind.FLOW, name)


def file_key(name: str, namespace: str = NAMESPACE) -> Key:
    return Key(namespace, Kind.FILE, name)


def dashboard_key(name: str) -> Key:
    return Key(GLOBAL, Kind.DASHBOARD, name)


def free(seconds: float) -> None:
    """The guard of a lease that outlasts everything."""


class Lease:
    """The guard of a lease that is lost before the request of that number is sent; whoever asks
    it again would be let through."""

    def __init__(self, lost_before: int) -> None:
        self._left = lost_before
        self.asked: list[float] = []

    def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        self._left -= 1
        if self._left == 0:
            raise LeaseLost("the lane of company.team belongs to run 2 now")


def put(
    key: Key, content: bytes, action: Action = Action.ADD, before: bytes | None = None
) -> Write:
    return Write(key=key, action=action, content=content, before=_digest(key, before))


def remove(key: Key, before: bytes | None = None) -> Write:
    return Write(key=key, action=Action.DELETE, before=_digest(key, before))


def _digest(key: Key, content: bytes | None) -> str | None:
    return None if content is None else digest(key.kind, content)


def flows(*names: str, message: str = "hi") -> list[Write]:
    return [put(flow_key(name), flow(name, message=message)) for name in names]


def written(report: WriteReport) -> dict[Key, Written]:
    return {one.key: one for one in report.written}


def landed(report: WriteReport) -> list[bool]:
    return [one.landed for one in report.written]


def requests(server: SandboxServer, *methods: str) -> list[str]:
    return [
        f"{one['method']} {one['path'].removeprefix('/api/v1/main/')}"
        for one in server.log()
        if one["method"] in (methods or ("POST", "PUT", "DELETE"))
    ]


def file_texts(server: SandboxServer) -> dict[str, bytes]:
    return {path: content for (_, path), content in server.files().items()}
