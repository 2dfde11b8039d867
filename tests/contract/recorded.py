"""What a live server answered: the recorded exchanges, how to ask them again, how to compare."""

from __future__ import annotations

import base64
import gzip
import io
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import httpx

RECORDING = Path(__file__).parent / "recordings" / "kestra-1.3.25.jsonl.gz"

#: Fields whose value differs from one server to the next; only their presence is compared.
VOLATILE = frozenset(
    (
        "updated",
        "created",
        "creationTime",
        "lastModifiedTime",
        "creationDate",
        "updateDate",
        "expirationDate",
        "uuid",
        "url",
    )
)
#: Recorded JSON bodies end here; only listings are that long.
CUT_AT = 4096
#: Headers that are part of the contract.
HEADERS = ("content-type", "content-disposition", "www-authenticate", "location", "cache-control")


@dataclass(frozen=True, slots=True)
class Exchange:
    """One recorded request with its answer; `number` is its line in the recording."""

    number: int
    check: str
    request: dict[str, Any]
    response: dict[str, Any]

    def __str__(self) -> str:
        query = "&".join(f"{key}={value}" for key, value in self.request["query"])
        return f"#{self.number} {self.request['method']} {self.request['path']}?{query}"[:160]


@cache
def exchanges() -> tuple[Exchange, ...]:
    """The whole recording."""
    with gzip.open(RECORDING, "rt", encoding="utf-8") as lines:
        return tuple(
            Exchange(number, record["check"], record["request"], record["response"])
            for number, record in enumerate(map(json.loads, lines))
        )


def ask_again(client: httpx.Client, exchange: Exchange, auth: httpx.Auth | None) -> httpx.Response:
    """Send a recorded request."""
    request = exchange.request
    headers = dict(request.get("headers", {}))
    arguments: dict[str, Any] = {"params": request["query"], "headers": headers, "auth": auth}
    if "parts" in request:
        arguments["files"] = [_part(part) for part in request["parts"]]
    elif "body" in request or "body_b64" in request:
        arguments["content"] = _bytes(request)
        if "content_type" in request:
            headers["content-type"] = request["content_type"]
    return client.request(request["method"], request["path"], **arguments)


def _part(part: dict[str, Any]) -> tuple[str, tuple[str, bytes, str]]:
    return (part["name"], (part["filename"], _bytes(part), part["content_type"]))


def _bytes(holder: dict[str, Any]) -> bytes:
    if "body_b64" in holder:
        return base64.b64decode(holder["body_b64"])
    text: str = holder["body"]
    return text.encode()


def differences(
    exchange: Exchange, response: httpx.Response, beginning: str | None = None
) -> Iterator[str]:
    """Where an answer is not the recorded one.

    With `beginning` both are error bodies whose messages are compared up to and with that text.
    """
    recorded = exchange.response
    if response.status_code != recorded["status"]:
        yield f"status {response.status_code}, recorded {recorded['status']}: {response.text[:300]}"
        return
    for name in HEADERS:
        if name in recorded["headers"] and exchange.request["method"] != "HEAD":
            given = response.headers.get(name)
            if given != recorded["headers"][name]:
                yield f"{name}: {given!r}, recorded {recorded['headers'][name]!r}"
    if beginning is not None:
        yield from _message_differences(json.loads(recorded["body"]), response.json(), beginning)
    elif "zip_entries" in recorded:
        yield from _archive_differences(recorded, response.content)
    elif "body_b64" in recorded:
        if base64.b64decode(recorded["body_b64"]) != response.content:
            yield f"bytes {response.content[:80]!r}"
    else:
        yield from _body_differences(recorded.get("body", ""), response)


def _message_differences(recorded: Any, given: Any, beginning: str) -> Iterator[str]:
    one, other = given["message"], recorded["message"]
    if beginning not in other:
        yield f"the recorded message does not hold {beginning!r}"
    elif one.partition(beginning)[:2] != other.partition(beginning)[:2]:
        yield f"message {one!r}, recorded {other!r}"


def _archive_differences(recorded: dict[str, Any], content: bytes) -> Iterator[str]:
    entries = recorded["zip_entries"]
    wanted = {
        name: base64.b64decode(entry["b64"]) if isinstance(entry, dict) else entry.encode()
        for name, entry in entries.items()
    }
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        given = {name: archive.read(name) for name in archive.namelist()}
    if len(given) != recorded["zip_count"]:
        yield f"{len(given)} entries, recorded {recorded['zip_count']}"
    # Of long archives only the first entries are in the recording.
    whole = len(wanted) == recorded["zip_count"]
    for name in sorted(wanted.keys() | given.keys() if whole else wanted):
        if wanted.get(name) != given.get(name):
            yield f"entry {name}: {given.get(name)!r}, recorded {wanted.get(name)!r}"


def _body_differences(body: str, response: httpx.Response) -> Iterator[str]:
    if not body.startswith(("{", "[")):
        if body != response.text:
            yield f"body {response.text[:200]!r}, recorded {body[:200]!r}"
        return
    given = response.json()
    if len(body) == CUT_AT:
        recorded = _whole_results(body)
        given = given["results"][: len(recorded)]
    else:
        recorded = json.loads(body)
    one, other = comparable(given), comparable(recorded)
    if one != other:
        yield f"body {_short(one, other)}\nrecorded {_short(other, one)}"


def _whole_results(body: str) -> list[Any]:
    """The results that a cut listing shows whole."""
    decoder, found = json.JSONDecoder(), []
    at = body.index("[") + 1
    while True:
        try:
            result, at = decoder.raw_decode(body, at)
        except ValueError:
            return found
        found.append(result)
        at += 1


def _short(one: Any, other: Any) -> str:
    if isinstance(one, dict) and isinstance(other, dict):
        return str({key: one[key] for key in one if key not in other or one[key] != other[key]})
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return str([_short(a, b) for a, b in zip(one, other, strict=True) if a != b])
    return str(one)


def comparable(tree: Any) -> Any:
    """A JSON tree without what differs from one server to the next."""
    if isinstance(tree, dict):
        return {key: "…" if key in VOLATILE else comparable(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [comparable(one) for one in tree]
    if isinstance(tree, str):
        return _comparable_text(tree)
    return tree


def _comparable_text(text: str) -> str:
    found = re.search(r"(Allowed methods: |known properties: )[\[]?([^\])]*)[\])]", text)
    if found:
        names = ", ".join(sorted(found[2].split(", ")))
        return text[: found.start()] + found[1] + names
    return text
