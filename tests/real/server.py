"""A Kestra server that is not ours: how a test fills it, asks what it holds, and empties it.

Everything goes by the public API, and nothing by the client that is under test.
"""

from __future__ import annotations

import base64
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Self

import httpx
import yaml

YAML = {"content-type": "application/x-yaml"}
#: Names that an upload of many files keeps as they are.
_PLAIN = re.compile(r"[A-Za-z0-9._/-]+")
#: Flows of one import, so that it ends well before anybody's timeout.
_IMPORTED = 50


class RealServer:
    """The tenant `main` of one server; has the methods of the sandbox's `Remote` that tests use.

    Namespaces of which no flow is left are not shown by the server, so those that a test has
    filled are remembered here.
    """

    def __init__(self, url: str, user: str, password: str) -> None:
        self.url, self.user, self.password = url.rstrip("/"), user, password
        self.client = httpx.Client(
            base_url=f"{self.url}/api/v1/main", auth=(user, password), timeout=120
        )
        self._namespaces: set[str] = set()

    def start(self) -> Self:
        """It runs already."""
        return self

    def stop(self) -> None:
        """It goes on running."""

    def close(self) -> None:
        """Closes the connections."""
        self.client.close()

    # -- filling --------------------------------------------------------------------------------

    def seed(
        self,
        *,
        flows: Iterable[str] = (),
        files: Iterable[Mapping[str, str]] = (),
        dashboards: Iterable[str] = (),
    ) -> None:
        """Writes flows (texts), files (`namespace`, `path`, `text` or `base64`) and dashboards."""
        self._import(list(flows))
        self._upload(list(files))
        for text in dashboards:
            self.put_dashboard(text)

    def apply(self, seed: Mapping[str, Any]) -> None:
        """Writes a seed document of the sandbox; of deletions, those of flows and dashboards."""
        flows = [one if isinstance(one, str) else one["source"] for one in seed.get("flows", ())]
        self.seed(flows=flows, files=seed.get("files", ()), dashboards=seed.get("dashboards", ()))
        for one in seed.get("delete_flows", ()):
            self._call("DELETE", f"/flows/{one['namespace']}/{one['id']}")
        for name in seed.get("delete_dashboards", ()):
            self._call("DELETE", f"/dashboards/{name}")

    def _import(self, flows: list[str]) -> None:
        for start in range(0, len(flows), _IMPORTED):
            chunk = flows[start : start + _IMPORTED]
            body = archive({f"{n}.yml": text.encode() for n, text in enumerate(chunk)})
            failed = self._call("POST", "/flows/import", files={"fileUpload": ("f.zip", body)})
            assert failed.json() == [], [chunk[int(name.split(".")[0])] for name in failed.json()]

    def _upload(self, files: list[Mapping[str, str]]) -> None:
        plain: dict[str, dict[str, bytes]] = defaultdict(dict)
        for one in files:
            coded = one.get("base64")
            content = one["text"].encode() if coded is None else base64.b64decode(coded)
            if _PLAIN.fullmatch(one["path"]):
                plain[one["namespace"]][one["path"].removeprefix("/")] = content
            else:
                self.write_file(one["namespace"], one["path"], content)
        for namespace, entries in plain.items():
            self._namespaces.add(namespace)
            upload = {"fileContent": ("f.zip", archive(entries))}
            self._call("POST", f"/namespaces/{namespace}/files", params={"path": "/"}, files=upload)

    def write_file(self, namespace: str, path: str, content: bytes) -> None:
        """Writes one file under any name."""
        self._namespaces.add(namespace)
        where = {"path": path}
        upload = {"fileContent": ("file", content)}
        self._call("POST", f"/namespaces/{namespace}/files", params=where, files=upload)

    def put_flow(self, text: str) -> int:
        """Updates one flow as a person in the editor does; the new revision."""
        said = yaml.safe_load(text)
        where = f"/flows/{said['namespace']}/{said['id']}"
        revision: int = self._call("PUT", where, content=text.encode(), headers=YAML).json()[
            "revision"
        ]
        return revision

    def delete_flow(self, namespace: str, name: str) -> None:
        """Deletes one flow."""
        self._call("DELETE", f"/flows/{namespace}/{name}")

    def put_dashboard(self, text: str) -> None:
        """Updates one dashboard, or creates it."""
        name = yaml.safe_load(text)["id"]
        there = self.client.get(f"/dashboards/{name}").status_code == 200
        method, where = ("PUT", f"/dashboards/{name}") if there else ("POST", "/dashboards")
        self._call(method, where, content=text.encode(), headers=YAML)

    # -- asking ---------------------------------------------------------------------------------

    def flows(self) -> dict[tuple[str, str], str]:
        """The text of every flow, by (namespace, id)."""
        found = {}
        for text in self._unfolded("/flows/export/by-query").values():
            said = next(yaml.safe_load_all(text))
            found[str(said["namespace"]), str(said["id"])] = text.decode()
        return found

    def flow(self, namespace: str, name: str) -> tuple[str, int]:
        """The text and revision of one flow, by a call for it alone."""
        answer = self._call("GET", f"/flows/{namespace}/{name}", params={"source": "true"}).json()
        return answer["source"], answer["revision"]

    def revisions(self) -> dict[tuple[str, str], int]:
        """The revision of every flow, by (namespace, id)."""
        rows = self._call("GET", "/flows/search", params={"size": "10000"}).json()["results"]
        return {(row["namespace"], row["id"]): row["revision"] for row in rows}

    def file_revisions(self) -> dict[tuple[str, str], int]:
        """How often every file was written, by (namespace, path)."""
        found = {}
        for namespace, path in self.files():
            where = f"/namespaces/{namespace}/files/revisions"
            found[namespace, path] = len(self._call("GET", where, params={"path": path}).json())
        return found

    def files(self) -> dict[tuple[str, str], bytes]:
        """The bytes of every file, by (namespace, path as Kestra lists it)."""
        return {
            (namespace, f"/{name}"): content
            for namespace in self.namespaces()
            for name, content in self._unfolded(f"/namespaces/{namespace}/files/export").items()
            if not name.startswith("_flows/")
        }

    def dashboards(self) -> dict[str, str]:
        """The text of every dashboard, by id."""
        rows = self._call("GET", "/dashboards", params={"size": "1000"}).json()["results"]
        return {row["id"]: row["sourceCode"] for row in rows}

    def shown_namespaces(self) -> set[str]:
        """The namespaces that the server lists: of flows, their parents, and its own."""
        rows = self._call("GET", "/namespaces/search", params={"size": "1000"}).json()["results"]
        return {row["id"] for row in rows}

    def namespaces(self) -> list[str]:
        """Those that the server lists and those that were filled from here."""
        return sorted(self.shown_namespaces() | self._namespaces)

    def remember(self, namespaces: Iterable[str]) -> None:
        """Namespaces that somebody else has filled with files alone."""
        self._namespaces.update(namespaces)

    # -- emptying -------------------------------------------------------------------------------

    def is_empty(self) -> bool:
        """Whether the tenant holds no flow and no dashboard."""
        return not self.revisions() and not self.dashboards()

    def reset(self) -> None:
        """Deletes all flows, all dashboards, and the files of all known namespaces."""
        for namespace in self.namespaces():
            where = f"/namespaces/{namespace}/files"
            for entry in self._call("GET", f"{where}/directory").json():
                self._call("DELETE", where, params={"path": f"/{entry['fileName']}"})
        ids = [{"namespace": namespace, "id": name} for namespace, name in self.revisions()]
        if ids:
            self._call("DELETE", "/flows/delete/by-ids", json=ids)
        for name in self.dashboards():
            self._call("DELETE", f"/dashboards/{name}")
        self._namespaces.clear()

    def _unfolded(self, path: str) -> dict[str, bytes]:
        with zipfile.ZipFile(io.BytesIO(self._call("GET", path).content)) as reader:
            return {name: reader.read(name) for name in reader.namelist()}

    def _call(self, method: str, path: str, **fields: Any) -> httpx.Response:
        answer = self.client.request(method, path, **fields)
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer


def archive(entries: Mapping[str, bytes]) -> bytes:
    """A ZIP of these entries."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w", zipfile.ZIP_DEFLATED) as writer:
        for name, content in entries.items():
            writer.writestr(name, content)
    return body.getvalue()
