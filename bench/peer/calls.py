"""The calls of plugin-git's TenantSync, one after the other on one connection, and counted."""

from __future__ import annotations

import base64
import http.client
import io
import json
import zipfile
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote, urlencode, urlsplit

#: The size of a page of namespaces and of dashboards, as the plugin asks for it.
PAGE = 200
#: Seconds that one call may take.
_TIMEOUT = 120.0


class CallFailedError(Exception):
    """The server refused a call; the message names the call and the status."""


class PeerCalls:
    """One tenant of one server.

    The standard library's client is used, the cheapest at hand: what a call costs its caller is
    the smallest part of what is measured.
    """

    def __init__(self, url: str, tenant: str, user: str, password: str) -> None:
        place = urlsplit(url)
        secure = place.scheme == "https"
        kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
        self._connection = kind(place.hostname or "", place.port, timeout=_TIMEOUT)
        self._base = f"{place.path.rstrip('/')}/api/v1/{quote(tenant, safe='')}"
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._login = {"Authorization": f"Basic {login}"}
        #: Calls so far.
        self.made = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._connection.close()

    def namespaces(self) -> list[str]:
        """All namespaces; the last page is the first that is not full."""
        rows = self._pages("namespaces/search", existing="false")
        return [str(row["id"]) for row in rows]

    def flows(self, namespace: str) -> list[bytes]:
        """The texts of one namespace's flows, from an archive of them."""
        query = {"filters[namespace][EQUALS]": namespace}
        body = self._get("flows/export/by-query", **query)
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            names = [name for name in archive.namelist() if name.endswith((".yml", ".yaml"))]
            return [archive.read(name) for name in names]

    def validate(self, text: bytes) -> None:
        """Has the server check one flow. Raises CallFailedError when it does not take it."""
        answer = self._ask("POST", "flows/validate", text, "application/x-yaml")
        if any(one.get("constraints") for one in json.loads(answer)):
            raise CallFailedError(f"the server does not take a flow: {answer[:200]!r}")

    def folder(self, namespace: str, path: str | None) -> list[tuple[str, bool]]:
        """What lies in one folder of a namespace, the root where `path` is None: name, and
        whether it is a folder."""
        query = {} if path is None else {"path": path}
        rows = json.loads(self._get(f"{_files(namespace)}/directory", **query))
        return [(str(row["fileName"]), row["type"] == "Directory") for row in rows]

    def file(self, namespace: str, path: str) -> bytes:
        """The bytes of one file."""
        return self._get(_files(namespace), path=path)

    def dashboards(self) -> list[str]:
        """The ids of all dashboards."""
        return [str(row["id"]) for row in self._pages("dashboards")]

    def dashboard(self, name: str) -> bytes:
        """The text of one dashboard."""
        row = json.loads(self._get(f"dashboards/{quote(name, safe='')}"))
        return str(row["sourceCode"]).encode()

    def _pages(self, route: str, /, **query: str) -> Iterator[dict[str, Any]]:
        page = 1
        while True:
            answer = self._get(route, page=str(page), size=str(PAGE), **query)
            rows: list[dict[str, Any]] = json.loads(answer)["results"]
            yield from rows
            if len(rows) < PAGE:
                return
            page += 1

    def _get(self, route: str, /, **query: str) -> bytes:
        return self._ask("GET", f"{route}?{urlencode(query)}" if query else route)

    def _ask(self, method: str, path: str, body: bytes | None = None, kind: str = "") -> bytes:
        headers = {**self._login, **({"Content-Type": kind} if kind else {})}
        self.made += 1
        self._connection.request(method, f"{self._base}/{path}", body, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise CallFailedError(f"{method} {path} was answered {answer.status}")
        return content


def _files(namespace: str) -> str:
    return f"namespaces/{quote(namespace, safe='')}/files"
