"""What doctor says of a Kestra: real sandboxes, and small servers in between."""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator
from email.utils import formatdate
from time import time
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.faults import Fault
from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Dialect, Login, Settings
from tests.integration.doctor.patient import HttpServer, Patient, Told
from tests.texts import flow

TO_KESTRA = {"deploy": {"sourceOfTruth": "GIT", "branch": "main"}}
#: Nothing listens there.
REPOSITORY = {"flows": {"url": "http://127.0.0.1:9/flows.git"}}


@pytest.fixture
def server() -> Iterator[SandboxServer]:
    """A server with one namespace and its files."""
    with SandboxServer() as server:
        seed(server)
        yield server


def seed(server: SandboxServer, tenant: str = "main") -> None:
    file = {"namespace": "company.team", "path": "a.txt", "text": "a\n"}
    server.seed(flows=[flow("company.team", "one")], files=[file], tenant=tenant)


def ask(
    patient: Patient, url: str, *arguments: str, syncs: dict[str, Any] | None = None, **fields: Any
) -> Told:
    """Doctor, asked about a Kestra at this address."""
    login = {"username": DEFAULT_USER, "password": {"env": "KESTRA_PASSWORD"}}
    kestra = {"main": {"url": url, "timeout": 4, **login, **fields}}
    more = {} if syncs is None else {"repositories": REPOSITORY, "syncs": syncs}
    patient.configure(kestra=kestra, **more)
    return patient.told(*arguments, KESTRA_PASSWORD=DEFAULT_PASSWORD, KESTRA_WRONG="Wrong-pass-1")


def test_a_good_server_is_not_complained_of_and_only_read(
    patient: Patient, server: SandboxServer
) -> None:
    before = server.snapshot()
    server.reset_log()
    told = ask(patient, server.url, syncs=TO_KESTRA)
    assert {one.subject for one in told.bad} == {"repository flows"}
    told.has("ok", "kestra-version", "Kestra 1.3.25 OSS")
    told.has("ok", "kestra-kinds", "FLOW, FILE, DASHBOARD", "it also has KV")
    told.has("ok", "kestra-rights", "login accepted")
    told.has("ok", "kestra-namespaces", "shows 3 namespaces; system is the system's")
    told.has("note", "kestra-namespaces", "nothing but files")
    assert not told.of("kestra-clock")
    assert {one["method"] for one in server.log()} == {"GET"}
    assert server.snapshot() == before


def test_a_server_of_the_newest_line(patient: Patient) -> None:
    with SandboxServer(Settings(dialect=Dialect.V2_0)) as server:
        told = ask(patient, server.url)
    assert not told.bad
    told.has("ok", "kestra-kinds", "it also has drafts, KV")


def test_a_server_that_is_away(patient: Patient) -> None:
    told = ask(patient, "http://127.0.0.1:9")
    told.has("broken", "kestra", "no connection", "Is Kestra up, and is the url right?")


def test_a_server_that_never_answers_holds_up_nobody(
    patient: Patient, server: SandboxServer
) -> None:
    server.arm(Fault(target="flows", times=None, latency=60_000))
    told = ask(patient, server.url, "--timeout", "16")
    told.has("broken", "kestra", "no answer within 4 s")
    told.has("ok", "contents")


def test_a_look_that_takes_too_long_is_named(patient: Patient, server: SandboxServer) -> None:
    """No single call is too slow, but all of them together are."""
    server.arm(Fault(times=None, latency=2_500))
    told = ask(patient, server.url, "--timeout", "8")
    told.has("broken", "kestra", "ran out of time after 8 s", "--timeout")
    assert told.code == 1


def test_a_wrong_login(patient: Patient, server: SandboxServer) -> None:
    told = ask(patient, server.url, password={"env": "KESTRA_WRONG"})
    told.has("broken", "kestra", "401", "Check the login")
    assert "Wrong-pass-1" not in str(told)
    told = ask(patient, server.url, password={"env": "KESTRA_NOWHERE"})
    told.has("broken", "kestra", "KESTRA_NOWHERE is not set")


def test_a_tenant_that_is_not_there(patient: Patient, server: SandboxServer) -> None:
    told = ask(patient, server.url, tenant="other")
    told.has("broken", "kestra", "Tenant must be 'main'", "Set tenant: main")
    with SandboxServer(Settings(ee=True, oss_strict=False)) as enterprise:
        told = ask(patient, enterprise.url, tenant="other")
    told.has("broken", "kestra", "404", "Check the url and tenant")


def test_a_url_with_too_much_or_too_little(patient: Patient, server: SandboxServer) -> None:
    told = ask(patient, f"{server.url}/api/v1")
    told.has("broken", "kestra", "leave /ui and /api out of it")
    told = ask(patient, f"{server.url}/kestra")
    told.has("broken", "kestra", "has the prefix /kestra")


def between(server: SandboxServer, **headers: str) -> HttpServer:
    """A server that passes reads on below /kestra, with other headers in the answers."""
    place = urlsplit(server.url).netloc

    def answer(path: str) -> tuple[int, dict[str, str], bytes]:
        if not path.startswith("/kestra/"):
            return 404, {}, b""
        connection = http.client.HTTPConnection(place, timeout=10)
        connection.request("GET", path.removeprefix("/kestra"), headers={"Authorization": login})
        response = connection.getresponse()
        body = response.read()
        kept = {"Content-Type": response.headers.get("content-type", "application/json")}
        connection.close()
        return response.status, {**kept, **headers}, body

    login = f"Bearer {TOKEN}"
    return HttpServer(answer)


TOKEN = "Sandbox-Token-1"


