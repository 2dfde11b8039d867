"""Proxies and their exceptions, on both sides, through a real proxy program."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import quote

import pytest

from tasks.errors import ConfigError, LoginRefused, Refused, Unreachable
from tests.integration.network.conftest import TOKEN, Authority, Reach
from tests.integration.network.front import Front
from tests.integration.network.proxy import Proxy
from tests.ports import free_port

USER, PASSWORD = "svc name@corp", "pr0xy+s3cret/%"
LOGIN = {"proxyUsername": USER, "proxyPassword": {"env": "PROXY_PASSWORD"}}


@pytest.fixture(autouse=True)
def _password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROXY_PASSWORD", PASSWORD)


@pytest.fixture
def front(reach: Reach, authority: Authority) -> Front:
    return reach.front(authority.server())


@pytest.fixture
def trust(authority: Authority) -> dict[str, str]:
    return {"caFile": str(authority.file)}


def through(front: Front) -> str:
    return front.url.removeprefix("https://")


def test_https_goes_through_a_tunnel_of_the_proxy(
    reach: Reach, front: Front, trust: dict[str, str]
) -> None:
    proxy = reach.proxy()
    reach.look(front.url, proxy=proxy.url, **trust)
    assert set(proxy.tunnels) == {through(front)} and not proxy.forwarded
    assert TOKEN.encode() not in b"".join(proxy.heads)
    assert b"\r\nauthorization:" not in b"".join(proxy.heads).lower()


def test_the_proxy_gets_its_login(reach: Reach, front: Front, trust: dict[str, str]) -> None:
    proxy = reach.proxy((USER, PASSWORD))
    reach.look(front.url, proxy=proxy.url, **LOGIN, **trust)
    assert set(proxy.tunnels) == {through(front)}


def test_a_proxy_by_https_is_held_to_the_same_authority(
    reach: Reach, front: Front, authority: Authority, stranger: Authority, trust: dict[str, str]
) -> None:
    proxy = reach.proxy((USER, PASSWORD), context=authority.server())
    reach.look(front.url, proxy=proxy.url, **LOGIN, **trust)
    assert set(proxy.tunnels) == {through(front)}
    other = reach.proxy((USER, PASSWORD), context=stranger.server())
    with pytest.raises(ConfigError, match=r"of the proxy https://127\.0\.0\.1"):
        reach.look(front.url, proxy=other.url, **LOGIN, **trust)


def test_plain_http_goes_through_the_proxy_that_the_connection_names(reach: Reach) -> None:
    proxy = reach.proxy((USER, PASSWORD))
    reach.look(reach.plain, proxy=proxy.url, **LOGIN)
    assert set(proxy.forwarded) == {reach.plain.removeprefix("http://")}


@pytest.mark.parametrize(
    "exception", ["127.0.0.1", "127.0.0.0/8", "*", "127.0.0.1:{port}", "a.example, 127.0.0.1"]
)
def test_exceptions_go_straight(
    reach: Reach, front: Front, trust: dict[str, str], exception: str
) -> None:
    proxy = reach.proxy()
    exceptions = exception.format(port=front.url.rsplit(":", 1)[1]).split(", ")
    reach.look(front.url, proxy=proxy.url, noProxy=exceptions, **trust)
    assert front.taken and not proxy.tunnels


def test_another_exception_does_not_count(
    reach: Reach, front: Front, trust: dict[str, str]
) -> None:
    proxy = reach.proxy()
    others = ["10.0.0.0/8", "7.0.0.1", "example.org", "127.0.0.1:1"]
    reach.look(front.url, proxy=proxy.url, noProxy=others, **trust)
    assert proxy.tunnels


@pytest.mark.parametrize("wrong", [{}, {**LOGIN, "proxyPassword": {"env": "SYNC_TOKEN"}}])
def test_a_refused_login_is_named_as_the_fault_of_the_proxy(
    reach: Reach, front: Front, trust: dict[str, str], wrong: dict[str, object]
) -> None:
    proxy = reach.proxy((USER, PASSWORD))
    for url, more in ((front.url, trust), (reach.plain, {})):
        with pytest.raises(LoginRefused, match=r"does not accept the login \(407\)") as no:
            reach.look(url, proxy=proxy.url, **wrong, **more)
        assert f"the proxy {proxy.url} (proxy of this connection)" in no.value.message
        assert "proxyUsername and proxyPassword" in no.value.message
        assert TOKEN not in no.value.message
    assert not proxy.tunnels and not proxy.forwarded


def test_a_proxy_that_does_not_let_through_is_named(
    reach: Reach, front: Front, trust: dict[str, str]
) -> None:
    proxy = reach.proxy(closed=("127.0.0.1",))
    with pytest.raises(Refused, match=r"does not let us through to 127\.0\.0\.1 \(403\)") as no:
        reach.look(front.url, proxy=proxy.url, **trust)
    assert "noProxy" in no.value.message


def test_a_proxy_that_does_not_reach_the_server_is_named(
    reach: Reach, trust: dict[str, str]
) -> None:
    proxy = reach.proxy()
    with pytest.raises(Unreachable, match=r"proxy .* does not reach 127\.0\.0\.1 \(502\)"):
        reach.look(f"https://127.0.0.1:{free_port()}", proxy=proxy.url, **trust)


def test_a_proxy_that_is_away_is_named(reach: Reach, front: Front, trust: dict[str, str]) -> None:
    away = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(Unreachable, match=f"the proxy {away} .* cannot be reached"):
        reach.look(front.url, proxy=away, **trust)
    with pytest.raises(Unreachable, match=r"proxy http://proxy\.invalid:3128 .* cannot be rea"):
        reach.look(front.url, proxy="http://proxy.invalid:3128", **trust)


def test_a_password_that_curl_would_misread_is_refused_for_git(
    reach: Reach, front: Front, trust: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_PASSWORD", "a%41b")
    proxy = reach.proxy((USER, "a%41b"))
    if reach.kind == "kestra":
        return reach.look(front.url, proxy=proxy.url, **LOGIN, **trust)
    with pytest.raises(ConfigError, match="choose another password") as no:
        reach.look(front.url, proxy=proxy.url, **LOGIN, **trust)
    assert "%41" not in no.value.message and not proxy.heads
    return None


# -- the variables of the environment ----------------------------------------------------------


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_the_standard_variables_lead_https_through_a_proxy(
    reach: Reach,
    front: Front,
    trust: dict[str, str],
    name: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = reach.proxy((USER, PASSWORD))
    login = f"{quote(USER, safe='')}:{quote(PASSWORD, safe='')}"
    monkeypatch.setenv(name, proxy.url.replace("//", f"//{login}@"))
    reach.look(front.url, **trust)
    assert set(proxy.tunnels) == {through(front)}


def test_a_variable_never_leads_a_plain_login_to_a_proxy(
    reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = reach.proxy()
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, proxy.url)
    reach.look(reach.plain)
    assert not proxy.heads


def test_the_connection_goes_before_the_variables(
    reach: Reach, front: Front, trust: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = reach.proxy(), reach.proxy()
    monkeypatch.setenv("HTTPS_PROXY", theirs.url)
    reach.look(front.url, proxy=ours.url, **trust)
    assert ours.tunnels and not theirs.heads
    reach.look(front.url, noProxy=["*"], **trust)
    assert not theirs.heads
    monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
    reach.look(front.url, **trust)
    assert not theirs.heads


def test_a_variable_with_another_kind_of_proxy_is_named_without_its_value(
    reach: Reach, front: Front, trust: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://user:hunter2@127.0.0.1:1080")
    with pytest.raises(ConfigError, match="ALL_PROXY of the worker names no http:// or") as no:
        reach.look(front.url, **trust)
    assert "hunter2" not in no.value.message


# -- time limits -------------------------------------------------------------------------------


@pytest.fixture
def deaf() -> Iterator[int]:
    """A port whose line is full: connections to it neither open nor fail."""
    with ExitStack() as exits:
        listener = exits.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            one = exits.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_connection_that_does_not_open_is_given_up(reach: Reach, deaf: int, scheme: str) -> None:
    # The limit for the whole is far above that of the test: only the one of opening can end it.
    slow = {"timeout": 600, "connectTimeout": 0.3}
    with pytest.raises(Unreachable, match="no connection"):
        reach.look(f"{scheme}://127.0.0.1:{deaf}", **slow)


def test_a_proxy_that_does_not_open_is_given_up_and_named(reach: Reach, deaf: int) -> None:
    slow = {"timeout": 600, "connectTimeout": 0.3}
    with pytest.raises(Unreachable, match=f"the proxy http://127.0.0.1:{deaf} .*no connection"):
        reach.look("https://127.0.0.1:1", proxy=f"http://127.0.0.1:{deaf}", **slow)


def test_a_secret_that_is_not_there_is_named_before_the_proxy_is_asked(
    reach: Reach, front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROXY_PASSWORD")
    proxy = reach.proxy((USER, PASSWORD))
    with pytest.raises(ConfigError, match="environment variable PROXY_PASSWORD is not set"):
        reach.look(front.url, proxy=proxy.url, **LOGIN)
    assert not proxy.heads
    monkeypatch.setenv("PROXY_PASSWORD", "two\nlines")
    with pytest.raises(ConfigError, match="PROXY_PASSWORD holds a line end") as no:
        reach.look(front.url, proxy=proxy.url, **LOGIN)
    assert "lines" not in no.value.message.replace("one line", "")


def test_the_proxy_program_itself_refuses_and_counts() -> None:
    """What the other tests rely on."""
    with Proxy((USER, PASSWORD)) as proxy, socket.create_connection(("127.0.0.1", proxy.port)) as c:
        c.sendall(b"CONNECT 127.0.0.1:1 HTTP/1.1\r\n\r\n")
        assert c.recv(1000).startswith(b"HTTP/1.1 407")
        assert proxy.refused == [407]
