"""Answers of a real server that would cost more than what was asked for."""

from __future__ import annotations

from sandbox.faults import Fault, When
from sandbox.server import SandboxServer
from tasks.errors import Busy
from tasks.kestra.side import KestraSide
from tests.integration.kestra.samples import (
    NAMESPACE,
    file_key,
    file_texts,
    free,
    landed,
    put,
    remove,
    requests,
)


def test_a_file_that_is_gone_already_keeps_its_only_neighbour(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(files=[{"namespace": NAMESPACE, "path": "/d/b.txt", "text": "b"}])
    report = side.write([remove(file_key("d/a.txt"))], free)
    assert landed(report) == [True]
    assert file_texts(server) == {"/d/b.txt": b"b"}
    assert requests(server) == []


def test_a_name_that_became_a_folder_keeps_what_is_in_it(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(files=[{"namespace": NAMESPACE, "path": "/d/b.txt", "text": "b"}])
    assert landed(side.write([remove(file_key("d"))], free)) == [True]
    assert file_texts(server) == {"/d/b.txt": b"b"}


def test_a_deletion_that_landed_unheard_is_not_sent_again(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(
        files=[
            {"namespace": NAMESPACE, "path": f"/{n}.txt", "text": "x"} for n in ("d/a", "d/b", "e")
        ]
    )
    server.arm(Fault(method="DELETE", target="/files", when=When.AFTER, status=503))
    report = side.write([remove(file_key("d/a.txt")), remove(file_key("e.txt"))], free)
    assert landed(report) == [True, True]
    assert report.stopped is None
    assert file_texts(server) == {"/d/b.txt": b"x"}
    assert len(requests(server)) == 2


def test_a_file_in_the_place_of_a_folder_or_below_a_file_is_told_what_to_do(
    server: SandboxServer, side: KestraSide
) -> None:
    paths = ("/folder/in.txt", "/file")
    server.seed(files=[{"namespace": NAMESPACE, "path": path, "text": "x"} for path in paths])
    below, in_place = "file/below.txt", "folder"
    report = side.write([put(file_key(name), b"y") for name in (below, in_place, "good")], free)
    assert landed(report) == [False, False, True]
    messages = [one.message or "" for one in report.written[:2]]
    assert "file above it is or was in its way" in messages[0]
    assert "folder of this name is or was in its place" in messages[1]
    assert all("another name" in message for message in messages)
    assert file_texts(server) == {**dict.fromkeys(paths, b"x"), "/good": b"y"}


def test_what_alone_breaks_the_server_does_not_keep_the_rest_from_landing(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(method="POST", target="path=/b\\+", status=500, times=None))
    names = ("a+", "b+", "c+", "d")
    report = side.write([put(file_key(name), b"x") for name in names], free)
    assert landed(report) == [True, False, True, True]
    assert "500" in (report.written[1].message or "")
    assert report.stopped is None


def test_a_server_that_breaks_at_everything_stops_the_writing(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(method="POST", target="/files", status=500, times=None))
    report = side.write([put(file_key(name), b"x") for name in ("a+", "b+")], free)
    assert landed(report) == [False, False]
    assert isinstance(report.stopped, Busy)
