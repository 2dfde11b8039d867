"""What is written lands byte for byte, in order and in few requests."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sandbox.server import SandboxServer
from tasks.errors import Unreachable
from tasks.kestra.calls import get
from tasks.kestra.side import KestraSide, Write, WriteReport
from tasks.plan import Action
from tests.integration.kestra.conftest import Connect, Start
from tests.integration.kestra.samples import (
    NAMESPACE,
    dashboard,
    dashboard_key,
    file_key,
    file_texts,
    flow,
    flow_key,
    flows,
    free,
    landed,
    put,
    remove,
    requests,
)


def test_flows_land_byte_for_byte_in_one_import(server: SandboxServer, side: KestraSide) -> None:
    texts = {
        "crlf": flow("crlf").replace(b"\n", b"\r\n"),
        "open": flow("open").rstrip(),
        "marked": b"---\n" + flow("marked"),
        "many": flow("many") + b"\n\n",
        "words": flow("words", message="h\u00e9 \U0001f680") + b"# --- x ---\n",
    }
    report = side.write([put(flow_key(name), text) for name, text in texts.items()], free)
    assert landed(report) == [True] * 5
    assert {one.key.name: one.found for one in report.written} == texts
    assert {name: text.encode() for (_, name), text in server.flows().items()} == texts
    assert requests(server) == ["POST flows/import"]


def test_files_flows_and_deletions_go_out_in_order(server: SandboxServer, side: KestraSide) -> None:
    server.seed(
        flows=[flow(name).decode() for name in ("old-caller", "old-called", "changed")],
        files=[{"namespace": NAMESPACE, "path": "/old.txt", "text": "x"}],
    )
    report = side.write(
        [
            remove(flow_key("old-caller")),
            remove(file_key("old.txt")),
            *flows("called", "caller"),
            put(flow_key("changed"), flow("changed", message="new"), Action.UPDATE),
            put(file_key("a/new.txt"), b"\x00new\r\n"),
            put(file_key("b.txt"), b""),
            remove(flow_key("old-called")),
        ],
        free,
    )
    assert all(landed(report))
    assert report.stopped is None
    files = f"namespaces/{NAMESPACE}/files"
    assert requests(server) == [
        f"POST {files}",
        "POST flows/import",
        "DELETE flows/delete/by-ids",
        f"DELETE {files}",
    ]
    assert file_texts(server) == {"/a/new.txt": b"\x00new\r\n", "/b.txt": b""}
    assert {name for _, name in server.flows()} == {"called", "caller", "changed"}
    assert report.written[0].key == flow_key("old-caller")


def test_the_import_keeps_the_order_of_the_caller(server: SandboxServer, side: KestraSide) -> None:
    names = ["z", "a", "m", "b"]
    side.write(flows(*names), free)
    order = (("size", "9"), ("sort", "updated:asc"))
    listed = side._client.read(get("flows", "search", query=order))
    assert isinstance(listed, dict)
    assert [row["id"] for row in listed["results"]] == names


def test_many_flows_go_in_chunks_that_fit_the_timeout(
    server: SandboxServer, connect: Connect
) -> None:
    names = [f"f{number}" for number in range(201)]
    assert all(landed(connect(server).write(flows(*names), free)))
    assert requests(server) == ["POST flows/import"] * 3
    server.reset()
    server.reset_log()
    asked: list[float] = []
    assert all(landed(connect(server, timeout=5).write(flows(*names[:101]), asked.append)))
    assert requests(server) == ["POST flows/import"] * 3
    assert asked == [5, 5, 5]


def test_large_texts_and_files_go_in_chunks_that_fit_the_server(
    server: SandboxServer, side: KestraSide
) -> None:
    big = b"# " + b"x" * (3 << 20)
    report = side.write(
        [
            *(put(flow_key(name), flow(name) + big) for name in "ab"),
            *(put(file_key(name), big) for name in "abc"),
        ],
        free,
    )
    assert all(landed(report))
    assert requests(server).count("POST flows/import") == 2
    assert requests(server).count(f"POST namespaces/{NAMESPACE}/files") == 2


def test_names_that_an_archive_would_change_are_sent_alone(
    server: SandboxServer, side: KestraSide
) -> None:
    inner = b"PK\x05\x06" + b"\x00" * 18
    names = ["sp+ace.txt", "\u00e9/x", "q?&=.txt", "pack.zip", "PACK.ZIP", "a;b:c*~'.txt", "plain"]
    report = side.write([put(file_key(name), inner) for name in names], free)
    assert all(landed(report))
    assert file_texts(server) == {f"/{name}": inner for name in names}
    assert len(requests(server)) == 7
    queries = [one["query"] for one in server.log()]
    assert "path=%2Fsp%2Bace.txt" in queries, "a bare + is a blank in a query"


@pytest.mark.parametrize("name", ["_flows/x.yml", "a#b", "a%41", "a\\b", 'a"b', "a/../b", "[a]"])
def test_a_name_that_kestra_cannot_hold_is_never_sent(
    server: SandboxServer, side: KestraSide, name: str
) -> None:
    report = side.write([put(file_key(name), b"id: x"), put(file_key("good"), b"y")], free)
    assert landed(report) == [False, True]
    assert "rename it" in (report.written[0].message or "")
    assert file_texts(server) == {"/good": b"y"}
    assert server.flows() == {}
    assert len(requests(server)) == 1


def test_dashboards_are_created_and_updated_and_deleted_one_by_one(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(dashboards=[dashboard("old").decode(), dashboard("gone").decode()])
    report = side.write(
        [
            put(dashboard_key("new"), dashboard("new").replace(b"\n", b"\r\n")),
            put(dashboard_key("old"), dashboard("old", "Other"), Action.UPDATE),
            remove(dashboard_key("gone")),
            remove(dashboard_key("never")),
        ],
        free,
    )
    assert all(landed(report))
    assert server.dashboards() == {
        "new": dashboard("new").replace(b"\n", b"\r\n").decode(),
        "old": dashboard("old", "Other").decode(),
    }
    assert requests(server)[:2] == ["POST dashboards", "PUT dashboards/old"]


def test_many_files_are_read_back_with_one_export(server: SandboxServer, side: KestraSide) -> None:
    report = side.write([put(file_key(f"f{n}"), b"x") for n in range(9)], free)
    assert all(landed(report))
    reads = [one for one in requests(server, "GET") if "files" in one]
    assert reads == [f"GET namespaces/{NAMESPACE}/files/export"]


def test_every_write_is_guarded_with_its_longest_time_before_it_is_sent(
    server: SandboxServer, connect: Connect
) -> None:
    server.seed(flows=[flow("d").decode()])
    side = connect(server, timeout=7, bulk_timeout=99)
    side.identity()
    asked: list[float] = []
    counted: list[int] = []

    def guard(seconds: float) -> None:
        asked.append(seconds)
        counted.append(len(requests(server)))

    side.write([put(file_key("a"), b"x"), *flows("b"), remove(flow_key("d"))], guard)
    assert asked == [7, 7, 7]
    assert counted == [0, 1, 2]


def test_deletions_go_on_after_one_that_is_not_there(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow(name).decode() for name in "abc"])
    there = {name: flow(name) for name in "abc"}
    names = ("a", "gone", "b", "c")
    report = side.write([remove(flow_key(name), before=there.get(name)) for name in names], free)
    assert landed(report) == [True] * 4
    assert server.flows() == {}
    assert requests(server) == [
        "DELETE flows/delete/by-ids",
        f"DELETE flows/{NAMESPACE}/b",
        f"DELETE flows/{NAMESPACE}/c",
    ]


def test_deleting_what_is_not_there_is_done_already(
    server: SandboxServer, side: KestraSide
) -> None:
    report = side.write([remove(file_key("a/b")), remove(flow_key("c"))], free)
    assert landed(report) == [True, True]


def test_no_writes_ask_nothing_and_two_namespaces_are_refused(
    server: SandboxServer, side: KestraSide
) -> None:
    side.identity()
    server.reset_log()
    assert side.write([], free) == WriteReport(written=())
    mixed: Sequence[Write] = [*flows("a"), put(flow_key("a", "other"), flow("a", "other"))]
    with pytest.raises(ValueError, match="one namespace"):
        side.write(mixed, free)
    assert server.log() == []


def test_a_server_that_is_gone_raises_before_anything_is_sent(
    start: Start, connect: Connect
) -> None:
    gone = start()
    side = connect(gone)
    gone.stop()
    with pytest.raises(Unreachable):
        side.write(flows("a"), free)
