"""What is read is the whole and the exact bytes, or nothing."""

from __future__ import annotations

import json

import pytest

from sandbox.faults import Fault
from sandbox.server import SandboxServer
from sandbox.settings import Dialect
from tasks.artifacts import Key, Kind
from tasks.errors import Busy, Doubtful, Unreachable, Unsupported
from tasks.kestra.paging import whole_list
from tasks.kestra.side import KestraSide
from tasks.problems import Code
from tests.integration.kestra.conftest import Connect, Start
from tests.integration.kestra.samples import NAMESPACE, dashboard, flow, flow_key

ODD_TEXTS = (
    flow("crlf").replace(b"\n", b"\r\n"),
    flow("no-end").rstrip(),
    flow("many-ends") + b"\n\n\n",
    b"\n\n" + flow("blank-start"),
    b"---\n" + flow("marked-start"),
    b"\xef\xbb\xbf" + flow("byte-order-mark"),
    b"# top\n"
    + flow("comments", message="h\u00e9 \u6f22 \U0001f680".encode().decode())
    + b"# --- x ---\n",
    flow("trailing").replace(b"hi", b"hi   # blanks  "),
)


def paths(server: SandboxServer) -> list[str]:
    return [f"{one['method']} {one['path'].removeprefix('/api/v1')}" for one in server.log()]


def test_flows_of_the_tenant_come_with_exact_bytes_in_one_export(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[text.decode() for text in ODD_TEXTS])
    side.identity()
    server.reset_log()
    found = side.flows()
    assert sorted(found.texts.values()) == sorted(ODD_TEXTS)
    assert flow_key("byte-order-mark") in found.texts
    assert (found.drafts, found.problems) == (frozenset(), ())
    assert paths(server) == ["GET /main/flows/export/by-query", "GET /main/flows/search"]


def test_flows_of_a_namespace_are_neither_those_of_children_nor_of_namesakes(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(
        flows=[flow("a", ns).decode() for ns in ("company.team", "company.team.x", "company.team2")]
    )
    assert set(side.flows("company.team").texts) == {flow_key("a", "company.team")}
    assert side.flows("company.none").texts == {}


def test_two_flows_with_one_entry_name_are_read_namespace_by_namespace(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("b-c", "a").decode(), flow("c", "a-b").decode()])
    assert set(side.flows().texts) == {flow_key("b-c", "a"), flow_key("c", "a-b")}
    exports = [one for one in paths(server) if "export" in one]
    # The broken one, then a, a-b and system: no second try of an archive that stays broken.
    assert len(exports) == 4


