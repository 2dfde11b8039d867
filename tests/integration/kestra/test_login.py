"""Who may ask, and that no secret is ever told."""

from __future__ import annotations

import base64
import pickle
import traceback
from pathlib import Path

import pytest

from sandbox.faults import Fault
from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER, Login
from tasks.artifacts import Key, Kind
from tasks.connections import KestraConnection, Secret
from tasks.errors import (
    ConfigError,
    LoginRefused,
    NotFound,
    Refused,
    TenantSyncError,
)
from tasks.kestra.answers import MESSAGE_LIMIT
from tasks.kestra.calls import get
from tasks.kestra.side import KestraSide
from tests.integration.kestra.conftest import Connect, Start
from tests.integration.kestra.samples import flow
from tests.reflector import Reflector, said_back

SEARCH = get("flows", "search")
SECRET = "Very-Secret-1"


def login(**fields: object) -> dict[str, object]:
    return {"username": "somebody@example.org", "password": Secret(env="KESTRA_OTHER"), **fields}


def test_a_wrong_password_is_refused_although_configs_is_open(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_OTHER", SECRET)
    server = start(wrong_password_seconds=0)
    side = connect(server, **login())
    with pytest.raises(LoginRefused, match="401") as caught:
        side.identity()
    assert "Check the login" in str(caught.value)
    assert len(server.log()) == 2, "a refused login is not tried again"


def test_a_token_is_sent_as_bearer(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_TOKEN", SECRET)
    server = start(logins=(Login(name="robot", token=SECRET),))
    side = connect(server, token=Secret(env="KESTRA_TOKEN"))
    assert side.identity().uuid
    assert server.log()[-1]["login"] == "robot"


def test_a_secret_that_is_not_there_is_named_and_nothing_is_sent(
    server: SandboxServer, connect: Connect
) -> None:
    side = connect(server, token=Secret(env="KESTRA_NOWHERE"))
    with pytest.raises(ConfigError, match="KESTRA_NOWHERE"):
        side.identity()
    assert server.log() == []


def test_a_token_with_a_line_end_inside_is_named_without_its_text(
    server: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_TOKEN", f"{SECRET}\nmore")
    with pytest.raises(ConfigError, match="KESTRA_TOKEN") as caught:
        connect(server, token=Secret(env="KESTRA_TOKEN")).identity()
    assert SECRET not in "".join(traceback.format_exception(caught.value))


def test_a_renewed_secret_is_read_after_a_refusal(
    start: Start, connect: Connect, tmp_path: Path
) -> None:
    server = start(wrong_password_seconds=0)
    place = tmp_path / "password"
    place.write_text("old\n")
    side = connect(server, username=DEFAULT_USER, password=Secret(file=str(place)))
    with pytest.raises(LoginRefused):
        side.identity()
    place.write_text(f"{DEFAULT_PASSWORD}\n")
    assert side.identity().edition == "OSS"


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 429, 500, 503])
def test_no_secret_is_in_an_error_even_where_the_server_says_it_back(
    server: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setenv("KESTRA_OTHER", SECRET)
    server.switch(logins=[{"name": "somebody@example.org", "password": SECRET}])
    side = connect(server, **login())
    body = '{"message": "you sent %s", "_embedded": {"errors": [{"message": "%s"}]}}'
    server.arm(Fault(target="/flows", status=status, body=body % (SECRET, SECRET), times=None))
    with pytest.raises(TenantSyncError) as caught:
        side.flows()
    shown = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(side)
    assert "you sent ***" in shown
    assert SECRET not in shown
    assert pickle.loads(pickle.dumps(caught.value)).message == caught.value.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500, 503])
@pytest.mark.parametrize("kept", [None, 6, len(SECRET) - 1])
def test_no_form_of_a_secret_is_in_an_error_even_where_it_is_cut(
    monkeypatch: pytest.MonkeyPatch, status: int, kept: int | None
) -> None:
    monkeypatch.setenv("KESTRA_OTHER", SECRET)
    header = base64.b64encode(f"somebody@example.org:{SECRET}".encode()).decode()
    place = "; ".join(said_back(f"Basic {header}")).index(SECRET)
    before = MESSAGE_LIMIT - place - kept if kept else 0
    with Reflector(status, filler="x" * before) as server:
        side = KestraSide(KestraConnection(url=server.url, **login()))
        with pytest.raises(TenantSyncError) as caught:
            side.flows()
        side.close()
    assert len({one for one in server.told if SECRET in one}) > 2
    shown = caught.value.message.lower()
    assert "x" * before in shown
    assert not [one for one in server.told if one.lower() in shown], shown
    assert SECRET[:6].lower() not in shown


def test_no_secret_is_in_what_a_server_finds_wrong_with_a_text(
    server: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_OTHER", SECRET)
    server.switch(logins=[{"name": "somebody@example.org", "password": SECRET}])
    found = f'[{{"index": 0, "constraints": "not by {SECRET}"}}]'
    server.arm(Fault(target="/validate", status=200, body=found, times=None))
    side = connect(server, **login())
    key = Key("a", Kind.FLOW, "b")
    assert side.validate(Kind.FLOW, {key: flow("a")}) == {key: "not by ***"}


def test_no_secret_is_in_the_address_of_a_redirection(
    server: SandboxServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_OTHER", SECRET)
    server.switch(logins=[{"name": "somebody@example.org", "password": SECRET}])
    there = {"location": f"http://{SECRET}.example.org/"}
    server.arm(Fault(target="/flows", status=302, headers=there))
    with pytest.raises(Refused, match=r"redirects to http://\*\*\*\.example\.org"):
        connect(server, **login())._client.read(SEARCH)


def test_another_tenant_than_main_is_not_found_and_the_remedy_is_named(
    server: SandboxServer, connect: Connect
) -> None:
    with pytest.raises(NotFound, match="Set tenant: main"):
        connect(server, tenant="other").identity()


def test_tenants_are_kept_apart(start: Start, connect: Connect) -> None:
    server = start(oss_strict=False, tenants=("main", "other"))
    server.seed(flows=[flow("a").decode()], tenant="other")
    assert len(connect(server, tenant="other").flows().texts) == 1
    assert len(connect(server).flows().texts) == 0


def test_a_namespace_that_the_login_may_not_see_is_refused_by_name(
    start: Start, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_TOKEN", SECRET)
    server = start(logins=(Login(name="robot", token=SECRET, namespaces=("a",)),))
    side = connect(server, token=Secret(env="KESTRA_TOKEN"))
    with pytest.raises(LoginRefused, match="namespaces/b/files/export answered 403"):
        side.files("b")


def test_a_login_never_follows_a_redirect_to_another_origin(
    server: SandboxServer, start: Start, side: KestraSide
) -> None:
    other = start()
    there = {"location": f"{other.url}/api/v1/main/flows/search"}
    server.arm(Fault(target="/flows", status=302, headers=there))
    with pytest.raises(Refused, match="is not followed; set url"):
        side._client.read(SEARCH)
    assert other.log() == []


def test_a_connection_is_shown_without_its_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KESTRA_TOKEN", SECRET)
    side = KestraSide(KestraConnection(url="http://a.b", token=Secret(env="KESTRA_TOKEN")))
    assert SECRET not in repr(side)
    assert "tenant main" in repr(side)
