"""The Kestra side alone against a real server: what its own traps and limits do."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from uuid import uuid4

import pytest

from tasks.artifacts import Kind
from tasks.connections import KestraConnection, Secret
from tasks.errors import LoginRefused, NotFound
from tasks.kestra.side import KestraSide
from tasks.plan import Action
from tests.integration.kestra.samples import (
    NAMESPACE,
    dashboard,
    dashboard_key,
    file_key,
    flow,
    flow_key,
    free,
    landed,
    put,
    remove,
)
from tests.real.server import RealServer


@pytest.fixture
def side(kestra: RealServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[KestraSide]:
    monkeypatch.setenv("KESTRA_PASSWORD", kestra.password)
    side = _side(kestra)
    kestra.remember([NAMESPACE])
    yield side
    side.close()


def _side(kestra: RealServer, **fields: str) -> KestraSide:
    login = {"username": kestra.user, "password": Secret(env="KESTRA_PASSWORD")}
    return KestraSide(KestraConnection.model_validate({"url": kestra.url, **login, **fields}))


def test_the_server_says_who_it_is_and_a_wrong_login_or_tenant_is_told(
    kestra: RealServer, side: KestraSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = side.identity()
    assert server == side.identity()
    assert server.release >= (1, 0)
    with (
        closing(_side(kestra, tenant="elsewhere")) as other,
        pytest.raises((NotFound, LoginRefused)),
    ):
        other.identity()
    monkeypatch.setenv("KESTRA_PASSWORD", "Not-The-Password-1")
    with closing(_side(kestra)) as wrong, pytest.raises(LoginRefused):
        wrong.identity()


def test_a_file_that_is_gone_already_keeps_its_only_neighbour(
    kestra: RealServer, side: KestraSide
) -> None:
    kestra.seed(files=[{"namespace": NAMESPACE, "path": "/d/b.txt", "text": "b"}])
    assert landed(side.write([remove(file_key("d/a.txt")), remove(file_key("d"))], free)) == [
        True,
        True,
    ]
    assert kestra.files() == {(NAMESPACE, "/d/b.txt"): b"b"}


def test_files_of_every_name_are_written_and_deleted(kestra: RealServer, side: KestraSide) -> None:
    inner = b"PK\x05\x06" + b"\x00" * 18
    names = [
        "sp+ace.txt", "\u00e9/x", "q?&=.txt", "pack.zip", "PACK.ZIP", "a;b:c*~'.txt", "plain",
        "d/one", "d/two", "d/e/three", "\u65e5\u672c\u8a9e.txt", "x" * 240,
    ]  # fmt: skip
    report = side.write([put(file_key(name), inner) for name in names], free)
    assert [one.message for one in report.written if not one.landed] == []
    assert kestra.files() == {(NAMESPACE, f"/{name}"): inner for name in names}
    report = side.write([remove(file_key(name)) for name in names if name != "d/two"], free)
    assert [one.message for one in report.written if not one.landed] == []
    assert kestra.files() == {(NAMESPACE, "/d/two"): inner}


def test_many_flows_with_dividers_are_validated_and_written(
    kestra: RealServer, side: KestraSide
) -> None:
    plain = {flow_key(f"p{n}"): flow(f"p{n}") + b"# a\n--- b\n# c\n" for n in range(150)}
    invalid = flow("p7").replace(b"log.Log", b"log.Nope")
    assert set(side.validate(Kind.FLOW, {**plain, flow_key("p7"): invalid})) == {flow_key("p7")}
    good = [put(key, text) for key, text in plain.items()]
    report = side.write(good, free)
    assert [one.message for one in report.written if not one.landed] == []
    assert {key: text.encode() for key, text in kestra.flows().items()} == {
        (key.namespace, key.name): text for key, text in plain.items()
    }
    report = side.write([remove(key) for key in plain], free)
    assert all(landed(report))
    assert kestra.flows() == {}


def test_eight_namespaces_are_written_at_once(kestra: RealServer, side: KestraSide) -> None:
    names = [f"company.n{uuid4().hex[:8]}" for _ in range(8)]
    kestra.remember(names)

    def write(namespace: str) -> list[bool]:
        keys = [flow_key(f"f{n}", namespace) for n in range(20)]
        texts = [put(key, flow(key.name, namespace)) for key in keys]
        files = [put(file_key(f"d/{n}.txt", namespace), b"x") for n in range(20)]
        return landed(side.write([*texts, *files], free))

    with ThreadPoolExecutor(8) as pool:
        assert all(all(one) for one in pool.map(write, names))
    assert set(kestra.revisions().values()) == {1}
    assert len(kestra.flows()) == len(kestra.files()) == 160


def test_dashboards_are_created_updated_and_deleted_one_by_one(
    kestra: RealServer, side: KestraSide
) -> None:
    kestra.seed(dashboards=[dashboard("old").decode(), dashboard("gone").decode()])
    report = side.write(
        [
            put(dashboard_key("new"), dashboard("new").replace(b"\n", b"\r\n")),
            put(dashboard_key("old"), dashboard("old", "Other"), Action.UPDATE),
            remove(dashboard_key("gone")),
            remove(dashboard_key("never")),
        ],
        free,
    )
    assert [one.message for one in report.written if not one.landed] == []
    assert kestra.dashboards() == {
        "new": dashboard("new").replace(b"\n", b"\r\n").decode(),
        "old": dashboard("old", "Other").decode(),
    }


def test_a_deleted_flow_tells_its_last_revision(kestra: RealServer, side: KestraSide) -> None:
    kestra.seed(flows=[flow("a").decode()])
    before = kestra.flow(NAMESPACE, "a")[1]
    assert all(landed(side.write([remove(flow_key("a"))], free)))
    said = side.revision(flow_key("a")) or ""
    assert f"deleted in revision {before + 1}" in said
    assert side.revision(flow_key("never-was")) is None
