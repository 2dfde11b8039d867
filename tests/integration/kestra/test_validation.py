"""Which texts are said to be invalid, and by how many requests."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest

from sandbox.faults import Fault
from sandbox.server import SandboxServer
from tasks.artifacts import Key, Kind
from tasks.errors import Busy, Doubtful
from tasks.kestra.side import KestraSide
from tasks.kestra.validation import BODY_LIMIT
from tests.integration.kestra.samples import (
    dashboard,
    dashboard_key,
    file_key,
    flow,
    flow_key,
)


def texts(names: Iterable[str], **changes: bytes) -> dict[Key, bytes]:
    return {flow_key(name): changes.get(name, flow(name)) for name in names}


def broken(name: str) -> bytes:
    return flow(name).replace(b"log.Log", b"log.Nope")


def validations(server: SandboxServer) -> int:
    return sum(one["path"].endswith("/validate") for one in server.log())


def test_only_invalid_flows_are_named_with_the_servers_message_in_one_request(
    server: SandboxServer, side: KestraSide
) -> None:
    names = [f"f{number}" for number in range(30)]
    found = side.validate(Kind.FLOW, texts(names, f7=broken("f7"), f29=b"x: [\n"))
    assert list(found) == [flow_key("f7"), flow_key("f29")]
    assert "Invalid type: io.kestra.plugin.core.log.Nope" in found[flow_key("f7")]
    assert "YAML parsing error" in found[flow_key("f29")]
    assert validations(server) == 1


@pytest.mark.parametrize(
    "text",
    [
        flow("odd") + b"---\n",
        flow("odd") + b"---- ruler\n",
        b"---\n" + flow("odd") + b"# end\n---\n" + flow("two"),
        b"--- # first\n" + flow("odd"),
        b"",
        b"\n \n",
        b"---\n",
    ],
)
def test_texts_that_would_split_the_body_are_asked_about_apart(
    server: SandboxServer, side: KestraSide, text: bytes
) -> None:
    plain = texts(["a", "b"], b=broken("b"))
    alone = side.validate(Kind.FLOW, {flow_key("odd"): text})
    found = side.validate(Kind.FLOW, {flow_key("odd"): text, **plain})
    assert found == {**alone, flow_key("b"): found[flow_key("b")]}


def test_a_text_that_starts_with_a_document_mark_is_valid(
    server: SandboxServer, side: KestraSide
) -> None:
    marked = {flow_key(name): b"---\n" + flow(name) for name in "ab"}
    assert side.validate(Kind.FLOW, {**marked, **texts("cd")}) == {}
    assert validations(server) == 1


def test_parts_are_sent_at_most_128_at_once(server: SandboxServer, side: KestraSide) -> None:
    many = {flow_key(f"f{n}"): b"--- # mark\n" + flow(f"f{n}") for n in range(129)}
    many[flow_key("f128")] = b"--- # mark\n" + broken("f128")
    assert list(side.validate(Kind.FLOW, many)) == [flow_key("f128")]
    assert validations(server) == 2


def test_bodies_stay_below_the_limit_of_the_server(server: SandboxServer, side: KestraSide) -> None:
    big = b"# " + b"x" * (3 << 20) + b"\n"
    many = {flow_key(f"f{n}"): flow(f"f{n}") + big for n in range(5)}
    assert side.validate(Kind.FLOW, many) == {}
    sizes = [one["received_bytes"] for one in server.log() if one["path"].endswith("/validate")]
    assert len(sizes) == 3
    assert max(sizes) < BODY_LIMIT


def test_what_the_server_would_change_or_not_take_is_not_asked_about(
    server: SandboxServer, side: KestraSide
) -> None:
    found = side.validate(
        Kind.FLOW,
        {flow_key("latin"): flow("latin") + b"# \xe9\n", flow_key("big"): b"#" * (BODY_LIMIT + 1)},
    )
    assert "not UTF-8" in found[flow_key("latin")]
    assert str(BODY_LIMIT) in found[flow_key("big")]
    assert validations(server) == 0


def test_a_warning_is_no_message(server: SandboxServer, side: KestraSide) -> None:
    calls = flow("a").replace(
        b"log.Log\n    message: hi", b"flow.Subflow\n    namespace: n\n    flowId: x"
    )
    assert side.validate(Kind.FLOW, {flow_key("a"): calls}) == {}
    assert "Subflow" in calls.decode()


def test_dashboards_are_asked_about_one_by_one_and_files_never(
    server: SandboxServer, side: KestraSide
) -> None:
    ours = {dashboard_key("a"): dashboard("a"), dashboard_key("b"): b"id: b\n"}
    assert list(side.validate(Kind.DASHBOARD, ours)) == [dashboard_key("b")]
    assert validations(server) == 2
    assert side.validate(Kind.FILE, {file_key("a"): b"\xff"}) == {}
    assert side.validate(Kind.FLOW, {}) == {}
    assert validations(server) == 2


@pytest.mark.parametrize(
    "answer",
    [
        [{"index": 0}],
        [{"index": 0}, {"index": 1}, {"index": 2}],
        [{"index": 0}, {"index": 0}],
        [{"index": 1}, {"index": 0}],
        {"index": 0},
        ["a", "b"],
    ],
)
def test_results_that_do_not_belong_to_the_flows_one_by_one_are_doubtful(
    server: SandboxServer, side: KestraSide, answer: object
) -> None:
    server.arm(Fault(target="/validate", status=200, body=json.dumps(answer)))
    with pytest.raises(Doubtful):
        side.validate(Kind.FLOW, texts("ab"))


def test_a_server_that_fails_is_not_a_server_that_says_valid(
    server: SandboxServer, side: KestraSide
) -> None:
    server.arm(Fault(target="/validate", status=500, times=None))
    with pytest.raises(Busy):
        side.validate(Kind.FLOW, texts("ab"))
