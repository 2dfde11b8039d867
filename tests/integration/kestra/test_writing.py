"""What is written sticks or is named, and nothing is written that need not be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from sandbox.faults import Fault, When
from sandbox.server import SandboxServer
from tasks.artifacts import Key
from tasks.errors import Busy, Doubtful, LeaseLost, LoginRefused, Unreachable
from tasks.kestra.calls import get
from tasks.kestra.side import KestraSide, Write, WriteReport, Written
from tasks.plan import Action
from tests.integration.kestra.conftest import Connect, Start
from tests.integration.kestra.samples import (
    NAMESPACE,
    Lease,
    dashboard,
    dashboard_key,
    file_key,
    flow,
    flow_key,
    free,
)

IMPORT = "/flows/import"


def put(key: Key, content: bytes, action: Action = Action.ADD) -> Write:
    return Write(key=key, action=action, content=content)


def remove(key: Key) -> Write:
    return Write(key=key, action=Action.DELETE)


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


def test_what_did_not_stick_is_sent_once_more_and_nothing_else(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target=IMPORT, lose=f"flow {NAMESPACE}/b$"))
    report = side.write(flows("a", "b", "c"), free)
    assert landed(report) == [True, True, True]
    assert requests(server) == ["POST flows/import", "POST flows"]
    assert {one["id"]: one["revision"] for one in server.flow_records()} == dict.fromkeys("abc", 1)


def test_an_update_that_was_lost_is_put(server: SandboxServer, side: KestraSide) -> None:
    server.seed(flows=[flow("a").decode()])
    server.arm(Fault(target=IMPORT, lose=".*"))
    report = side.write([put(flow_key("a"), flow("a", message="new"), Action.UPDATE)], free)
    assert landed(report) == [True]
    assert requests(server) == ["POST flows/import", f"PUT flows/{NAMESPACE}/a"]


def test_a_write_that_is_lost_twice_is_named_with_what_is_there(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a").decode(), flow("d").decode()])
    server.arm(Fault(method="POST|PUT|DELETE", lose=f"flow {NAMESPACE}/[abd]$", times=None))
    report = side.write(
        [
            put(flow_key("a"), flow("a", message="new"), Action.UPDATE),
            *flows("b", "c"),
            remove(flow_key("d")),
        ],
        free,
    )
    one, two, three, four = report.written
    assert (one.landed, one.found) == (False, flow("a"))
    assert "accepted it but holds another text" in (one.message or "")
    assert (two.landed, two.found) == (False, None)
    assert "holds nothing" in (two.message or "")
    assert three.landed
    assert (four.landed, four.found) == (False, flow("d"))
    assert "still holds it" in (four.message or "")
    assert report.stopped is None


def test_a_lost_file_is_sent_once_more_and_equal_bytes_never(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target="/files", lose="/b$"))
    report = side.write([put(file_key(name), name.encode()) for name in "abc"], free)
    assert landed(report) == [True, True, True]
    assert server.counters()["storage_objects"] == 3
    assert len(requests(server)) == 2


def test_many_files_are_read_back_with_one_export(server: SandboxServer, side: KestraSide) -> None:
    report = side.write([put(file_key(f"f{n}"), b"x") for n in range(9)], free)
    assert all(landed(report))
    reads = [one for one in requests(server, "GET") if "files" in one]
    assert reads == [f"GET namespaces/{NAMESPACE}/files/export"]


def test_an_invalid_flow_is_named_with_the_servers_message_and_the_rest_lands(
    server: SandboxServer, side: KestraSide
) -> None:
    bad = flow("b").replace(b"log.Log", b"log.Nope")
    report = side.write([*flows("a"), put(flow_key("b"), bad), *flows("c")], free)
    assert landed(report) == [True, False, True]
    assert "Invalid type: io.kestra.plugin.core.log.Nope" in (report.written[1].message or "")
    assert report.stopped is None


def test_a_landed_import_whose_answer_was_cut_is_not_sent_again(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target=IMPORT, when=When.AFTER, reset=True))
    report = side.write(flows("a", "b"), free)
    assert landed(report) == [True, True]
    assert report.stopped is None
    assert len(requests(server)) == 1


def test_an_import_that_never_arrived_is_sent_again(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target=IMPORT, reset=True))
    report = side.write(flows("a", "b"), free)
    assert landed(report) == [True, True]
    assert requests(server) == ["POST flows/import", "POST flows", "POST flows"]


def test_a_page_of_a_proxy_is_not_an_import(server: SandboxServer, side: KestraSide) -> None:
    page = {"content-type": "text/html"}
    server.arm(
        Fault(method="POST", target="/flows", status=200, headers=page, body="<p>", times=None)
    )
    report = side.write(flows("a"), free)
    assert landed(report) == [False]
    assert "an HTML page" in (report.written[0].message or "")


def test_a_server_that_stays_busy_stops_the_writing_and_what_landed_is_known(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(method="POST", target="/flows", status=503, times=None))
    report = side.write([put(file_key("a"), b"x"), *flows("b", "c"), remove(flow_key("d"))], free)
    assert landed(report) == [True, False, False, False]
    assert isinstance(report.stopped, Busy)
    assert not report.lease_lost
    b, c, d = report.written[1:]
    assert "503" in (b.message or "") and b.known
    assert "not sent" in (d.message or "")
    assert c.known


def test_a_target_that_cannot_be_read_back_is_unknown_and_not_failed(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(method="GET", target="/flows", status=503, times=None))
    report = side.write([put(file_key("a"), b"x"), *flows("b"), remove(file_key("c"))], free)
    first, second, third = report.written
    assert first.landed
    assert (second.landed, second.known, second.found) == (False, False, None)
    assert "could not be read" in (second.message or "")
    assert (third.landed, third.known) == (False, True)
    assert isinstance(report.stopped, Busy)
    assert server.flows()


def test_what_was_read_back_before_stays_known_when_the_second_reading_fails(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target=IMPORT, lose="/b$"))
    server.arm(Fault(method="GET", target="/export", skip=1, status=502, times=None))
    a, b = side.write(flows("a", "b"), free).written
    assert (a.landed, a.known, a.found) == (True, True, flow("a"))
    assert (b.landed, b.known, b.found) == (False, False, None)


def test_a_kind_that_the_login_may_not_write_does_not_stop_the_others(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(method="POST", target="/files", status=403, times=None))
    report = side.write([*(put(file_key(n), b"x") for n in ("a", "b c")), *flows("d")], free)
    assert landed(report) == [False, False, True]
    assert all("403" in (one.message or "") for one in report.written[:2])
    assert report.stopped is None
    assert len([one for one in requests(server) if "files" in one]) == 2


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


@pytest.mark.parametrize(
    ("lost_before", "expected"),
    [
        (1, [False, False, False, False]),
        (2, [True, False, False, False]),
        (3, [True, True, True, False]),
        (4, [True, True, True, True]),
    ],
)
def test_a_lost_lease_ends_the_writing_and_keeps_what_landed(
    server: SandboxServer, side: KestraSide, lost_before: int, expected: list[bool]
) -> None:
    server.seed(flows=[flow("d").decode()])
    lease = Lease(lost_before)
    report = side.write([put(file_key("a"), b"x"), *flows("b", "c"), remove(flow_key("d"))], lease)
    assert landed(report) == expected
    assert report.lease_lost is (lost_before < 4)
    assert len(requests(server)) == lost_before - 1
    for one in report.written:
        assert one.known
        assert one.landed or "belongs to run 2 now" in (one.message or "")


def test_a_lease_lost_before_the_second_try_leaves_the_first_named(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target=IMPORT, lose="/b$"))
    report = side.write(flows("a", "b"), Lease(2))
    assert landed(report) == [True, False]
    assert report.lease_lost
    assert "belongs to run 2 now" in (report.written[1].message or "")


def test_a_lease_lost_between_two_tries_of_one_request_is_read_back(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target=IMPORT, when=When.AFTER, status=503))
    report = side.write(flows("a"), Lease(2))
    assert landed(report) == [True]
    assert isinstance(report.stopped, LeaseLost)


def test_a_late_write_shows_when_it_is_read_back(start: Start, connect: Connect) -> None:
    server = start()
    side = connect(server, timeout=0.5)
    side.identity()
    server.arm(Fault(target=IMPORT, answer_latency=900))
    report = side.write(flows("a"), free)
    assert landed(report) == [True]
    assert len(requests(server)) <= 2


def test_another_writer_in_between_is_seen(server: SandboxServer, side: KestraSide) -> None:
    theirs = flow("a", message="theirs").decode()
    server.arm(
        Fault(
            method="POST|PUT",
            target="/flows",
            edit={"flows": [theirs]},
            edit_when=When.AFTER,
            times=None,
        )
    )
    (one,) = side.write(flows("a"), free).written
    assert (one.landed, one.found) == (False, theirs.encode())


def test_deletions_go_on_after_one_that_is_not_there(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow(name).decode() for name in "abc"])
    report = side.write([remove(flow_key(name)) for name in ("a", "gone", "b", "c")], free)
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


def test_newlines_at_the_end_are_no_other_text_but_bytes_of_files_are(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(
        Fault(
            target="/(flows/import|files)",
            method="POST",
            edit={
                "flows": [flow("a").decode() + "\n\n"],
                "files": [{"namespace": NAMESPACE, "path": "/a", "text": "x\n"}],
            },
            edit_when=When.AFTER,
            times=None,
        )
    )
    report = side.write([*flows("a"), put(file_key("a"), b"x")], free)
    assert written(report)[flow_key("a")].landed
    assert not written(report)[file_key("a")].landed


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


def test_a_login_that_ends_in_the_middle_leaves_the_rest_unsent(
    server: SandboxServer, side: KestraSide
) -> None:
    side.identity()
    server.arm(Fault(target="/flows", status=401, times=None))
    report = side.write([put(file_key("a"), b"x"), *flows("b"), remove(file_key("z"))], free)
    assert landed(report) == [True, False, False]
    assert isinstance(report.stopped, LoginRefused)
    assert not report.written[1].known


def test_a_doubtful_reading_back_is_unknown(server: SandboxServer, side: KestraSide) -> None:
    server.arm(Fault(target="/flows/export", status=200, body="cut", times=None))
    report = side.write(flows("a"), free)
    assert isinstance(report.stopped, Doubtful)
    assert not report.written[0].known
