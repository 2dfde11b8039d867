"""A Kestra that lies: answers without end, bombs, values of another type. What cannot be trusted is
doubtful and named, takes bounded memory, and is never a bug or an empty tenant."""

from __future__ import annotations

import gzip
import itertools
import json
import re
import resource
from collections.abc import Callable, Iterator

import pytest

from sandbox.faults import Fault
from sandbox.server import SandboxServer
from tasks.errors import Busy, Doubtful, Refused, TenantSyncError, Unreachable, Unsupported
from tasks.kestra import client as asking
from tasks.kestra.answers import moment_of, retry_after, server_message
from tasks.kestra.calls import get
from tasks.kestra.side import KestraSide
from tests.integration.kestra.conftest import Connect
from tests.integration.kestra.samples import flow_key
from tests.liar import Answer, liar

SEARCH = get("flows", "search")
EXPORT = get("flows", "export", "by-query", bulk=True)
MEGABYTE = bytes(1 << 20)


def zeros() -> Iterator[bytes]:
    return itertools.repeat(MEGABYTE)


# Length


@pytest.mark.parametrize("call", [SEARCH, EXPORT], ids=["JSON", "archive"])
def test_an_answer_without_end_is_read_to_its_limit(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, call: asking.Call
) -> None:
    monkeypatch.setattr(asking, "BULK_LIMIT", 3 << 20)
    monkeypatch.setattr(asking, "ANSWER_LIMIT", 2 << 20)
    with liar(lambda _: Answer(body=zeros())) as server:
        side = connect(server)
        with pytest.raises(Doubtful, match=r"GET flows/.*: the answer has more than \d+ bytes"):
            side._client.send(call)


def test_an_answer_that_unfolds_to_too_much_is_not_unfolded(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "ANSWER_LIMIT", 8 << 20)
    bomb = gzip.compress(bytes(256 << 20))
    packed = {"Content-Encoding": "gzip"}
    with liar(lambda _: Answer(body=[bomb], headers=packed, length=len(bomb))) as server:
        side = connect(server)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(Doubtful, match="the answer has more than 8388608 bytes"):
            side._client.send(SEARCH)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert grown < 200 << 10  # KiB: one piece of 64 KiB unfolds to 64 MiB, held twice at most


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "deflate", "gzip,\x1b[2J"])
def test_packings_that_were_not_asked_for_are_not_unfolded(connect: Connect, packing: str) -> None:
    with liar(lambda _: Answer(body=[b"x"], headers={"Content-Encoding": packing})) as server:
        side = connect(server)
        with pytest.raises(Doubtful, match="which was not asked for") as caught:
            side._client.send(SEARCH)
        assert "\x1b" not in str(caught.value)


def test_an_error_without_end_still_is_what_its_status_says(connect: Connect) -> None:
    with liar(lambda _: Answer(status=503, body=zeros())) as server:
        side = connect(server)
        with pytest.raises(Busy, match="answered 503"):
            side._client.send(SEARCH)


@pytest.mark.parametrize("length", [1, 100])
def test_an_answer_of_another_length_than_it_says_is_no_list(connect: Connect, length: int) -> None:
    body = json.dumps({"results": [], "total": 0}).encode()
    with liar(lambda _: Answer(body=[body], length=length)) as server:
        side = connect(server)
        with pytest.raises(TenantSyncError, match="GET configs"):
            side.namespaces()


# Form


def _deep(opening: bytes) -> bytes:
    return opening * 200_000


