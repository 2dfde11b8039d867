"""A Kestra and a Git server behind TLS, an authority of our own, and the sides that reach them."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import stamina
import trustme
from cryptography.hazmat.primitives import serialization

from sandbox.git_server import GitServer
from sandbox.server import SandboxServer
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tasks.connections import KestraConnection, RepositoryConnection
from tasks.kestra.side import KestraSide
from tasks.repo.side import RepoSide
from tests.integration.network.front import Front
from tests.integration.network.proxy import Proxy
from tests.integration.repo.bare import Bare

TOKEN = "tok-s3cr3t/with+signs"
PASSPHRASE = "p4ss phrase/é"
NAME = "acme/flows"
_VARIABLES = (
    "http_proxy", "https_proxy", "all_proxy", "no_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY",
    "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR", "GIT_SSL_CAINFO",
)  # fmt: skip


_ENDED = {
    "not_before": datetime(2020, 1, 1, tzinfo=UTC),
    "not_after": datetime(2021, 1, 1, tzinfo=UTC),
}


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing of the environment of this machine, secrets of the tests, no waits between tries."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SYNC_TOKEN", TOKEN)
    monkeypatch.setenv("KESTRA_PASSWORD", DEFAULT_PASSWORD)
    monkeypatch.setenv("KEY_PASSPHRASE", PASSPHRASE)
    stamina.set_testing(True, attempts=2, cap=True)
    yield
    stamina.set_testing(False)


@dataclass(frozen=True)
class Authority:
    """An authority: its PEM file, and the certificates that it gives."""

    file: Path
    ca: trustme.CA

    def server(self, *names: str, ended: bool = False, clients: Authority | None = None) -> Any:
        """The TLS settings of a server of these names; with `clients`, it wants a certificate of
        that authority of everybody."""
        dates = _ENDED if ended else {}
        certificate = self.ca.issue_cert(*(names or ("127.0.0.1", "localhost")), **dates)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        certificate.configure_cert(context)
        if clients is not None:
            clients.ca.configure_trust(context)
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def client(self, folder: Path, passphrase: str = "", ended: bool = False) -> dict[str, str]:
        """A client certificate: the fields that show it."""
        dates = _ENDED if ended else {}
        given = self.ca.issue_cert("tenantsync@acme.org", **dates)
        key = serialization.load_pem_private_key(given.private_key_pem.bytes(), None)
        locking: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if passphrase:
            locking = serialization.BestAvailableEncryption(passphrase.encode())
        folder.mkdir()
        certificate, file = folder / "my cert.pem", folder / "my key.pem"
        certificate.write_bytes(b"".join(pem.bytes() for pem in given.cert_chain_pems))
        file.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                locking,
            )
        )
        return {"clientCertificate": str(certificate), "clientKey": str(file)}


@pytest.fixture(scope="session")
def make_authority(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Authority]:
    def make() -> Authority:
        file, ca = tmp_path_factory.mktemp("ca") / "ca.pem", trustme.CA()
        ca.cert_pem.write_to_path(file)
        return Authority(file, ca)

    return make


@pytest.fixture(scope="session")
def authority(make_authority: Callable[[], Authority]) -> Authority:
    return make_authority()


@pytest.fixture(scope="session")
def stranger(make_authority: Callable[[], Authority]) -> Authority:
    """An authority that nobody trusts."""
    return make_authority()


@pytest.fixture(scope="session")
def kestra() -> Iterator[SandboxServer]:
    with SandboxServer() as server:
        yield server


@pytest.fixture
def git(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "server", user="git", token=TOKEN) as server:
        Bare(server.create(NAME)).commit({"a": b"1"})
        yield server


class Reach:
    """One server of either kind, reached by the code under test.

    `look()` asks it for something that needs the login; `fields` are those of the connection.
    """

    def __init__(self, kind: str, plain: str, folder: Path) -> None:
        self.kind, self.plain, self.folder = kind, plain, folder
        self.exits = ExitStack()

    def front(self, context: ssl.SSLContext, host: str = "127.0.0.1") -> Front:
        """The server behind TLS."""
        return self.exits.enter_context(Front(self.plain, context, host))

    def proxy(self, *arguments: Any, **options: Any) -> Proxy:
        return self.exits.enter_context(Proxy(*arguments, **options))

    def look(self, url: str, **fields: Any) -> None:
        if self.kind == "git":
            self.repository(url, **fields).tip("main")
        else:
            self.kestra(url, **fields).identity()

    def repository(self, url: str, **fields: Any) -> RepoSide:
        given = {"url": f"{url}/{NAME}.git", "token": {"env": "SYNC_TOKEN"}, **fields}
        connection = RepositoryConnection.model_validate(given)
        return RepoSide(connection, self.folder / "data", ("http", "https"))

    def kestra(self, url: str, **fields: Any) -> KestraSide:
        login = {"username": DEFAULT_USER, "password": {"env": "KESTRA_PASSWORD"}}
        side = KestraSide(KestraConnection.model_validate({"url": url, **login, **fields}))
        self.exits.callback(side.close)
        return side


@pytest.fixture(params=["kestra", "git"])
def reach(
    request: pytest.FixtureRequest, kestra: SandboxServer, git: GitServer, tmp_path: Path
) -> Iterator[Reach]:
    """Each test runs for both sides."""
    reach = Reach(request.param, git.origin if request.param == "git" else kestra.url, tmp_path)
    with reach.exits:
        yield reach
