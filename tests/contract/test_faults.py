"""The faults that tests can order from a sandbox, each seen from the client's side."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sandbox.faults import Fault, When
from sandbox.remote import ControlError, Remote
from sandbox.sample import sample_seed
from sandbox.server import SandboxServer, SpawnedSandbox
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tests.contract.kestra import YAML, Kestra, archive, dashboard, flow


@pytest.fixture(params=["thread", "own process"])
def server(request: pytest.FixtureRequest) -> Iterator[Remote]:
    """A sandbox to break, in both forms."""
    if request.param == "thread":
        with SandboxServer() as sandbox:
            yield sandbox
    else:
        with SpawnedSandbox() as spawned:
            yield spawned


@pytest.fixture
def kestra(server: Remote) -> Iterator[Kestra]:
    with Kestra(server.url, (DEFAULT_USER, DEFAULT_PASSWORD)) as client:
        yield client


def search(kestra: Kestra) -> httpx.Response:
    return kestra.client.get("/flows/search")


@pytest.mark.parametrize("status", [401, 429, 500, 502, 503])
def test_a_status_strikes_so_many_times_and_no_more(
    server: Remote, kestra: Kestra, status: int
) -> None:
    fault = server.arm(
        Fault(target="/flows/search", times=2, status=status, headers={"retry-after": "1"})
    )
    answers = [search(kestra) for _ in range(3)]
    assert [one.status_code for one in answers] == [status, status, 200]
    assert answers[0].headers["retry-after"] == "1"
    assert server.hits(fault) == 2


def test_a_fault_lets_the_first_calls_pass(server: Remote, kestra: Kestra) -> None:
    server.arm(Fault(target="/flows/search", skip=2, status=500))
    assert [search(kestra).status_code for _ in range(4)] == [200, 200, 500, 200]


def test_one_page_of_a_listing_can_fail(server: Remote, kestra: Kestra) -> None:
    server.seed(dashboards=[dashboard(f"d{number}") for number in range(3)])
    server.arm(Fault(method="GET", target=r"/dashboards\?.*page=2", status=500))
    pages = [
        kestra.client.get("/dashboards", params={"size": "1", "page": str(page)}).status_code
        for page in (1, 2, 3)
    ]
    assert pages == [200, 500, 200]


def test_a_method_is_matched_whole(server: Remote, kestra: Kestra) -> None:
    server.arm(Fault(method="POST", target="/flows", times=None, status=503))
    assert search(kestra).status_code == 200
    assert kestra.create(flow("company", "f")).status_code == 503


@pytest.mark.parametrize(("when", "stored"), [(When.BEFORE, 0), (When.AFTER, 1)])
def test_a_reset_strikes_before_or_after_the_write(
    server: Remote, kestra: Kestra, when: When, stored: int
) -> None:
    server.arm(Fault(target="/flows/import", reset=True, when=when))
    with pytest.raises(httpx.ReadError):
        kestra.import_archive({"f.yml": flow("company", "f")})
    assert len(server.flows()) == stored
    assert server.log()[-1]["status"] == 0


def test_a_status_after_the_write_hides_that_it_landed(server: Remote, kestra: Kestra) -> None:
    server.arm(Fault(target="/flows", method="POST", status=502, when=When.AFTER))
    assert kestra.create(flow("company", "f")).status_code == 502
    assert list(server.flows()) == [("company", "f")]


def test_an_answer_can_break_off(server: Remote, kestra: Kestra) -> None:
    server.seed(flows=[flow("company", "f")])
    server.arm(Fault(target="/flows/export", truncate=40))
    with pytest.raises(httpx.TransportError):
        kestra.client.get("/flows/export/by-query")


def test_a_late_write_lands_after_its_client_gave_up(server: Remote, kestra: Kestra) -> None:
    server.arm(Fault(target="/flows", method="POST", latency=300))
    with pytest.raises(httpx.ReadTimeout):
        kestra.client.post(
            "/flows",
            content=flow("company", "f"),
            headers={"content-type": "application/x-yaml"},
            timeout=0.05,
        )
    assert server.flows() == {}
    server.arm(Fault(target="/flows/search", latency=400))
    assert search(kestra).json()["total"] == 1


def test_an_answer_can_be_late(server: Remote, kestra: Kestra) -> None:
    server.arm(Fault(target="/flows/search", answer_latency=50))
    search(kestra)
    entry = server.log()[-1]
    assert entry["ended"] - entry["started"] >= 0.05


def test_an_import_can_lose_one_flow_and_say_nothing(server: Remote, kestra: Kestra) -> None:
    server.arm(Fault(target="/flows/import", lose="^flow company/b$"))
    entries = {f"{name}.yml": flow("company", name) for name in ("a", "b", "c")}
    assert kestra.import_archive(entries).json() == []
    assert sorted(server.flows()) == [("company", "a"), ("company", "c")]


def test_the_log_tells_what_each_call_changed(server: Remote, kestra: Kestra) -> None:
    texts = {"a.yml": flow("company", "a"), "b.yml": flow("company.team", "b")}
    kestra.import_archive(texts)
    kestra.import_archive(texts)
    kestra.write("/d/e.txt", b"new", namespace="company")
    kestra.client.delete("/flows/company/a")
    search(kestra)
    changed = [entry["changed"] for entry in server.log()]
    first = ["flow company/a", "flow company.team/b"]
    assert changed == [first, [], ["file company/d/e.txt"], ["flow company/a"], []]


def test_every_kind_of_write_can_be_lost(server: Remote, kestra: Kestra) -> None:
    server.seed(flows=[flow("company", "f")], dashboards=[dashboard("d")])
    kestra.write("/f.txt", b"old", namespace="company")
    before = (server.flows(), server.files(), server.dashboards(), server.kv())
    server.arm(Fault(method="PUT|POST|DELETE", times=None, lose="."))
    for answer in (
        kestra.update("company", "f", flow("company", "f", "new")),
        kestra.client.delete("/flows/company/f"),
        kestra.write("/f.txt", b"new", namespace="company"),
        kestra.write("/d/e.txt", b"new", namespace="company"),
        kestra.client.delete("/namespaces/company/files", params={"path": "/f.txt"}),
        kestra.update_dashboard("d", dashboard("d", "New")),
        kestra.client.delete("/dashboards/d"),
        kestra.client.put(
            "/namespaces/company/kv/k", content="1", headers={"content-type": "text/plain"}
        ),
    ):
        assert answer.status_code in (200, 204)
    assert (server.flows(), server.files(), server.dashboards(), server.kv()) == before


def test_another_writer_can_come_between_two_calls(server: Remote, kestra: Kestra) -> None:
    server.seed(flows=[flow("company", "f")])
    edit = {
        "flows": [flow("company", "f", "theirs")],
        "files": [{"namespace": "company", "path": "/new.txt", "text": "x"}],
        "delete_dashboards": ["none"],
    }
    server.arm(Fault(target="/flows/validate", edit=edit, edit_when=When.AFTER))
    kestra.validate(flow("company", "f"))
    assert "theirs" in server.flows()["company", "f"]
    assert server.files() == {("company", "/new.txt"): b"x"}


def test_a_test_in_the_same_process_can_act_at_a_call() -> None:
    seen = []
    with SandboxServer() as server, Kestra(server.url, (DEFAULT_USER, DEFAULT_PASSWORD)) as kestra:
        server.arm_callback(Fault(target="/flows/search"), lambda: seen.append("called"))
        search(kestra)
        search(kestra)
    assert seen == ["called"]


def test_disarmed_faults_strike_no_more(server: Remote, kestra: Kestra) -> None:
    one = server.arm(Fault(times=None, status=500))
    other = server.arm(Fault(target="/flows/search", times=None, status=503))
    server.disarm(one)
    assert search(kestra).status_code == 503
    server.disarm()
    assert search(kestra).status_code == 200
    with pytest.raises(ControlError, match="no fault"):
        server.hits(other)


def test_the_log_tells_who_asked_what_and_when(server: Remote, kestra: Kestra) -> None:
    kestra.create(flow("company", "f"))
    kestra.client.get("/flows/search", params={"size": "5"})
    first, second = server.log()
    assert (first["method"], first["path"]) == ("POST", "/api/v1/main/flows")
    assert (second["query"], second["status"], second["login"]) == ("size=5", 200, DEFAULT_USER)
    assert first["started"] <= first["ended"] <= second["started"]
    assert first["received_bytes"] == len(flow("company", "f"))
    assert second["sent_bytes"] > 0
    server.reset_log()
    assert server.log() == []
    assert server.counters()["requests"] == 2


def test_counters_grow_with_every_rewrite(server: Remote, kestra: Kestra) -> None:
    for _ in range(3):
        kestra.write("/f.txt", b"same", namespace="company")
        kestra.import_archive({"f.yml": flow("company", "f")})
    counters = server.counters()
    assert (counters["storage_objects"], counters["flow_revisions"]) == (3, 1)


def test_control_calls_need_the_token_and_known_words(server: Remote) -> None:
    stranger = Remote(server.url, "wrong")
    with pytest.raises(ControlError, match="token"):
        stranger.log()
    with pytest.raises(ControlError, match="seed has no field nonsense"):
        server.apply({"nonsense": []})
    with pytest.raises(ControlError, match="no switch nonsense"):
        server.switch(nonsense=1)
    with pytest.raises(ControlError, match="no tenant"):
        server.flows(tenant="other")


def test_a_snapshot_starts_another_server_with_the_same_tenant(tmp_path: Any) -> None:
    with SandboxServer() as server:
        server.apply(sample_seed(namespaces=3, flows_each=4, files_each=12, dashboards=2))
        server.seed(kv=[{"namespace": "company", "key": "k", "written": "42"}])
        held = (server.flows(), server.files(), server.dashboards(), server.kv())
        snapshot = tmp_path / "snapshot.json"
        snapshot.write_bytes(httpx.Response(200, json=server.snapshot()).content)
    with SpawnedSandbox("--snapshot", str(snapshot)) as other:
        assert (other.flows(), other.files(), other.dashboards(), other.kv()) == held


def test_a_tenant_can_be_emptied(server: Remote) -> None:
    server.seed(flows=[flow("company", "f")])
    server.reset()
    assert (server.flows(), server.counters()["storage_objects"]) == ({}, 0)


def test_readers_see_an_import_half_stored() -> None:
    async def totals(url: str) -> list[int]:
        content = archive({f"{n}.yml": flow("company", f"f{n}") for n in range(300)})
        async with asynchronous(url) as client:
            upload = {"fileUpload": ("flows.zip", content)}
            writing = asyncio.create_task(client.post("/flows/import", files=upload))
            seen = []
            while not writing.done():
                answer = await client.get("/flows/search", params={"size": "1"})
                seen.append(int(answer.json()["total"]))
            return seen

    with SandboxServer() as server:
        seen = asyncio.run(totals(server.url))
    assert [total for total in seen if 0 < total < 300]


def test_writers_of_one_flow_at_once_lose_texts() -> None:
    async def revisions(url: str) -> list[int]:
        async with asynchronous(url) as client:

            async def put(number: int) -> int:
                text = flow("company", "f", str(number))
                answer = await client.put("/flows/company/f", content=text, headers=YAML)
                return int(answer.json()["revision"])

            found: list[int] = []
            for _ in range(20):
                found += await asyncio.gather(*(put(len(found) + n) for n in range(8)))
            return found

    with SandboxServer() as server:
        server.seed(flows=[flow("company", "f")])
        acknowledged = asyncio.run(revisions(server.url))
    assert len(acknowledged) == 160
    assert len(set(acknowledged)) < 160


def asynchronous(url: str) -> httpx.AsyncClient:
    auth = (DEFAULT_USER, DEFAULT_PASSWORD)
    return httpx.AsyncClient(base_url=f"{url}/api/v1/main", auth=auth)
