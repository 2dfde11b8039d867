"""Servers of other versions and editions: read and written as they want it, or refused."""

from __future__ import annotations

import json

import httpx
import pytest

from sandbox.faults import Fault
from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Dialect
from tasks.artifacts import Kind
from tasks.errors import Doubtful, Unsupported
from tasks.kestra.side import KestraSide, Server, Write
from tasks.plan import Action
from tests.integration.kestra.conftest import Connect, Start
from tests.integration.kestra.samples import NAMESPACE, file_key, flow, flow_key, free


def says(server: SandboxServer, **fields: object) -> None:
    body = {"uuid": "u", "version": "1.3.25", "edition": "OSS", **fields}
    server.arm(Fault(target="/configs", status=200, body=json.dumps(body), times=None))


def save_draft(server: SandboxServer, text: bytes, there: str | None = None) -> None:
    httpx.request(
        "POST" if there is None else "PUT",
        f"{server.url}/api/v1/main/flows" + (f"/{NAMESPACE}/{there}" if there else ""),
        params={"draft": "true"},
        content=text,
        headers={"content-type": "application/x-yaml"},
        auth=(DEFAULT_USER, DEFAULT_PASSWORD),
    ).raise_for_status()


@pytest.fixture
def newer(start: Start) -> SandboxServer:
    return start(dialect=Dialect.V2_0)


def test_a_server_is_known_by_what_it_says(
    server: SandboxServer, newer: SandboxServer, connect: Connect
) -> None:
    one, two = connect(server).identity(), connect(newer).identity()
    assert (one.uuid, one.version, one.edition) == ("5andb0xKestraServer001", "1.3.25", "OSS")
    assert (one.system_namespace, one.page_cap, two.page_cap) == ("system", None, 1000)
    assert (one.has_drafts, two.has_drafts) == (False, True)


def test_identity_is_asked_anew_each_time(server: SandboxServer, side: KestraSide) -> None:
    side.identity()
    says(server, uuid="another", systemNamespace="ops")
    assert side.identity().uuid == "another"
    assert side.identity().system_namespace == "ops"


@pytest.mark.parametrize("version", ["0.19.1", "0.22.40"])
def test_a_server_without_tenants_in_its_paths_is_refused(
    server: SandboxServer, side: KestraSide, version: str
) -> None:
    says(server, version=version)
    for call in (side.identity, side.namespaces, side.flows, side.dashboards):
        with pytest.raises(Unsupported, match=rf"Kestra {version} is too old.*update it to 0\.23"):
            call()


def test_a_version_that_tells_nothing_is_refused(server: SandboxServer, side: KestraSide) -> None:
    says(server, version="develop")
    with pytest.raises(Unsupported, match="'develop'"):
        side.identity()


@pytest.mark.parametrize("body", ["{}", "[]", '{"uuid": "u"}'])
def test_something_that_is_no_kestra_is_doubtful(
    server: SandboxServer, side: KestraSide, body: str
) -> None:
    server.arm(Fault(target="/configs", status=200, body=body))
    with pytest.raises(Doubtful, match="is it Kestra"):
        side.identity()


@pytest.mark.parametrize(
    ("version", "drafts", "parts"),
    [
        ("0.24.3", False, False),
        ("1.2.9", False, False),
        ("1.3.0", False, True),
        ("2.0.0-rc10", True, True),
        ("2.1.0-SNAPSHOT", True, True),
    ],
)
def test_versions_differ_in_what_they_can(version: str, drafts: bool, parts: bool) -> None:
    one = Server(uuid="u", version=version, edition="OSS", system_namespace="s", page_cap=None)
    assert (one.has_drafts, one.validates_parts) == (drafts, parts)


def test_dashboards_without_an_id_in_their_text_are_unsupported(
    server: SandboxServer, side: KestraSide
) -> None:
    says(server, version="0.24.3")
    with pytest.raises(Unsupported, match=r"1\.0 or later"):
        side.dashboards()


