"""What did not stick is sent once more, then named; what is not known is said to be unknown."""

from __future__ import annotations

import pytest

from sandbox.faults import Fault, When
from sandbox.server import SandboxServer
from tasks.errors import Busy, Doubtful, LeaseLost, LoginRefused
from tasks.kestra.side import KestraSide
from tasks.plan import Action
from tests.integration.kestra.conftest import Connect, Start
from tests.integration.kestra.samples import (
    NAMESPACE,
    Lease,
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
    written,
)

IMPORT = "/flows/import"


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
    new = put(flow_key("a"), flow("a", message="new"), Action.UPDATE, before=flow("a"))
    assert landed(side.write([new], free)) == [True]
    assert requests(server) == ["POST flows/import", f"PUT flows/{NAMESPACE}/a"]


def test_a_write_that_is_lost_twice_is_named_with_what_is_there(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a").decode(), flow("d").decode()])
    server.arm(Fault(method="POST|PUT|DELETE", lose=f"flow {NAMESPACE}/[abd]$", times=None))
    report = side.write(
        [
            put(flow_key("a"), flow("a", message="new"), Action.UPDATE, before=flow("a")),
            *flows("b", "c"),
            remove(flow_key("d"), before=flow("d")),
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


def test_what_somebody_saves_before_it_is_read_back_is_not_overwritten(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(files=[{"namespace": NAMESPACE, "path": "/a", "text": "old"}])
    saved = {"namespace": NAMESPACE, "path": "/a", "text": "by a person"}
    server.arm(Fault(target="/files", edit={"files": [saved]}, edit_when=When.AFTER))
    new = put(file_key("a"), b"new", Action.UPDATE, before=b"old")
    (one,) = side.write([new], free).written
    assert server.files() == {(NAMESPACE, "/a"): b"by a person"}
    assert (one.landed, one.found) == (False, b"by a person")
    assert "is left alone" in (one.message or "")


def test_a_lost_file_is_sent_once_more_and_equal_bytes_never(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target="/files", lose="/b$"))
    report = side.write([put(file_key(name), name.encode()) for name in "abc"], free)
    assert landed(report) == [True, True, True]
    assert server.counters()["storage_objects"] == 3
    assert len(requests(server)) == 2


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


def test_what_was_not_sent_is_known_even_where_the_target_cannot_be_read(
    server: SandboxServer, side: KestraSide
) -> None:
    side.identity()
    server.arm(Fault(method="GET", status=503, times=None))
    report = side.write(flows("a", "b"), Lease(1))
    assert [(one.landed, one.known) for one in report.written] == [(False, True)] * 2
    assert report.lease_lost


def test_a_deletion_that_was_not_sent_did_not_land(server: SandboxServer, side: KestraSide) -> None:
    server.seed(files=[{"namespace": NAMESPACE, "path": f"/{n}", "text": n} for n in "ab"])
    report = side.write([remove(file_key("a")), remove(file_key("b"))], Lease(2))
    assert landed(report) == [True, False]
    assert file_texts(server) == {"/b": b"b"}


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
    assert [one for one in requests(server) if "flows" in one] == ["POST flows/import"]
    assert not written(report)[file_key("a")].landed


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
