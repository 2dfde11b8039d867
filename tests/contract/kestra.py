"""A server under contract: its calls in short form, and what a test made in it, to be deleted."""

from __future__ import annotations

import io
import zipfile
from typing import Any, Self
from uuid import uuid4

import httpx

YAML = {"content-type": "application/x-yaml"}


def flow(namespace: str, flow_id: str, message: str = "hi") -> str:
    """The text of a small valid flow."""
    return (
        f"id: {flow_id}\nnamespace: {namespace}\ntasks:\n  - id: t\n"
        f"    type: io.kestra.plugin.core.log.Log\n    message: {message}\n"
    )


def dashboard(dashboard_id: str, title: str = "D") -> str:
    """The text of a small valid dashboard."""
    return f"# a comment\nid: {dashboard_id}\ntitle: {title}\ncharts: []\n"


def archive(entries: dict[str, str | bytes]) -> bytes:
    """A ZIP of these entries."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in entries.items():
            writer.writestr(name, content)
    return body.getvalue()


def entries_of(response: httpx.Response) -> dict[str, bytes]:
    """The entries of a ZIP answer."""
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.content)) as reader:
        return {name: reader.read(name) for name in reader.namelist()}


class Kestra:
    """One server; `namespace` is free for the test, `client` calls `/api/v1/main`."""

    def __init__(self, url: str, login: tuple[str, str]) -> None:
        self.url = url
        self.login = login
        self.client = httpx.Client(base_url=f"{url}/api/v1/main", auth=login, timeout=60)
        #: Namespaces of a test begin with it.
        self.namespace = f"ct{uuid4().hex[:10]}"
        self._dashboards: list[str] = []
        self._file_namespaces: set[str] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.client.request(
            "DELETE",
            "/flows/delete/by-query",
            params={"filters[namespace][STARTS_WITH]": self.namespace},
        )
        for namespace in self._file_namespaces:
            for path in self.paths(namespace):
                self.client.delete(f"/namespaces/{namespace}/files", params={"path": path})
        for name in self._dashboards:
            self.client.delete(f"/dashboards/{name}")
        self.client.close()

    def create(self, source: str) -> httpx.Response:
        """POST a flow."""
        return self.client.post("/flows", content=source.encode(), headers=YAML)

    def update(self, namespace: str, flow_id: str, source: str) -> httpx.Response:
        """PUT a flow."""
        return self.client.put(
            f"/flows/{namespace}/{flow_id}", content=source.encode(), headers=YAML
        )

    def import_archive(self, entries: dict[str, str | bytes], **params: str) -> httpx.Response:
        """Import a ZIP of flows."""
        return self.import_file("flows.zip", archive(entries), **params)

    def import_file(self, name: str, content: bytes, **params: str) -> httpx.Response:
        """Import a file of flows."""
        return self.client.post(
            "/flows/import", params=params, files={"fileUpload": (name, content)}
        )

    def get(self, namespace: str, flow_id: str, **params: str) -> httpx.Response:
        """GET a flow with its source."""
        return self.client.get(f"/flows/{namespace}/{flow_id}", params={"source": "true", **params})

    def source(self, namespace: str, flow_id: str) -> bytes:
        """A flow's text by GET, as bytes."""
        text: str = self.get(namespace, flow_id).json()["source"]
        return text.encode()

    def revision(self, namespace: str, flow_id: str) -> int:
        """A flow's present revision."""
        number: int = self.get(namespace, flow_id).json()["revision"]
        return number

    def export(self, **params: str) -> dict[str, bytes]:
        """The entries of an export by query."""
        return entries_of(self.client.get("/flows/export/by-query", params=params))

    def validate(self, body: str) -> list[dict[str, Any]]:
        """The entries of a validation."""
        response = self.client.post("/flows/validate", content=body.encode(), headers=YAML)
        assert response.status_code == 200, response.text
        found: list[dict[str, Any]] = response.json()
        return found

    def write(
        self, path: str, content: bytes, *, name: str = "file", namespace: str | None = None
    ) -> httpx.Response:
        """Write a namespace file."""
        where = namespace or self.namespace
        self._file_namespaces.add(where)
        return self.client.post(
            f"/namespaces/{where}/files",
            params={"path": path},
            files={"fileContent": (name, content)},
        )

    def read(self, path: str, **params: str) -> httpx.Response:
        """Read a namespace file."""
        return self.files("", path=path, **params)

    def files(self, route: str, **params: str) -> httpx.Response:
        """GET a route of namespace files."""
        return self.client.get(f"/namespaces/{self.namespace}/files{route}", params=params)

    def paths(self, namespace: str | None = None) -> list[str]:
        """All file paths of a namespace, sorted: the server gives them in any order."""
        where = namespace or self.namespace
        found = self.client.get(f"/namespaces/{where}/files/search", params={"q": "/"})
        return sorted(found.json())

    def delete_path(self, path: str) -> httpx.Response:
        """Delete a file or folder."""
        return self.client.delete(f"/namespaces/{self.namespace}/files", params={"path": path})

    def create_dashboard(self, dashboard_id: str, source: str) -> httpx.Response:
        """POST a dashboard."""
        self._dashboards.append(dashboard_id)
        return self.client.post("/dashboards", content=source.encode(), headers=YAML)

    def update_dashboard(self, dashboard_id: str, source: str) -> httpx.Response:
        """PUT a dashboard."""
        return self.client.put(f"/dashboards/{dashboard_id}", content=source.encode(), headers=YAML)
