"""How does this process open a channel to an http or https address, and what keeps it from that?"""

from __future__ import annotations

import os
import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import httpx

from tasks import tls
from tasks.errors import Doubtful, LoginRefused, Refused, TenantSyncError, Unreachable
from tasks.network import PORTS, Network, Proxy, proxy_of
from tasks.visible import visible_line

#: How answers may be packed. httpx unpacks a piece of 64 KiB at once: once packed it is 64 MiB at
#: most, packed twice (`gzip, gzip`) or by brotli it could fill the memory.
PACKINGS = ("gzip", "identity", "")


def channel(network: Network, url: str, context: ssl.SSLContext | None = None) -> httpx.Client:
    """An HTTP client with one connection, for one address. Nothing of the environment counts but
    what `proxy_of` and `tls.trusting` read.

    `context` is the one of `tls.context`, where it is at hand. Raises ConfigError for what is
    missing or wrong.
    """
    proxy = proxy_of(network, url, os.environ)
    return httpx.Client(
        verify=context or tls.context(network),
        proxy=None if proxy is None else _through(network, proxy),
        trust_env=False,
        limits=httpx.Limits(max_connections=1, max_keepalive_connections=1),
        headers={"User-Agent": "tenantsync", "Accept-Encoding": "gzip"},
    )


def pieces(response: httpx.Response, limit: int) -> Iterator[bytes]:
    """The body of an answer that is read as it comes, unpacked.

    Raises Doubtful when it has more than `limit` bytes, whatever its headers promise, or is packed
    in a way that was not asked for.
    """
    packing = response.headers.get("content-encoding", "").strip().lower()
    if packing not in PACKINGS:
        shown = visible_line(packing[:40])
        raise Doubtful(f"the answer is packed by {shown}, which was not asked for")
    size = 0
    for piece in response.iter_bytes():
        size += len(piece)
        if size > limit:
            raise Doubtful(f"the answer has more than {limit} bytes")
        yield piece


#: Bytes of an answer of the API of a forge: tokens, branches and rules.
API_LIMIT = 1 << 20


def asked(http: httpx.Client, request: httpx.Request) -> tuple[int, bytes]:
    """Status and body of the answer to a small request. Raises httpx.RequestError when there is
    none, and Doubtful as `pieces` does, for more than `API_LIMIT` bytes."""
    response = http.send(request, stream=True)
    try:
        return response.status_code, b"".join(pieces(response, API_LIMIT))
    finally:
        response.close()


def _through(network: Network, proxy: Proxy) -> httpx.Proxy:
    login = None if proxy.username is None else (proxy.username, proxy.password or "")
    context = tls.trusting(network) if proxy.scheme == "https" else None
    return httpx.Proxy(proxy.url, auth=login, ssl_context=context)


def opening(network: Network, url: str) -> tuple[int, bool]:
    """How many steps open a connection, each within its own limit (TCP, and TLS with the proxy and
    with the address), and whether a proxy is asked for a tunnel between them."""
    proxy, secure = proxy_of(network, url, os.environ), url.startswith("https://")
    steps = 1 + secure + (proxy is not None and proxy.scheme == "https")
    return steps, secure and proxy is not None


def fault(error: httpx.RequestError, network: Network, url: str) -> TenantSyncError | None:
    """What certificates or the proxy have to do with a failed request; None = nothing."""
    proxy = proxy_of(network, url, os.environ)
    if isinstance(error, httpx.ProxyError) and proxy is not None:
        return turned_away(proxy, url, str(error)[:3])
    if found := tls.explained(error, network, _place(url, proxy, error)):
        return found
    if proxy is not None and isinstance(error, (httpx.ConnectError, httpx.ConnectTimeout)):
        return Unreachable(_not_open(proxy, url, str(error)))
    return None


def _not_open(proxy: Proxy, url: str, why: str) -> str:
    # These come after the proxy has answered, when TLS begins.
    if re.search(r"handshake|reset by peer|EOF|[Bb]roken pipe", why):
        return f"{urlsplit(url).hostname} behind {proxy} did not open the connection: {why}"
    why = "no connection in time" if why in {"", "timed out"} else why
    return f"{proxy} cannot be reached: {why}. Is it up, and is its address right?"


def turned_away(proxy: Proxy, url: str, status: str) -> TenantSyncError:
    """What it means that a proxy itself answered by this status."""
    host = urlsplit(url).hostname
    if status == "407":
        return LoginRefused(
            f"{proxy} does not accept the login (407); check proxyUsername and proxyPassword"
        )
    if status.startswith("5"):
        return Unreachable(f"{proxy} does not reach {host} ({status}); ask its operator")
    return Refused(
        f"{proxy} does not let us through to {host} ({status}); let its operator allow it, "
        f"or add {host} to noProxy if it can be reached without"
    )


def _place(url: str, proxy: Proxy | None, error: BaseException) -> str:
    """Whose certificate a failed handshake was about; a proxy by https has one of its own."""
    host = urlsplit(url).hostname or ""
    if proxy is not None and proxy.scheme == "https":
        return f"{host} or of {proxy}"
    return host


def knock(network: Network, url: str) -> None:
    """Opens a connection and closes it. Raises Unreachable after `connect_timeout` seconds; it is
    for programs that have no such limit of their own."""
    proxy = proxy_of(network, url, os.environ)
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    if proxy is not None:
        host, port = proxy.host, proxy.port
    try:
        socket.create_connection((host, port), network.connect_timeout).close()
    except OSError as error:
        where = str(proxy) if proxy is not None else f"{host} port {port}"
        why = f"no connection within {network.connect_timeout:g} s"
        why = why if isinstance(error, TimeoutError) else str(error.strerror or error)
        raise Unreachable(f"{where} cannot be reached: {why}") from None


def problem(network: Network, url: str) -> TenantSyncError | None:
    """What certificates or the proxy keep us from, tried now without a login; None = nothing.

    It is for programs that do not say it themselves.
    """
    try:
        with (
            channel(network, url) as http,
            http.stream("GET", url, timeout=network.connect_timeout) as answer,
        ):
            status = answer.status_code
    except httpx.RequestError as error:
        return fault(error, network, url)
    except TenantSyncError as error:
        return error
    proxy = proxy_of(network, url, os.environ)
    if proxy is not None and status == 407:
        return turned_away(proxy, url, "407")
    return None
