"""Which texts does the server not accept, and why? Asked in as few requests as it allows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from tasks.artifacts import Key, Kind
from tasks.errors import Doubtful
from tasks.kestra.answers import clean
from tasks.kestra.archives import chunked
from tasks.kestra.calls import Call, Repeat, Upload
from tasks.kestra.client import Client
from tasks.kestra.server import Server

#: The largest YAML body that the server takes (measured); above it answers 500.
BODY_LIMIT = 10 << 20
#: Bytes of one request: below the limit, with room for separators.
_SIZE = 8 << 20
#: Flows joined in one body: 1,000 take about 0.9 s (measured).
_JOINED = 1000
#: Parts of one multipart body: with more than 128 fields the server answers 500 (measured).
_PARTS = 128
_VALIDATE = ("flows", "validate")
_SEPARATOR = b"\n---\n"
#: The server splits a body at each line that starts so, whatever follows on the line.
_SPLITS = re.compile(rb"^---", re.MULTILINE)
_OPENING = re.compile(rb"\A---[ \t]*\r?\n")


def invalid_texts(
    client: Client, server: Server, kind: Kind, texts: Mapping[Key, bytes]
) -> dict[Key, str]:
    """The texts that the server does not accept, with its message. Warnings are no message.

    Raises Doubtful when the answers do not belong to the questions one by one.
    """
    if kind is Kind.FILE:
        return {}
    found = {key: reason for key, text in texts.items() if (reason := _unfit(text))}
    asked = [(key, text) for key, text in texts.items() if key not in found]
    if kind is Kind.DASHBOARD:
        messages = client.each(lambda pair: _dashboard(client, pair[1]), asked)
        found |= {key: said for (key, _), said in zip(asked, messages, strict=True) if said}
    else:
        for answers in client.each(lambda ask: ask(), list(_questions(client, server, asked))):
            found |= answers
    return {key: found[key] for key in texts if key in found}


def _unfit(text: bytes) -> str | None:
    try:
        text.decode()
    except UnicodeDecodeError as error:
        return f"byte {error.start} is not UTF-8; Kestra would store another text: save it as UTF-8"
    if len(text) > BODY_LIMIT:
        return f"the text has {len(text)} bytes; Kestra takes {BODY_LIMIT} at most"
    return None


class _Question:
    """One request that validates some flows."""

    def __init__(self, client: Client, call: Call, keys: Sequence[Key]) -> None:
        self._client = client
        self._call = call
        self._keys = keys

    def __call__(self) -> dict[Key, str]:
        rows = _rows(self._client, self._call)
        if [row.get("index") for row in rows] != list(range(len(self._keys))):
            raise Doubtful(
                f"{self._client!r}: {self._call} answered {len(rows)} results for "
                f"{len(self._keys)} flows, so none can be told apart; ask again"
            )
        pairs = zip(self._keys, rows, strict=True)
        return {key: said for key, row in pairs if (said := _constraints(self._client, row))}


class _Alone(_Question):
    """One flow in a body that the server may split: every result is about this flow."""

    def __call__(self) -> dict[Key, str]:
        said = [_constraints(self._client, row) for row in _rows(self._client, self._call)]
        first = next((message for message in said if message), None)
        return {self._keys[0]: first} if first else {}


def _questions(
    client: Client, server: Server, texts: Sequence[tuple[Key, bytes]]
) -> Iterator[_Question]:
    # A first `---` line says nothing, and the server drops it as well.
    plain = {key: _OPENING.sub(b"", text, count=1).strip() for key, text in texts}
    apart = [(k, text) for k, text in texts if not plain[k] or _SPLITS.search(plain[k])]
    alone = {key for key, _ in apart}
    joined = [((k, body), len(body) + 5) for k, body in plain.items() if k not in alone]
    for chunk in chunked(joined, count=_JOINED, size=_SIZE):
        body = _SEPARATOR.join(text for _, text in chunk)
        yield _Question(client, _yaml(_VALIDATE, body), [key for key, _ in chunk])
    if not server.validates_parts:
        for key, text in apart:
            yield _Alone(client, _yaml(_VALIDATE, text), [key])
        return
    for parts in chunked([((k, t), len(t) + 200) for k, t in apart], count=_PARTS, size=_SIZE):
        yield _Question(client, _multipart([text for _, text in parts]), [key for key, _ in parts])


def _yaml(path: tuple[str, ...], body: bytes) -> Call:
    return Call(
        method="POST",
        path=path,
        content=body,
        content_type="application/x-yaml",
        repeat=Repeat.SAFE,
        bulk=True,
    )


def _multipart(texts: Sequence[bytes]) -> Call:
    uploads = tuple(
        Upload(
            field="flows",
            filename=f"{number}.yml",
            content=text,
            content_type="application/x-yaml",
        )
        for number, text in enumerate(texts)
    )
    return Call(method="POST", path=_VALIDATE, uploads=uploads, repeat=Repeat.SAFE, bulk=True)


def _rows(client: Client, call: Call) -> list[dict[str, object]]:
    answer = client.parse(call, client.send(call))
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise Doubtful(f"{client!r}: {call} did not answer a list of results")
    return answer


def _constraints(client: Client, row: dict[str, object]) -> str | None:
    said = row.get("constraints")
    return clean(client.hidden(str(said))) if said else None


def _dashboard(client: Client, text: bytes) -> str | None:
    call = _yaml(("dashboards", "validate"), text)
    answer = client.parse(call, client.send(call))
    if not isinstance(answer, dict) or "index" not in answer:
        raise Doubtful(f"{client!r}: {call} did not answer a result")
    return _constraints(client, answer)
