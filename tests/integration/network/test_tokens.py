"""Tokens as each forge wants them, and the secrets of a whole connection at work."""

from __future__ import annotations

import base64
import logging
import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from sandbox.git_server import GitServer
from tasks.connections import RepositoryConnection, Secret
from tasks.errors import LoginRefused, TenantSyncError
from tasks.repo.side import RepoSide
from tests.integration.network.conftest import NAME, PASSPHRASE, TOKEN, Authority
from tests.integration.network.front import Front
from tests.integration.network.proxy import Proxy
from tests.integration.repo.bare import Bare
from tests.integration.repo.parts import commit, made, wait_until
from tests.integration.repo.test_secrets import command_lines

PROXY_PASSWORD = "pr0xy+s3cret"


@pytest.mark.parametrize(
    ("forge", "username", "sent"),
    [
        ("github", None, "x-access-token"),
        ("gitlab", None, "oauth2"),
        ("bitbucket", None, "x-token-auth"),
        ("azure", None, "git"),
        ("gitea", None, "git"),
        ("forgejo", None, "git"),
        ("gogs", None, "git"),
        (None, None, "git"),
        ("github", "somebody", "somebody"),
        ("bitbucketServer", "somebody", "somebody"),
    ],
)
def test_a_token_goes_with_the_name_that_the_forge_wants(
    git: GitServer, tmp_path: Path, forge: str | None, username: str | None, sent: str
) -> None:
    git.user = sent
    _side(git, tmp_path, forge=forge, username=username).tip("main")
    git.user = "somebody else"
    with pytest.raises(LoginRefused):
        _side(git, tmp_path, forge=forge, username=username).tip("main")


def test_bitbucket_server_gets_the_token_alone(git: GitServer, tmp_path: Path) -> None:
    with pytest.raises(LoginRefused):  # this server knows Basic only
        _side(git, tmp_path, forge="bitbucketServer").tip("main")
    assert {request.authorization for request in git.requests} == {f"Bearer {TOKEN}"}


def _side(git: GitServer, folder: Path, **fields: Any) -> RepoSide:
    given = {"url": git.url(NAME), "token": Secret(env="SYNC_TOKEN"), **fields}
    return RepoSide(RepositoryConnection(**given), folder / "data", ("http",))


# -- no secret anywhere ------------------------------------------------------------------------


@pytest.fixture
def everything(
    git: GitServer,
    authority: Authority,
    stranger: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Any:
    """A side with all secrets that https knows, and the servers that want them."""
    monkeypatch.setenv("PROXY_PASSWORD", PROXY_PASSWORD)
    with (
        Front(git.origin, authority.server(clients=stranger)) as front,
        Proxy(("sync", PROXY_PASSWORD)) as proxy,
    ):
        connection = RepositoryConnection.model_validate(
            {
                "url": f"{front.url}/{NAME}.git",
                "token": {"env": "SYNC_TOKEN"},
                "caFile": str(authority.file),
                **stranger.client(tmp_path / "c", PASSPHRASE),
                "clientKeyPassphrase": {"env": "KEY_PASSPHRASE"},
                "proxy": proxy.url,
                "proxyUsername": "sync",
                "proxyPassword": {"env": "PROXY_PASSWORD"},
            }
        )
        yield RepoSide(connection, tmp_path / "data")


def secrets_in(text: str) -> list[str]:
    forms = [
        form
        for user, secret in (("git", TOKEN), ("sync", PROXY_PASSWORD), ("", PASSPHRASE))
        for form in (
            secret,
            quote(secret, safe=""),
            base64.b64encode(f"{user}:{secret}".encode()).decode(),
        )
    ]
    return [form for form in forms if form in text]


def test_no_secret_is_in_a_file_a_log_a_repr_or_an_error(
    everything: RepoSide,
    tmp_path: Path,
    git: GitServer,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    side = everything
    base = side.fetch("run-1", "main")
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("main", new, base).result == "LANDED"
    assert Bare(git.create(NAME)).tip() == new
    assert side.check().problem is None
    shown = repr(side._remote.git()) + repr(side.connection)
    for name in ("SYNC_TOKEN", "PROXY_PASSWORD", "KEY_PASSPHRASE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "wrong")
            with pytest.raises(TenantSyncError) as caught:
                side.tip("main")
            shown += repr(caught.value)
    assert not secrets_in(shown + caplog.text)
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        assert not secrets_in(path.read_bytes().decode("latin-1")), path


def test_no_secret_is_in_an_argument(everything: RepoSide, git: GitServer) -> None:
    git.hanging = True
    failed: list[TenantSyncError] = []

    def look() -> None:
        try:
            everything.tip("main")
        except TenantSyncError as error:
            failed.append(error)

    thread = threading.Thread(target=look)
    thread.start()
    wait_until(lambda: git.waiting)
    seen = command_lines()
    git.resume()
    thread.join()
    assert any("ls-remote" in line for line in seen), "git was not seen at work"
    assert [line for line in seen if secrets_in(line)] == []
    assert failed and not secrets_in(str(failed))


# -- who is who --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {"token": {"env": "OTHER"}},
        {"username": "somebody"},
        {"forge": "gitlab"},
        {"proxy": "http://127.0.0.1:1"},
        {"clientCertificate": "cert.pem"},
        {"githubApp": {"appId": "a", "installationId": 1, "privateKey": {"file": "k"}}},
        {"githubApp": {"appId": "a", "installationId": 2, "privateKey": {"file": "k"}}},
    ],
)
def test_another_login_or_way_has_another_mirror(tmp_path: Path, fields: dict[str, Any]) -> None:
    url = {"url": "https://git.acme.org/a/b"}
    other = RepositoryConnection.model_validate({**url, **fields})
    assert _mirror(other, tmp_path) != _mirror(RepositoryConnection(**url), tmp_path)
    assert _mirror(other, tmp_path) == _mirror(other.model_copy(), tmp_path)


def test_another_jump_host_has_another_mirror(tmp_path: Path) -> None:
    hosts = ("a@jump-1", "a@jump-2", None)
    sides = [RepositoryConnection(url="ssh://git@git/a/b", ssh_jump=host) for host in hosts]
    assert len({_mirror(one, tmp_path) for one in sides}) == 3


def _mirror(connection: RepositoryConnection, folder: Path) -> Path:
    return RepoSide(connection, folder / "data")._mirror.path
