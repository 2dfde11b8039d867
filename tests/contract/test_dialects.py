"""What the sandbox's switches change: dialect, edition, tenants, logins, kinds that are absent."""

from __future__ import annotations

import httpx
import pytest

from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Dialect, Login, Settings
from tests.contract.kestra import YAML, Kestra, dashboard, entries_of, flow

ADMIN = Login(name=DEFAULT_USER, password=DEFAULT_PASSWORD, token="all-of-it")
TEAM = Login(name="team@example.org", token="team-only", namespaces=("company.team",))


def bearer(url: str, token: str, tenant: str = "main") -> httpx.Client:
    return httpx.Client(
        base_url=f"{url}/api/v1/{tenant}", headers={"authorization": f"Bearer {token}"}
    )


def test_a_2_0_files_export_holds_no_flows(kestra_2: Kestra) -> None:
    kestra_2.create(flow(kestra_2.namespace, "f"))
    assert entries_of(kestra_2.files("/export")) == {}
    assert kestra_2.write("/_flows/x.yml", b"x").status_code == 422


def test_a_2_0_draft_may_be_unreadable_is_marked_and_exported(kestra_2: Kestra) -> None:
    namespace = kestra_2.namespace
    text = f"id: d\nnamespace: {namespace}\nbroken: ["
    stored = kestra_2.client.post("/flows", content=text, headers=YAML, params={"draft": "true"})
    assert (stored.status_code, stored.json()["draft"]) == (200, True)
    assert kestra_2.get(namespace, "d").json()["draft"] is True
    exported = kestra_2.export(**{"filters[namespace][EQUALS]": namespace})
    assert list(exported.values()) == [text.encode()]


def test_a_2_0_server_asks_for_a_login_before_it_tells_its_version(kestra_2: Kestra) -> None:
    assert httpx.get(f"{kestra_2.url}/api/v1/configs").status_code == 401
    assert httpx.get(f"{kestra_2.url}/api/v1/configs/login").status_code == 200
    told = httpx.get(f"{kestra_2.url}/api/v1/configs", auth=kestra_2.login)
    assert told.json()["version"].startswith("2.0")


def test_a_2_0_server_lists_keys_in_one_place_only(kestra_2: Kestra) -> None:
    assert kestra_2.client.get(f"/namespaces/{kestra_2.namespace}/kv").status_code == 405
    assert kestra_2.client.get("/kv").json() == {"results": [], "total": 0}


def test_only_1_3_knows_paths_without_a_tenant(kestra_2: Kestra) -> None:
    refused = httpx.get(f"{kestra_2.url}/api/v1/flows/search", auth=kestra_2.login)
    assert refused.status_code in (400, 404)
    with SandboxServer() as server:
        auth = (DEFAULT_USER, DEFAULT_PASSWORD)
        answered = httpx.get(f"{server.url}/api/v1/flows/search", auth=auth)
    assert answered.status_code == 200


def test_tenants_hold_their_own_flows() -> None:
    settings = Settings(oss_strict=False, tenants=("main", "other"), logins=(ADMIN,))
    with SandboxServer(settings) as server:
        server.seed(flows=[flow("company", "f")], tenant="other")
        with bearer(server.url, "all-of-it", "other") as client:
            assert client.get("/flows/search").json()["total"] == 1
        with bearer(server.url, "all-of-it") as client:
            assert client.get("/flows/search").json()["total"] == 0
        with bearer(server.url, "all-of-it", "third") as client:
            assert client.get("/flows/search").status_code == 404


def test_an_ee_server_creates_and_lists_namespaces() -> None:
    settings = Settings(ee=True, oss_strict=False, tenants=("main", "other"), logins=(ADMIN,))
    with SandboxServer(settings) as server, bearer(server.url, "all-of-it") as client:
        assert client.get("/namespaces/made.up").status_code == 404
        assert client.post("/namespaces", json={"id": "made.up"}).status_code == 200
        assert client.get("/namespaces/made.up").status_code == 200
        tenants = client.get(f"{server.url}/api/v1/tenants/search").json()
        assert [one["id"] for one in tenants["results"]] == ["main", "other"]


def test_a_login_that_sees_less_gets_shorter_lists_and_403() -> None:
    with SandboxServer(Settings(logins=(ADMIN, TEAM))) as server:
        server.seed(
            flows=[flow(name, "f") for name in ("company", "company.team", "company.team.etl")],
            files=[{"namespace": "company", "path": "/f.txt", "text": "x"}],
        )
        with bearer(server.url, "team-only") as client:
            assert len(entries_of(client.get("/flows/export/by-query"))) == 2
            names = client.get("/namespaces/search").json()["results"]
            assert [one["id"] for one in names] == ["company.team", "company.team.etl"]
            for refused in (
                client.get("/flows/company/f"),
                client.get("/namespaces/company/files/export"),
                client.delete("/flows/company/f"),
                client.post("/flows", content=flow("other", "f"), headers=YAML),
            ):
                assert (refused.status_code, refused.content) == (403, b"")


@pytest.mark.parametrize("status", [404, 405])
def test_an_unsupported_kind_is_not_found_or_not_allowed(status: int) -> None:
    settings = Settings(unsupported=("dashboards",), unsupported_status=status, logins=(ADMIN,))
    with SandboxServer(settings) as server, bearer(server.url, "all-of-it") as client:
        assert client.get("/dashboards").status_code == status
        posted = client.post("/dashboards", content=dashboard("d"), headers=YAML)
        assert posted.status_code == status
        assert client.get("/flows/search").status_code == 200


def test_a_plugin_can_go_missing_while_the_server_runs() -> None:
    text = flow("company", "f").replace("core.log.Log", "git.TenantSync")
    with SandboxServer() as server:
        with Kestra(server.url, (DEFAULT_USER, DEFAULT_PASSWORD)) as kestra:
            assert kestra.create(text).status_code == 200
            server.switch(missing_plugins=["io.kestra.plugin.git.*"])
            shown = kestra.client.get("/flows/company/f").json()
            assert (shown["tasks"], shown["source"]) == ([], text)
            assert "No plugin registered" in shown["exception"]
            assert kestra.import_archive({"f.yml": text}).json() == ["f.yml"]
        assert server.flows() == {("company", "f"): text}


def test_logins_can_change_while_the_server_runs() -> None:
    with SandboxServer(Settings(logins=(ADMIN,))) as server:
        server.switch(logins=[{"name": "new@example.org", "token": "new-token"}])
        with bearer(server.url, "all-of-it") as old, bearer(server.url, "new-token") as new:
            assert old.get("/flows/search").status_code == 401
            assert new.get("/flows/search").status_code == 200


def test_a_wrong_password_costs_what_it_costs_a_real_server() -> None:
    settings = Settings(dialect=Dialect.V1_3, wrong_password_seconds=0.05)
    with SandboxServer(settings) as server:
        wrong = (DEFAULT_USER, "Wrong-Password1")
        assert httpx.get(f"{server.url}/api/v1/main/kv", auth=wrong).status_code == 401
        (entry,) = server.log()
    assert entry["ended"] - entry["started"] >= 0.05
    assert (entry["status"], entry["login"]) == (401, None)


def test_no_password_or_token_shows_in_a_login_s_repr() -> None:
    assert "all-of-it" not in repr(ADMIN)
    assert DEFAULT_PASSWORD not in repr(Settings(logins=(ADMIN,)))
