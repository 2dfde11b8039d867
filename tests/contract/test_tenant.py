"""What every server must do around flows and files: logins, tenants, pages, dashboards, errors."""

from __future__ import annotations

import httpx
import pytest

from tests.contract.kestra import YAML, Kestra, dashboard, flow


def test_the_probe_tells_version_edition_and_identity(kestra: Kestra) -> None:
    configs = httpx.get(f"{kestra.url}/api/v1/configs", auth=kestra.login).json()
    assert configs["version"]
    assert configs["edition"] in ("OSS", "EE")
    assert configs["uuid"]
    assert configs["systemNamespace"] == "system"


def test_without_a_login_every_call_is_401_with_an_empty_body(kestra: Kestra) -> None:
    for auth in (None, ("nobody@example.org", "x"), (kestra.login[0], "Wrong-Password1")):
        refused = httpx.get(f"{kestra.url}/api/v1/main/flows/search", auth=auth)
        assert (refused.status_code, refused.content) == (401, b"")
        assert refused.headers["www-authenticate"].startswith("Basic")


def test_another_tenant_is_400_even_without_a_login(kestra: Kestra) -> None:
    refused = httpx.get(f"{kestra.url}/api/v1/other/flows/search")
    assert refused.status_code == 400
    assert refused.json()["message"] == "Bad Request: Tenant must be 'main' for OSS version"


def test_every_error_has_a_message_and_the_uri(kestra: Kestra) -> None:
    for response in (
        kestra.client.get("/nothing"),
        kestra.client.get("/flows/zz/zz"),
        kestra.client.patch("/flows/search"),
        kestra.client.get("/flows/search", params={"size": "0"}),
        kestra.client.get("/flows/search", params={"filters[bogus][EQUALS]": "x"}),
        kestra.client.get("/flows/search", params={"filters[updated][EQUALS]": "x"}),
    ):
        body = response.json()
        assert response.status_code in (400, 404, 405, 422)
        assert body["message"]
        assert body["_links"]["self"]["href"].startswith("/api/v1/main/")


def test_namespaces_are_those_of_flows_with_all_parents(kestra: Kestra) -> None:
    top = kestra.namespace
    kestra.create(flow(f"{top}.mid.low", "f"))
    kestra.write("/f.txt", b"x", namespace=f"{top}.files")
    found = kestra.client.get("/namespaces/search", params={"q": top.upper(), "size": 50}).json()
    assert found == {
        "results": [{"id": top}, {"id": f"{top}.mid"}, {"id": f"{top}.mid.low"}],
        "total": 3,
    }
    distinct = kestra.client.get("/flows/distinct-namespaces", params={"q": top}).json()
    assert distinct == [f"{top}.mid.low"]
    suggested = kestra.client.post("/namespaces/autocomplete", json={"q": top}).json()
    assert suggested == [top, f"{top}.mid", f"{top}.mid.low"]


def test_the_system_namespace_is_always_there(kestra: Kestra) -> None:
    found = kestra.client.get("/namespaces/search", params={"q": "system", "size": 50}).json()
    assert {"id": "system"} in found["results"]


def test_an_oss_server_knows_every_namespace_by_name_and_creates_none(kestra: Kestra) -> None:
    name = kestra.namespace
    assert kestra.client.get(f"/namespaces/{name}").json()["id"] == name
    assert kestra.client.post("/namespaces", json={"id": name}).status_code == 404


def test_pages_are_counted_by_total_and_end_with_an_empty_one(kestra: Kestra) -> None:
    top = kestra.namespace
    for number in range(5):
        kestra.create(flow(f"{top}.n{number}", "f"))
    query = {"filters[namespace][PREFIX]": top, "size": "2", "sort": "namespace:asc"}
    pages = [
        kestra.client.get("/flows/search", params={**query, "page": str(page)}).json()
        for page in (1, 2, 3, 4)
    ]
    assert [len(page["results"]) for page in pages] == [2, 2, 1, 0]
    assert [page["total"] for page in pages] == [5, 5, 5, 0]
    assert all("source" not in result for result in pages[0]["results"])


@pytest.mark.parametrize("query", [{"size": "0"}, {"size": "-1"}, {"page": "0"}])
def test_page_and_size_begin_at_1(kestra: Kestra, query: dict[str, str]) -> None:
    assert kestra.client.get("/namespaces/search", params=query).status_code == 422


def test_a_1_3_server_has_no_cap_on_the_size(kestra: Kestra) -> None:
    assert kestra.client.get("/flows/search", params={"size": "1001"}).status_code == 200


def test_a_2_0_server_refuses_more_than_1000(kestra_2: Kestra) -> None:
    refused = kestra_2.client.get("/flows/search", params={"size": "1001"})
    assert refused.status_code == 422
    assert kestra_2.client.get("/flows/search", params={"size": "1000"}).status_code == 200


