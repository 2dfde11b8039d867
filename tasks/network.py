"""How is an address reached over the network of a company: authorities, client certificate, proxy?
The fields that both sides have, and the proxy that they lead to."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, StringConstraints, model_validator

from tasks.errors import ConfigError
from tasks.hiding import forms
from tasks.record import Record
from tasks.secret import FilePath, Secret, Text

#: Ports that are meant where an address names none.
PORTS = {"http": 80, "https": 443}


class Network(Record, use_attribute_docstrings=True):
    """What lies between this machine and an http or https address."""

    ca_file: FilePath | None = None
    """https: path of a PEM file with the only authorities to trust; default: those of the system
    and of `SSL_CERT_FILE`."""
    client_certificate: FilePath | None = None
    """https: path of the PEM certificate that shows who we are, its chain after it."""
    client_key: FilePath | None = None
    """https: path of the private key of `clientCertificate`, where it is not in the same file."""
    client_key_passphrase: Secret | None = None
    """https: what the private key is encrypted with."""
    proxy: (
        Annotated[
            str, StringConstraints(pattern=r"^https?://([^\s/?#@:]+|\[[0-9a-fA-F:]+\]):\d+/?$")
        ]
        | None
    ) = None
    """Address of the proxy, `http://HOST:PORT` or `https://HOST:PORT`; default: for https addresses
    what `HTTPS_PROXY` or `ALL_PROXY` says."""
    proxy_username: Text | None = None
    """Login name at the proxy, with `proxyPassword`."""
    proxy_password: Secret | None = None
    """The password that belongs to `proxyUsername`."""
    no_proxy: tuple[Text, ...] = ()
    """Hosts (with all below them), addresses and networks (`10.0.0.0/8`) that are reached without
    a proxy, besides those of `NO_PROXY`; `*` is all of them."""
    connect_timeout: Annotated[float, Field(gt=0, le=300)] = 10.0
    """Seconds until a connection that does not open is given up."""

    @model_validator(mode="after")
    def _belong_together(self) -> Network:
        if self.client_key is not None and self.client_certificate is None:
            raise ValueError("clientKey has no certificate; add clientCertificate")
        if self.client_key_passphrase is not None and self.client_certificate is None:
            raise ValueError("clientKeyPassphrase opens nothing; add clientCertificate")
        if (self.proxy_username is None) != (self.proxy_password is None):
            raise ValueError("proxyUsername and proxyPassword belong together")
        if self.proxy_username is not None and self.proxy is None:
            raise ValueError("proxyUsername is for the proxy of this connection; add proxy")
        return self

    def tls_fields(self) -> list[str]:
        """The names of the given fields that only an https address uses."""
        given = {"caFile": self.ca_file, "clientCertificate": self.client_certificate}
        return [name for name, value in given.items() if value is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy to be used now; `origin` says where it was named."""

    scheme: str
    host: str
    port: int
    origin: str
    username: str | None = None
    password: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """Its address, without login."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    @property
    def asking(self) -> str:
        """Its address with the login name, as git takes it and asks for the password."""
        if self.username is None:
            return self.url
        return self.url.replace("://", f"://{quote(self.username, safe='')}@", 1)

    @property
    def secrets(self) -> tuple[str, ...]:
        """The forms in which its password may be said back."""
        return forms(self.password or "", self.username or "")

    def __str__(self) -> str:
        return f"the proxy {self.url} ({self.origin})"


def proxy_of(network: Network, url: str, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy that leads to an http or https address; None = straight there.

    What the connection says goes first. Where it names no proxy, the standard variables count for
    https alone: a proxy reads all of a plain http request, the login included, and a variable that
    somebody set for other programs must not lead it there. Raises ConfigError for a variable that
    names no http or https proxy, and where the password is not there.
    """
    parts = urlsplit(url)
    host, port = (parts.hostname or "").lower(), parts.port or PORTS[parts.scheme]
    if excepted(host, port, [*network.no_proxy, *_listed(environ)]):
        return None
    if network.proxy is not None:
        return _configured(network, network.proxy)
    if parts.scheme != "https":
        return None
    return _of_variable(environ)


def excepted(host: str, port: int, exceptions: Iterable[str]) -> bool:
    """Whether a host is one of the exceptions: `*`, a name and all names below it, an address or a
    network; each may have a port."""
    return any(_is_meant(host, port, one.strip().lower()) for one in exceptions)


def _is_meant(host: str, port: int, one: str) -> bool:
    if one == "*":
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(one.strip("[]"), strict=False)
    except ValueError:
        pass
    name, colon, digits = one.rpartition(":")
    if colon and digits.isdecimal():
        return int(digits) == port and _is_meant(host, port, name)
    name = one.removeprefix("*").lstrip(".")
    return bool(name) and (host == name or host.endswith(f".{name}"))


def _listed(environ: Mapping[str, str]) -> list[str]:
    text = environ.get("no_proxy") or environ.get("NO_PROXY") or ""
    return [one for one in text.replace(" ", ",").split(",") if one]


def _configured(network: Network, proxy: str) -> Proxy:
    parts = urlsplit(proxy)
    password = network.proxy_password
    return Proxy(
        scheme=parts.scheme,
        host=parts.hostname or "",
        port=parts.port or PORTS[parts.scheme],
        origin="proxy of this connection",
        username=network.proxy_username,
        password=password.line() if password else None,
    )


def _of_variable(environ: Mapping[str, str]) -> Proxy | None:
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        if value := environ.get(name):
            return _read_variable(name, value)
    return None


def _read_variable(name: str, value: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        port = parts.port
    except ValueError:
        raise _unreadable(name) from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise _unreadable(name)
    return Proxy(
        scheme=parts.scheme,
        host=parts.hostname,
        port=port or PORTS[parts.scheme],
        origin=f"{name} of the worker",
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or "") if parts.username else None,
    )


def _unreadable(name: str) -> ConfigError:
    # The value may hold a password.
    return ConfigError(
        f"{name} of the worker names no http:// or https:// proxy; correct it, or give the "
        'connection its own proxy, or none by noProxy: ["*"]'
    )