def test_before_1_3_a_text_that_splits_is_asked_about_alone(
    server: SandboxServer, side: KestraSide
) -> None:
    says(server, version="1.2.0")
    bad = flow("b").replace(b"log.Log", b"log.Nope")
    texts = {
        flow_key("a"): flow("a"),
        flow_key("b"): b"--- # mark\n" + bad,
        flow_key("c"): b"--- # mark\n" + flow("c"),
    }
    assert list(side.validate(Kind.FLOW, texts)) == [flow_key("b")]
    assert all(one["received_bytes"] < 400 for one in server.log())


@pytest.mark.parametrize("dialect", list(Dialect))
def test_both_dialects_are_read_and_written_alike(
    start: Start, connect: Connect, dialect: Dialect
) -> None:
    server = start(dialect=dialect)
    server.seed(
        flows=[flow("a").decode()],
        files=[{"namespace": NAMESPACE, "path": "/x", "text": "x"}],
    )
    side = connect(server)
    assert set(side.flows().texts) == {flow_key("a")}
    assert side.files(NAMESPACE).contents == {"x": b"x"}
    assert side.namespaces() == ("company", NAMESPACE, "system")
    report = side.write(
        [
            Write(key=flow_key("b"), action=Action.ADD, content=flow("b")),
            Write(key=file_key("y"), action=Action.ADD, content=b"y"),
            Write(key=flow_key("a"), action=Action.DELETE),
        ],
        free,
    )
    assert all(one.landed for one in report.written)
    assert set(side.flows(NAMESPACE).texts) == {flow_key("b")}


def test_drafts_are_named_and_are_no_problem(newer: SandboxServer, connect: Connect) -> None:
    newer.seed(flows=[flow("live").decode()])
    save_draft(newer, flow("draft"))
    side = connect(newer)
    for found in (side.flows(), side.flows(NAMESPACE)):
        assert found.drafts == {flow_key("draft")}
        assert flow_key("live") in found.texts
        assert found.problems == ()


@pytest.mark.parametrize("text", [b"tasks: [\n", flow("live", "elsewhere"), b"id: other\n"])
def test_a_draft_that_names_nothing_or_something_else_is_no_problem(
    newer: SandboxServer, connect: Connect, text: bytes
) -> None:
    newer.seed(flows=[flow("live").decode()])
    save_draft(newer, flow("draft"))
    save_draft(newer, text, "draft")
    for found in (connect(newer).flows(NAMESPACE), connect(newer).flows()):
        assert found.drafts == {flow_key("draft")}
        assert found.problems == ()
        assert flow_key("live") in found.texts
        assert set(found.texts) <= {flow_key("live"), flow_key("draft")}


def test_a_live_flow_that_the_export_lacks_is_doubtful_on_2_0(
    newer: SandboxServer, connect: Connect
) -> None:
    newer.seed(flows=[flow("a").decode()])
    rows = {"results": [{"namespace": NAMESPACE, "id": one} for one in "ab"], "total": 2}
    newer.arm(Fault(target="/flows/search", status=200, body=json.dumps(rows), times=None))
    with pytest.raises(Doubtful, match="fewer than the search lists"):
        connect(newer).flows()


def test_the_enterprise_edition_gets_its_namespace_first(start: Start, connect: Connect) -> None:
    server = start(ee=True)
    side = connect(server)
    guarded: list[float] = []
    writes = [Write(key=flow_key("a"), action=Action.ADD, content=flow("a"))]
    assert side.write(writes, guarded.append).written[0].landed
    posts = [one["path"] for one in server.log() if one["method"] == "POST"]
    assert posts == ["/api/v1/main/namespaces", "/api/v1/main/flows/import"]
    assert len(guarded) == 2
    server.reset_log()
    side.write([Write(key=flow_key("b"), action=Action.ADD, content=flow("b"))], free)
    assert "/api/v1/main/namespaces" not in [
        one["path"] for one in server.log() if one["method"] == "POST"
    ]


def test_an_edition_that_does_not_offer_namespaces_is_written_all_the_same(
    server: SandboxServer, side: KestraSide
) -> None:
    says(server, edition="EE")
    server.arm(Fault(method="GET", target=f"/namespaces/{NAMESPACE}$", status=404, times=None))
    writes = [Write(key=flow_key("a"), action=Action.ADD, content=flow("a"))]
    assert side.write(writes, free).written[0].landed