@pytest.fixture
def tokens() -> Iterator[SandboxServer]:
    """A server that takes a token."""
    with SandboxServer(Settings(logins=(Login(name="robot", token=TOKEN),))) as server:
        seed(server)
        yield server


def test_an_api_under_a_prefix(patient: Patient, tokens: SandboxServer) -> None:
    with between(tokens) as proxy:
        assert not ask(patient, f"{proxy.url}/kestra").bad
        told = ask(patient, proxy.url)
    told.has("broken", "kestra", "404", "does Kestra stand under a prefix")


def test_a_login_page_in_between(patient: Patient) -> None:
    def page(path: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "text/html"}, b"<html>log in</html>"

    with HttpServer(page) as portal:
        ask(patient, portal.url).has("broken", "kestra", "HTML page", "login page before Kestra")
    elsewhere = {"Location": "https://login.example/start"}
    with HttpServer(lambda path: (302, elsewhere, b"")) as portal:
        ask(patient, portal.url).has("broken", "kestra", "redirects to https://login.example")


def test_something_that_is_no_kestra(patient: Patient) -> None:
    with HttpServer(lambda path: (200, {"Content-Type": "application/json"}, b"{}")) as other:
        ask(patient, other.url).has("broken", "kestra", "is it Kestra?")


@pytest.mark.parametrize(("seconds", "words"), [(-90, "s behind"), (3600, "s ahead of")])
def test_a_clock_that_is_off(
    patient: Patient, tokens: SandboxServer, seconds: int, words: str
) -> None:
    with between(tokens, Date=formatdate(time() + seconds, usegmt=True)) as proxy:
        told = ask(patient, f"{proxy.url}/kestra")
    told.has("note", "kestra-clock", words, "NTP")
    assert told.code == 0


@pytest.mark.parametrize(
    ("version", "level", "words"),
    [("0.22.3", "broken", "too old"), ("3.0.0", "warning", "newer than what"), ("?", "broken", "")],
)
def test_versions_outside_of_what_is_supported(
    patient: Patient, server: SandboxServer, version: str, level: str, words: str
) -> None:
    body = json.dumps({"uuid": "u", "version": version, "edition": "OSS"})
    json_type = {"content-type": "application/json"}
    server.arm(Fault(target="configs", times=None, status=200, headers=json_type, body=body))
    ask(patient, server.url).has(level, "kestra-version", words, version)


def test_kinds_that_are_not_offered(patient: Patient) -> None:
    with SandboxServer(Settings(unsupported=("dashboards", "kv"))) as server:
        told = ask(patient, server.url)
        told.has("ok", "kestra-kinds", "kinds: FLOW, FILE")
        told.has("note", "kestra-kinds", "no DASHBOARD")
        told = ask(patient, server.url, syncs=TO_KESTRA)
    told.has("broken", "kestra-kinds", "no DASHBOARD", "`kinds` of deploy")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("flows/search", ("may not read FLOW", "FLOW: LIST")),
        ("flows/export", ("may not read FLOW", "FLOW: EXPORT")),
        ("namespaces/search", ("may not list namespaces", "NAMESPACE: LIST")),
        ("files/search", ("may not read FILE", "MANAGE_FILES in company")),
        ("dashboards", ("may not read DASHBOARD", "DASHBOARD: LIST")),
    ],
)
def test_rights_that_are_missing(
    patient: Patient, server: SandboxServer, target: str, words: tuple[str, ...]
) -> None:
    server.arm(Fault(target=target, times=None, status=403))
    told = ask(patient, server.url, syncs=TO_KESTRA)
    told.has("broken", "kestra-rights", *words, "needed by deploy")
    assert [one.check for one in told.bad if one.subject == "kestra main"] == ["kestra-rights"] * (
        len(told.bad) - 1
    )


def test_a_right_that_no_sync_needs(patient: Patient, server: SandboxServer) -> None:
    server.arm(Fault(target="dashboards", times=None, status=403))
    flows_only = {"deploy": {**TO_KESTRA["deploy"], "kinds": ["FLOW"]}}
    told = ask(patient, server.url, syncs=flows_only)
    told.has("note", "kestra-rights", "may not read DASHBOARD")
    assert {one.subject for one in told.bad} == {"repository flows"}


def test_rights_to_write_are_listed_for_the_enterprise_edition(patient: Patient) -> None:
    with SandboxServer(Settings(ee=True, oss_strict=False)) as server:
        told = ask(patient, server.url, syncs=TO_KESTRA)
        told.has("note", "kestra-rights", "deploy need FLOW: IMPORT", "DASHBOARD: CREATE")
        told.has("ok", "kestra-kinds", "namespaces of their own")
        export = {"backup": {"sourceOfTruth": "KESTRA", "branch": "main"}}
        told = ask(patient, server.url, syncs=export)
    assert [one.level for one in told.of("kestra-rights")] == ["ok"]


def test_a_system_namespace_that_nothing_protects(patient: Patient, server: SandboxServer) -> None:
    server.switch(system_namespace="internal")
    told = ask(patient, server.url, syncs=TO_KESTRA)
    told.has("ok", "kestra-namespaces", "internal is the system's")
    bare = {"deploy": {**TO_KESTRA["deploy"], "protectedNamespaces": []}}
    told = ask(patient, server.url, syncs=bare)
    told.has("note", "kestra-namespaces", "internal is not protected either")


def test_a_system_namespace_that_is_not_shown(patient: Patient) -> None:
    login = Login(name=DEFAULT_USER, password=DEFAULT_PASSWORD, namespaces=("company",))
    with SandboxServer(Settings(ee=True, oss_strict=False, logins=(login,))) as server:
        seed(server)
        told = ask(patient, server.url)
    told.has("note", "kestra-namespaces", "system, is not shown")
    assert not told.bad
