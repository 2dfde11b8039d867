"""What do the calls to Kestra cost by themselves? Each method is one call, whose answer is read as
far as whoever compares it has to: archives unfolded, texts with identity and blob id."""

from __future__ import annotations

import hashlib
import io
import re
import threading
import zipfile
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self

import httpx

#: A text by its path in Git: blob id and bytes.
Texts = dict[str, tuple[str, bytes]]

_SEPARATOR = b"\n---\n"
_ID = re.compile(rb"^id: *(\S+)", re.MULTILINE)
_NAMESPACE = re.compile(rb"^namespace: *(\S+)", re.MULTILINE)


class BareKestra:
    """One tenant of one server; a connection per thread, kept open."""

    def __init__(self, url: str, tenant: str, user: str, password: str) -> None:
        self._instance, self._tenant = f"{url}/api/v1", f"{url}/api/v1/{tenant}"
        self._login = (user, password)
        self._of_thread = threading.local()
        self._clients: list[httpx.Client] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for client in self._clients:
            client.close()

    def configs(self) -> str:
        """The uuid of the server."""
        return str(self._get(f"{self._instance}/configs").json()["uuid"])

    def namespaces(self) -> list[str]:
        """All namespaces that the server shows."""
        answer = self._get(f"{self._tenant}/namespaces/search", page="1", size="1000").json()
        rows = _whole(answer)
        return [str(row["id"]) for row in rows]

    def flows(self, namespace: str | None = None) -> Texts:
        """The flows of the tenant, or of one namespace."""
        only = {} if namespace is None else {"filters[namespace][EQUALS]": namespace}
        answer = self._get(f"{self._tenant}/flows/export/by-query", **only)
        texts = (content for _, content in _unfolded(answer.content))
        return {flow_path(text): (blob_id(text), text) for text in texts}

    def files(self, namespace: str) -> Texts:
        """The files of one namespace."""
        answer = self._get(f"{self._tenant}/namespaces/{namespace}/files/export")
        return {
            f"{namespace}/files/{name}": (blob_id(content), content)
            for name, content in _unfolded(answer.content)
        }

    def dashboards(self) -> Texts:
        """The dashboards of the tenant."""
        answer = self._get(f"{self._tenant}/dashboards", page="1", size="1000").json()
        texts = {str(row["id"]): str(row["sourceCode"]).encode() for row in _whole(answer)}
        return {
            f"_global/dashboards/{name}.yaml": (blob_id(text), text) for name, text in texts.items()
        }

    def validate(self, texts: Sequence[bytes]) -> None:
        """Has the server check flows, all in one body. Raises ValueError when it takes one not."""
        answer = self._client.post(
            f"{self._tenant}/flows/validate",
            content=_SEPARATOR.join(texts),
            headers={"Content-Type": "application/x-yaml"},
        )
        verdicts: list[Mapping[str, Any]] = answer.raise_for_status().json()
        if len(verdicts) != len(texts) or any(one.get("constraints") for one in verdicts):
            raise ValueError(f"the server did not accept {len(texts)} flows: {verdicts}")

    def import_flow(self, text: bytes) -> None:
        """Writes one flow as an archive, which keeps its bytes."""
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as folded:
            folded.writestr("flow.yml", text)
        upload = ("flows.zip", archive.getvalue(), "application/zip")
        answer = self._client.post(f"{self._tenant}/flows/import", files={"fileUpload": upload})
        if failed := answer.raise_for_status().json():
            raise ValueError(f"the server did not import {failed}")

    def _get(self, url: str, **query: str) -> httpx.Response:
        return self._client.get(url, params=query).raise_for_status()

    @property
    def _client(self) -> httpx.Client:
        client: httpx.Client | None = getattr(self._of_thread, "client", None)
        if client is None:
            client = httpx.Client(auth=self._login, timeout=60)
            self._of_thread.client = client
            self._clients.append(client)
        return client


def flow_path(text: bytes) -> str:
    """Where a flow lies in Git, by the identity in its text."""
    identity, namespace = _ID.search(text), _NAMESPACE.search(text)
    if identity is None or namespace is None:
        raise ValueError(f"a flow without id or namespace: {text[:80]!r}")
    names = (found[1].decode().strip("\"'") for found in (namespace, identity))
    return "{}/flows/{}.yaml".format(*names)


def blob_id(content: bytes) -> str:
    """The id that Git gives to these bytes."""
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _unfolded(body: bytes) -> list[tuple[str, bytes]]:
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return [
            (entry.filename, archive.read(entry))
            for entry in archive.infolist()
            # A file export also holds the flows of its namespace, which the flow export gave.
            if not entry.filename.startswith("_flows/")
        ]


def _whole(answer: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    rows: list[Mapping[str, Any]] = answer["results"]
    if len(rows) != answer["total"]:
        raise ValueError(f"a list of {answer['total']} came in more than one page")
    return rows