BODIES = {
    "deep list": _deep(b"["),
    "deep object": _deep(b'{"a":'),
    "number of 5,000 digits": b'{"results": [], "total": %s}' % (b"9" * 5000),
    "number of 4,000 digits": b'{"results": [], "total": %s}' % (b"9" * 4000),
    "total beyond all": b'{"results": [{"id": "a"}], "total": 1000000000}',
    "infinite": b'{"results": [], "total": 1e999999}',
    "NaN": b'{"results": [], "total": NaN}',
    "negative": b'{"results": [], "total": -1}',
    "true": b'{"results": [], "total": true}',
    "fraction": b'{"results": [], "total": 0.5}',
    "text": b'{"results": [], "total": "0"}',
    "null for a list": b'{"results": null, "total": 0}',
    "object for a list": b'{"results": {}, "total": 0}',
    "null for a row": b'{"results": [null], "total": 1}',
    "row without id": b'{"results": [{}], "total": 1}',
    "null for an id": b'{"results": [{"id": null, "namespace": "a"}], "total": 1}',
    "list for an id": b'{"results": [{"id": ["a"], "namespace": "a"}], "total": 1}',
    "number for an id": b'{"results": [{"id": 7, "namespace": 7}], "total": 1}',
    "empty id": b'{"results": [{"id": "", "namespace": ""}], "total": 1}',
    "half a character": b'{"results": [{"id": "\\ud800", "namespace": "a"}], "total": 1}',
    "more rows than it says": b'{"results": [{"id": "a"}, {"id": "b"}], "total": 1}',
    "not JSON": b"PK",
    "not UTF-8": b'{"results": [{"id": "\xff"}], "total": 1}',
    "list": b"[]",
    "nothing": b"",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
@pytest.mark.parametrize("what", ["namespaces", "dashboards", "flows"])
def test_a_list_of_another_form_is_doubtful(connect: Connect, body: bytes, what: str) -> None:
    def answers(path: str) -> Answer:
        if path.startswith("/api/v1/configs"):
            return Answer(body=[b'{"uuid": "u", "version": "2.0.0"}'])
        return Answer(body=[EMPTY_ZIP if "export" in path else body])

    with liar(answers) as server:
        side = connect(server)
        with pytest.raises(Doubtful, match=rf"(?s){re.escape(server.url)}.*{what}.search|{what}"):
            getattr(side, what)()
        assert len(server.asked) < 8


EMPTY_ZIP = b"PK\5\6" + bytes(18)


def test_a_list_whose_pages_never_end_is_given_up(connect: Connect) -> None:
    rows = {"results": [{"id": str(number)} for number in range(1000)], "total": 999_999}
    body = json.dumps(rows).encode()

    def answers(path: str) -> Answer:
        return Answer(body=[body if "search" in path else b'{"uuid": "u", "version": "1.3.0"}'])

    with liar(answers) as server:
        side = connect(server)
        with pytest.raises(Doubtful, match="gave 2000 rows with 1000 names where it said 999999"):
            side.namespaces()


CONFIGS = [
    b"[]",
    b"null",
    b'{"uuid": null, "version": "1.3.0"}',
    b'{"uuid": ["a"], "version": "1.3.0"}',
    b'{"uuid": "a\\u001b[2J", "version": "1.3.0"}',
    b'{"uuid": "%s", "version": "1.3.0"}' % (b"a" * 10_000),
    b'{"uuid": "u", "version": 1.3}',
    b'{"uuid": "u", "version": "%s.3"}' % (b"1" * 5000),
    b'{"uuid": "u", "version": "\\u0661.\\u0663"}',
    _deep(b"["),
]


@pytest.mark.parametrize("body", CONFIGS, ids=range(len(CONFIGS)))
def test_a_server_that_does_not_say_what_it_is_is_not_taken_for_kestra(
    connect: Connect, body: bytes
) -> None:
    with liar(lambda _: Answer(body=[body])) as server:
        side = connect(server)
        with pytest.raises((Doubtful, Unsupported)) as caught:
            side.identity()
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("said", ["null", "7", "{}", '"x"', '{}, "revision": -1', "[]"])
def test_a_revision_that_is_none_is_doubtful(
    server: SandboxServer, side: KestraSide, said: str
) -> None:
    body = f'{{"revision": {said}}}' if said != "7" else "7"
    server.arm(Fault(target="allowDeleted", status=200, body=body))
    with pytest.raises(Doubtful, match="did not answer a flow"):
        side.revision(flow_key("a"))


@pytest.mark.parametrize(
    "location", ["http://[", "http://[::1", "//\x7f", "http://a:b/", "\x1b[2J"]
)
def test_a_redirect_to_no_address_is_not_followed(connect: Connect, location: str) -> None:
    with liar(lambda _: Answer(status=302, headers={"Location": location})) as server:
        side = connect(server)
        with pytest.raises((Refused, Unreachable), match="GET flows/search") as caught:
            side._client.send(SEARCH)
        assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "header",
    ["1e999", "nan", "-inf", "1 Jan 99999999999 00:00:00", "Tue, 1 Jan 2020 00:00:00 +9999999999",
     "99999999999999999999999", "\x1b", "Mon, 99 Foo 2020 99:99:99 GMT"],
)  # fmt: skip
def test_a_retry_after_that_is_no_time_is_none_or_a_number(header: str) -> None:
    after = retry_after(header)
    assert after is None or 0 <= after < float("inf")
    moment_of(header)


@pytest.mark.parametrize("body", [_deep(b"["), _deep(b'{"message":'), b'{"message": "\\ud800"}'])
def test_an_error_that_cannot_be_read_says_nothing(body: bytes) -> None:
    assert server_message(body) == ""


def _names(value: object) -> Callable[[str], Answer]:
    def answers(path: str) -> Answer:
        if "files/export" in path:
            return Answer(status=500)
        if "configs" in path:
            return Answer(body=[b'{"uuid": "u", "version": "1.3.0"}'])
        return Answer(body=[json.dumps(value).encode()])

    return answers


@pytest.mark.parametrize("value", [None, {}, [1], ["/a", None], [["/a"]], "x", 7])
def test_a_list_of_files_of_another_form_is_doubtful(connect: Connect, value: object) -> None:
    with liar(_names(value)) as server, pytest.raises(Doubtful, match="did not answer a list"):
        connect(server).files("a")