def test_a_dashboard_keeps_its_bytes_and_is_listed_with_its_source(kestra: Kestra) -> None:
    name = kestra.namespace
    text = dashboard(name, name).replace("\n", "\r\n") + "# end"
    created = kestra.create_dashboard(name, text)
    assert (created.status_code, created.json()["sourceCode"]) == (200, text)
    assert kestra.client.get(f"/dashboards/{name}").json()["sourceCode"] == text
    listed = kestra.client.get("/dashboards", params={"q": name, "size": 10}).json()
    assert [one["sourceCode"] for one in listed["results"]] == [text]


def test_a_dashboard_is_updated_by_put_and_an_equal_text_keeps_its_time(kestra: Kestra) -> None:
    name = kestra.namespace
    first = kestra.create_dashboard(name, dashboard(name)).json()
    stored = kestra.client.get(f"/dashboards/{name}").json()
    same = kestra.update_dashboard(name, dashboard(name)).json()
    assert same["updated"] == stored["updated"]
    other = kestra.update_dashboard(name, dashboard(name, "Other")).json()
    assert other["title"] == "Other"
    assert other["updated"] != first["updated"]


def test_a_second_dashboard_of_one_id_is_422(kestra: Kestra) -> None:
    name = kestra.namespace
    kestra.create_dashboard(name, dashboard(name))
    again = kestra.create_dashboard(name, dashboard(name, "Other"))
    assert again.status_code == 422
    assert again.json()["message"].endswith("Dashboard id already exists")


def test_a_dashboard_must_name_its_id_and_keep_it(kestra: Kestra) -> None:
    name = kestra.namespace
    nameless = dashboard(name).replace(f"id: {name}\n", "")
    assert kestra.client.post("/dashboards", content=nameless, headers=YAML).status_code == 422
    kestra.create_dashboard(name, dashboard(name))
    assert kestra.update_dashboard(name, dashboard(name + "x")).status_code == 422
    assert kestra.update_dashboard(name, nameless).status_code == 500


def test_a_deleted_dashboard_is_404_and_409_when_deleted_again(kestra: Kestra) -> None:
    name = kestra.namespace
    kestra.create_dashboard(name, dashboard(name))
    assert kestra.client.delete(f"/dashboards/{name}").status_code == 204
    assert kestra.client.get(f"/dashboards/{name}").status_code == 404
    assert kestra.client.delete(f"/dashboards/{name}").status_code == 409
    assert kestra.create_dashboard(name, dashboard(name)).status_code == 200


def test_an_update_of_an_absent_dashboard_is_404(sandbox_only: Kestra) -> None:
    # A live server can fall into an endless loop over it and die.
    name = sandbox_only.namespace
    assert sandbox_only.update_dashboard(name, dashboard(name)).status_code == 404


def test_a_dashboard_validation_tells_what_is_wrong(kestra: Kestra) -> None:
    def constraints(text: str) -> str | None:
        answer = kestra.client.post("/dashboards/validate", content=text, headers=YAML)
        found: str | None = answer.json().get("constraints")
        return found

    assert constraints(dashboard("v")) is None
    assert constraints("id: v\ncharts: []\n") is not None
    bad_chart = "charts:\n  - id: c\n    type: io.kestra.plugin.core.dashboard.chart.Nope\n"
    refused = constraints(dashboard("v").replace("charts: []\n", bad_chart))
    assert refused == "Invalid type: io.kestra.plugin.core.dashboard.chart.Nope"


#: A table of all flows; what counts is its total.
_CHART = """id: flows
type: io.kestra.plugin.core.dashboard.chart.Table
data:
  type: io.kestra.plugin.core.dashboard.data.Flows
  columns:
    id:
      field: ID
"""


def _probed(kestra: Kestra) -> tuple[int, str, int]:
    """Live flows, the newest change, and revisions that are no deletion."""
    query = {"page": "1", "size": "1", "sort": "updated:desc"}
    newest = kestra.client.get("/flows/search", params=query).json()
    asked = {"chart": _CHART, "globalFilter": {"pageNumber": 1, "pageSize": 1}}
    answer = kestra.client.post("/dashboards/charts/preview", json=asked).json()
    assert len(answer["results"]) == 1
    return newest["total"], newest["results"][0]["updated"], answer["total"]


def test_every_change_of_a_flow_moves_the_probes_and_an_equal_one_does_not(kestra: Kestra) -> None:
    here = kestra.namespace
    kestra.create(flow(here, "one"))
    kestra.create(flow(here, "two"))
    total, _, revisions = known = _probed(kestra)

    kestra.update(here, "one", flow(here, "one"))
    assert _probed(kestra) == known
    kestra.update(here, "one", flow(here, "one", "other"))
    assert _probed(kestra)[::2] == (total, revisions + 1)
    kestra.client.post("/flows/disable/by-ids", json=[{"namespace": here, "id": "two"}])
    assert _probed(kestra)[::2] == (total, revisions + 2)
    assert _probed(kestra)[1] > known[1]
    kestra.client.delete(f"/flows/{here}/two")
    assert _probed(kestra)[::2] == (total - 1, revisions + 2)
    kestra.create(flow(here, "three"))
    assert _probed(kestra)[::2] == (total, revisions + 3)