def test_a_server_that_cannot_export_the_tenant_is_read_namespace_by_namespace(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a", "a").decode(), flow("b", "b.c").decode()])
    server.arm(Fault(target="/flows/export/by-query$", status=500, times=None))
    assert set(side.flows().texts) == {flow_key("a", "a"), flow_key("b", "b.c")}


@pytest.mark.parametrize("dialect", list(Dialect))
def test_an_export_that_stays_short_is_doubtful_and_never_fewer_flows(
    start: Start, connect: Connect, dialect: Dialect
) -> None:
    server = start(dialect=dialect)
    server.seed(flows=[flow("a").decode()])
    empty = "PK\x05\x06" + "\x00" * 18
    server.arm(Fault(target="/flows/export", status=200, body=empty, times=None))
    with pytest.raises(Doubtful, match="fewer than the search lists"):
        connect(server).flows()


def test_an_export_that_was_short_once_is_asked_for_again(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a").decode()])
    server.arm(Fault(target="/flows/export", status=200, body="PK\x05\x06" + "\x00" * 18))
    assert set(side.flows().texts) == {flow_key("a")}


def test_an_export_of_something_else_is_doubtful(server: SandboxServer, side: KestraSide) -> None:
    server.seed(flows=[flow("a", "other").decode()])
    real = side.flows().texts
    assert real
    server.arm(Fault(target="/flows/export", status=200, body="no archive", times=None))
    with pytest.raises(Doubtful, match="no whole ZIP archive"):
        side.flows()


def test_a_flow_without_a_readable_identity_is_a_problem_and_not_a_flow(
    server: SandboxServer, side: KestraSide
) -> None:
    server.apply({"flows": [{"source": "just: text\n", "namespace": "a", "id": "b"}]})
    found = side.flows()
    assert found.texts == {}
    assert [problem.code for problem in found.problems] == [Code.NO_ID]
    assert "a-b.yml" in found.problems[0].where


@pytest.mark.parametrize("dialect", list(Dialect))
def test_the_search_tells_which_flow_has_no_readable_identity(
    start: Start, connect: Connect, dialect: Dialect
) -> None:
    server = start(dialect=dialect)
    server.apply(
        {"flows": [flow("c").decode(), {"source": "just: text\n", "namespace": "a-b", "id": "c"}]}
    )
    found = connect(server).flows()
    assert (set(found.texts), found.unplaced) == ({flow_key("c")}, 0)
    assert found.unnamed == {Key("a-b", Kind.FLOW, "c")}


def test_a_flow_without_identity_that_the_search_does_not_list_is_not_placed(
    server: SandboxServer, side: KestraSide
) -> None:
    server.apply({"flows": [{"source": "just: text\n", "namespace": "a", "id": "b"}]})
    server.arm(
        Fault(target="/flows/search", status=200, body='{"results":[],"total":0}', times=None)
    )
    found = side.flows()
    assert (found.unnamed, found.unplaced) == (frozenset(), 1)


def test_files_come_with_exact_bytes_and_without_flows(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a").decode()])
    server.seed(
        files=[
            {"namespace": NAMESPACE, "path": "/a/b.bin", "base64": "AAH/Cg0="},
            {"namespace": NAMESPACE, "path": "/sp ace.txt", "text": ""},
            {"namespace": NAMESPACE, "path": "/_flowsx.txt", "text": "x"},
            {"namespace": f"{NAMESPACE}.child", "path": "/c", "text": "c"},
        ]
    )
    expected = {"a/b.bin": b"\x00\x01\xff\n\r", "sp+ace.txt": b"", "_flowsx.txt": b"x"}
    assert side.files(NAMESPACE).contents == expected
    assert side.files("nobody.here") == ({}, {})


def test_files_are_read_one_by_one_where_their_export_fails(
    server: SandboxServer, side: KestraSide
) -> None:
    names = ["a/b.txt", "sp ace.txt", "pl+us.txt", "\u00e9.txt", "q?&=.txt"]
    server.seed(
        files=[{"namespace": NAMESPACE, "path": f"/{name}", "text": name} for name in names]
    )
    exported = side.files(NAMESPACE).contents
    server.arm(Fault(target="/files/export", status=500, times=None))
    assert side.files(NAMESPACE).contents == exported
    assert set(exported) == {
        "a/b.txt",
        "sp+ace.txt",
        "pl+us.txt",
        "\u00e9.txt",
        "q?&=.txt",
    }


@pytest.mark.parametrize("status", [404, 500])
def test_a_listed_file_that_cannot_be_read_is_doubtful(
    server: SandboxServer, side: KestraSide, status: int
) -> None:
    server.seed(files=[{"namespace": NAMESPACE, "path": f"/{n}", "text": n} for n in "ab"])
    server.arm(Fault(target="/files/export", status=500, times=None))
    server.arm(Fault(target=r"/files\?path=/b", status=status, times=None))
    with pytest.raises(Doubtful, match=r"file b of company\.team is listed and cannot be read"):
        side.files(NAMESPACE)


def test_a_file_is_never_the_page_of_a_proxy(server: SandboxServer, side: KestraSide) -> None:
    server.seed(files=[{"namespace": NAMESPACE, "path": "/a.html", "text": "<html>mine</html>"}])
    assert side.files(NAMESPACE).contents == {"a.html": b"<html>mine</html>"}
    page = {"content-type": "text/html"}
    server.arm(Fault(target="/files", status=200, headers=page, body="<html>", times=None))
    with pytest.raises(Doubtful, match="an HTML page"):
        side.files(NAMESPACE)


def test_dashboards_come_with_exact_bytes_in_one_list(
    server: SandboxServer, side: KestraSide
) -> None:
    texts = {"one": dashboard("one"), "two": dashboard("two").replace(b"\n", b"\r\n")}
    server.seed(dashboards=[text.decode() for text in texts.values()])
    side.identity()
    server.reset_log()
    assert side.dashboards() == texts
    assert paths(server) == ["GET /main/dashboards"]


def test_a_list_without_texts_is_completed_one_by_one_and_old_texts_get_their_id(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(dashboards=[dashboard("one").decode(), dashboard("two").decode()])
    old = dashboard(None).decode()
    rows = [{"id": "one"}, {"id": "old", "sourceCode": old}]
    server.arm(
        Fault(target=r"/dashboards\?", status=200, body=json.dumps({"results": rows, "total": 2}))
    )
    assert side.dashboards() == {"one": dashboard("one"), "old": b"id: old\n" + old.encode()}


@pytest.mark.parametrize("status", [404, 405])
def test_a_kind_that_the_server_does_not_offer_is_unsupported(
    start: Start, connect: Connect, status: int
) -> None:
    server = start(unsupported=("dashboards", "files"), unsupported_status=status)
    side = connect(server)
    with pytest.raises(Unsupported, match="dashboards"):
        side.dashboards()
    with pytest.raises(Unsupported, match="files"):
        side.files(NAMESPACE)


def test_namespaces_come_from_all_pages_with_parents(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a", f"n{number}.x").decode() for number in range(5)])
    rows = whole_list(side._client, ("namespaces", "search"), size=3)
    expected = sorted([*(f"n{n}" for n in range(5)), *(f"n{n}.x" for n in range(5)), "system"])
    assert [row["id"] for row in rows] == expected
    assert side.namespaces() == tuple(expected)


def page(ids: list[str], total: int) -> str:
    return json.dumps({"results": [{"id": one} for one in ids], "total": total})


@pytest.mark.parametrize(
    ("second", "why"),
    [
        (page([], 0), "then 0 on page 2"),
        (page([], 5), "then an empty page"),
        (page(["c"], 4), "said 5 in all, then 4"),
        (page(["c", "a", "d"], 5), "4 names"),
        (page(["c", "d", "e", "f"], 5), "gave 6 rows"),
        ('{"results": {}}', "did not answer a page"),
        ('{"results": ["a"], "total": 5}', "no objects"),
        ("[]", "did not answer a page"),
        ("<html>", "no JSON"),
    ],
)
def test_a_list_whose_pages_do_not_add_up_is_doubtful(
    server: SandboxServer, side: KestraSide, second: str, why: str
) -> None:
    server.arm(Fault(target="page=1", status=200, body=page(["a", "b"], 5)))
    server.arm(Fault(target="page=2", status=200, body=second))
    with pytest.raises(Doubtful, match=why):
        whole_list(side._client, ("namespaces", "search"), size=2)


def test_a_page_that_fails_fails_the_list(server: SandboxServer, side: KestraSide) -> None:
    server.seed(flows=[flow("a", f"n{number}").decode() for number in range(5)])
    server.arm(Fault(target="page=2", status=503, times=None))
    with pytest.raises(Busy, match="503"):
        whole_list(side._client, ("namespaces", "search"), size=2)


def test_an_answer_that_breaks_off_is_read_again_and_then_given_up(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a").decode()])
    cut = server.arm(Fault(target="/flows/export", truncate=40))
    assert set(side.flows().texts) == {flow_key("a")}
    assert server.hits(cut) == 1
    server.arm(Fault(target="/flows/export", truncate=40, times=None))
    with pytest.raises(Unreachable, match="the connection broke"):
        side.flows()


def test_the_last_revision_of_a_flow_is_told_in_words(
    server: SandboxServer, side: KestraSide
) -> None:
    server.seed(flows=[flow("a").decode()])
    first = side.revision(flow_key("a"))
    assert first is not None and first.startswith("revision 1 of 20")
    server.apply({"delete_flows": [{"namespace": NAMESPACE, "id": "a"}]})
    gone = side.revision(flow_key("a"))
    assert gone is not None and gone.startswith("deleted in revision 2")
    assert side.revision(flow_key("never")) is None
