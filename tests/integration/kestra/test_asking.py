"""How requests go out, when they go out again, and which errors their answers are."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
import stamina

from sandbox.faults import Fault, When
from sandbox.server import SandboxServer, SpawnedSandbox
from tasks.errors import (
    Busy,
    Doubtful,
    NotFound,
    Passing,
    Refused,
    TenantSyncError,
    Unreachable,
    Unsafe,
)
from tasks.kestra.answers import masked, refusal, retry_after
from tasks.kestra.calls import Call, Repeat, get
from tasks.kestra.side import KestraSide
from tasks.kestra.tries import LONGEST_RETRY_AFTER
from tests.integration.kestra.conftest import Connect, Start
from tests.integration.kestra.samples import NAMESPACE, dashboard, flow

SEARCH = get("flows", "search")


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, Refused), (409, Refused), (422, Refused), (404, NotFound), (415, Refused)],
)
def test_what_will_not_change_is_asked_once(
    server: SandboxServer, side: KestraSide, status: int, error: type[TenantSyncError]
) -> None:
    server.arm(Fault(target="/flows", status=status, body='{"message": "Because"}', times=None))
    with pytest.raises(error, match=f"flows/search answered {status}: Because") as caught:
        side._client.read(SEARCH)
    assert f"{server.url} (tenant main)" in str(caught.value)
    assert len(server.log()) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_read_is_asked_again_while_the_server_is_busy(
    server: SandboxServer, side: KestraSide, status: int
) -> None:
    server.arm(Fault(target="/flows", status=status, times=3))
    assert side._client.read(SEARCH) == {"results": [], "total": 0}
    server.reset_log()
    server.arm(Fault(target="/flows", status=status, times=None))
    with pytest.raises(Busy, match=str(status)):
        side._client.read(SEARCH)
    assert len(server.log()) == 4


def test_a_read_is_asked_again_after_a_cut_connection(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target="/flows", reset=True, times=2))
    assert side._client.read(SEARCH) == {"results": [], "total": 0}
    assert len(server.log()) == 3


WRITES = {
    Repeat.SAFE: Call(method="DELETE", path=("flows", "a", "b"), repeat=Repeat.SAFE),
    Repeat.ONCE: Call(method="POST", path=("flows",), content=b"x", repeat=Repeat.ONCE),
}


@pytest.mark.parametrize(
    ("repeat", "fault", "sent"),
    [
        (Repeat.SAFE, {"status": 503}, 4),
        (Repeat.SAFE, {"status": 429}, 4),
        (Repeat.SAFE, {"status": 500}, 1),
        (Repeat.SAFE, {"reset": True}, 1),
        (Repeat.ONCE, {"status": 429}, 4),
        (Repeat.ONCE, {"status": 503}, 1),
        (Repeat.ONCE, {"status": 500}, 1),
        (Repeat.ONCE, {"reset": True}, 1),
    ],
)
def test_a_write_is_never_repeated_blindly_and_guarded_before_each_try(
    server: SandboxServer, side: KestraSide, repeat: Repeat, fault: dict[str, object], sent: int
) -> None:
    server.arm(Fault(target="/flows", times=None, **fault))  # type: ignore[arg-type]
    guarded: list[float] = []
    with pytest.raises(Passing):
        side._client.send(WRITES[repeat], guarded.append)
    assert guarded == [side._client.connection.timeout] * sent
    assert len(server.log()) == sent


def test_a_retry_after_is_waited_for(server: SandboxServer, side: KestraSide) -> None:
    stamina.set_testing(False)
    server.arm(Fault(target="/flows", status=429, headers={"retry-after": "0.4"}))
    side._client.read(SEARCH)
    first, second = server.log()
    assert 0.4 <= second["started"] - first["ended"] < 5


def test_a_long_retry_after_is_left_to_the_job(server: SandboxServer, side: KestraSide) -> None:
    server.arm(Fault(target="/flows", status=429, headers={"retry-after": "120"}, times=None))
    assert LONGEST_RETRY_AFTER < 120
    with pytest.raises(Busy) as caught:
        side._client.read(SEARCH)
    assert caught.value.after == 120
    assert len(server.log()) == 1


def test_a_retry_after_is_a_number_or_a_date() -> None:
    assert retry_after("3") == 3
    assert retry_after("-1") == 0
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    assert (retry_after("Wed, 21 Oct 2150 07:28:00 GMT") or 0) > 1e9
    assert retry_after("soon") is None
    assert retry_after(None) is None


def test_a_server_that_is_not_there_is_unreachable(connect: Connect, start: Start) -> None:
    gone = start()
    gone.stop()
    with pytest.raises(Unreachable, match="no connection"):
        connect(gone).identity()


def test_an_answer_that_does_not_come_in_time_is_not_asked_for_again(
    start: Start, connect: Connect
) -> None:
    server = start()
    side = connect(server, timeout=0.2)
    server.arm(Fault(target="/flows", latency=700, times=None))
    with pytest.raises(Unreachable, match=r"no answer within 0\.2 s"):
        side._client.read(SEARCH)


@pytest.mark.parametrize("body", ["<html>sign in</html>", "", "{"])
def test_an_answer_of_a_proxy_is_doubtful(
    server: SandboxServer, side: KestraSide, body: str
) -> None:
    server.arm(Fault(target="/flows", status=200, body=body, times=None))
    with pytest.raises(Doubtful, match="is there a proxy"):
        side._client.read(SEARCH)


def test_redirects_are_followed_on_the_same_origin_and_for_reads_only(
    server: SandboxServer, start: Start, side: KestraSide
) -> None:
    there = {"location": f"{server.url}/api/v1/main/dashboards?size=3"}
    server.arm(Fault(target="/flows", status=307, headers=there, times=2))
    assert side._client.read(SEARCH) == {"results": [], "total": 0}
    with pytest.raises(Refused, match="is not followed"):
        side._client.send(WRITES[Repeat.SAFE], lambda seconds: None)


def test_redirects_in_a_circle_end(server: SandboxServer, side: KestraSide) -> None:
    there = {"location": "/api/v1/main/flows/search"}
    server.arm(Fault(target="/flows", status=302, headers=there, times=None))
    with pytest.raises(Refused, match="redirects more than 3 times"):
        side._client.read(SEARCH)


def test_every_segment_of_a_path_is_encoded(server: SandboxServer, side: KestraSide) -> None:
    odd = "a/b?c#d %e&+"
    server.seed(dashboards=[dashboard(f'"{odd}"').decode()])
    assert set(side.dashboards()) == {odd}
    answer = side._client.read(get("dashboards", odd))
    assert isinstance(answer, dict)
    assert answer["id"] == odd


@pytest.mark.parametrize("name", ["..", ".", ""])
def test_a_segment_that_changes_the_address_is_never_sent(
    server: SandboxServer, side: KestraSide, name: str
) -> None:
    with pytest.raises(Unsafe, match="no address"):
        side._client.read(get("dashboards", name))
    assert server.log() == []


def test_paths_of_the_servers_disk_are_masked() -> None:
    said = "Not Found: /app/storage/main/a/_files/x (Is a directory)"
    body = b'{"message": "%s"}' % said.encode()
    error = refusal(asked="GET x", status=404, body=body, after=None, login="robot")
    assert "/app/storage" not in str(error)
    assert "Is a directory" in str(error)
    assert masked("File '/a/b/c.bin' was not found") == "File '/a/b/c.bin' was not found"


def test_messages_of_the_server_cannot_steer_a_terminal() -> None:
    body = b'{"message": "a\\u001b[2Jb", "_embedded": {"errors": [{"message": "c", "path": "d"}]}}'
    error = refusal(asked="GET x", status=422, body=body, after=None, login="robot")
    assert "a\\x1b[2Jb; d: c" in str(error)


def test_one_side_serves_many_threads_on_its_few_connections(
    server: SandboxServer, connect: Connect
) -> None:
    side = connect(server, connections=2)
    server.arm(Fault(target="/files/export", latency=30, times=None))
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(side.files, [NAMESPACE] * 6))
    assert [one.contents for one in found] == [{}] * 6
    calls = [one for one in server.log() if "export" in one["path"]]
    at_once = max(sum(a["started"] <= b["started"] < a["ended"] for a in calls) for b in calls)
    assert (len(calls), at_once) == (6, 2)


def test_no_answer_is_lost_between_threads(server: SandboxServer, connect: Connect) -> None:
    for _ in range(15):
        side = connect(server, connections=2, timeout=5)
        with ThreadPoolExecutor(6) as pool:
            found = list(pool.map(side.files, [NAMESPACE] * 12))
        assert [one.contents for one in found] == [{}] * 12
    assert all(one["status"] == 200 for one in server.log())


def test_a_forked_process_opens_connections_of_its_own(connect: Connect) -> None:
    with SpawnedSandbox() as server:
        side = connect(server)
        side.identity()
        connections = side._client._connections
        with connections.one(1) as parents:
            pass
        child = os.fork()
        if child == 0:
            with connections.one(1) as own:
                os._exit(0 if own is not parents and side.identity() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_connections_are_used_again(server: SandboxServer, side: KestraSide) -> None:
    connections = side._client._connections
    with connections.one(1) as first:
        pass
    side.identity()
    with connections.one(1) as second, connections.one(1) as third:
        assert second is first
        assert third is not first


def test_a_closed_side_opens_again(side: KestraSide) -> None:
    side.identity()
    side.close()
    assert side.identity().version == "1.3.25"


def test_a_write_that_landed_and_was_not_answered_is_repeated_only_where_that_is_safe(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a").decode()])
    server.arm(Fault(method="DELETE", status=502, when=When.AFTER))
    call = Call(method="DELETE", path=("flows", NAMESPACE, "a"), repeat=Repeat.SAFE)
    with pytest.raises(NotFound):
        side._client.send(call)
    assert server.flows() == {}
