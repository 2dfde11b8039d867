"""A GitHub App logs in: its key is exchanged for tokens, behind the same proxy and authority."""

from __future__ import annotations

import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.git_server import GitServer
from tasks.connections import RepositoryConnection
from tasks.errors import (
    Busy,
    ConfigError,
    LoginRefused,
    NotFound,
    Refused,
    TenantSyncError,
    Unreachable,
)
from tasks.repo.side import RepoSide
from tests.integration.network.conftest import NAME, Authority
from tests.integration.network.front import Front
from tests.integration.network.github import GitHub
from tests.integration.network.proxy import Proxy
from tests.integration.repo.bare import Bare
from tests.integration.repo.parts import commit, made
from tests.ports import free_port

MakeSide = Callable[..., RepoSide]


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    """Private and public PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@pytest.fixture
def github(keys: tuple[str, str], git: GitServer) -> Iterator[GitHub]:
    with GitHub(keys[1], git) as github:
        yield github


@pytest.fixture
def fronts(github: GitHub, git: GitServer, authority: Authority) -> Iterator[tuple[Front, Front]]:
    """API and Git server behind TLS."""
    with (
        Front(github.url, authority.server()) as api,
        Front(git.origin, authority.server()) as code,
    ):
        yield api, code


@pytest.fixture
def make_side(
    fronts: tuple[Front, Front],
    keys: tuple[str, str],
    authority: Authority,
    github: GitHub,
    tmp_path: Path,
) -> MakeSide:
    key = tmp_path / "app.pem"
    key.write_text(keys[0])

    def make(app: dict[str, Any] | None = None, **fields: Any) -> RepoSide:
        given_app = {
            "appId": github.app_id,
            "installationId": github.installation,
            "privateKey": {"file": str(key)},
            "apiUrl": f"{fronts[0].url}/api/v3",
            **(app or {}),
        }
        given = {
            "url": f"{fronts[1].url}/{NAME}.git",
            "githubApp": given_app,
            "caFile": str(authority.file),
            **fields,
        }
        return RepoSide(RepositoryConnection.model_validate(given), tmp_path / "data")

    return make


def test_an_app_reads_and_writes_with_one_token(
    make_side: MakeSide, github: GitHub, git: GitServer
) -> None:
    side = make_side()
    base = side.fetch("run-1", "main")
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("main", new, base).result == "LANDED"
    assert Bare(git.create(NAME)).tip() == new
    (asked,) = github.asked
    assert asked.body == {"repositories": ["flows"]}


def test_jobs_at_the_same_time_share_a_token(make_side: MakeSide, github: GitHub) -> None:
    side = make_side()
    with ThreadPoolExecutor(4) as pool:
        assert len({tip.oid for tip in pool.map(side.tip, ["main"] * 4)}) == 1
    assert len(github.asked) == 1


def test_a_token_near_its_end_is_renewed(make_side: MakeSide, github: GitHub) -> None:
    github.life = 299
    side = make_side()
    side.tip("main")
    side.tip("main")
    assert len(github.asked) == 2


def test_a_token_that_is_not_accepted_any_more_is_renewed_once(
    make_side: MakeSide, github: GitHub, git: GitServer
) -> None:
    side = make_side()
    base = side.fetch("run-1", "main")
    for number, call in enumerate(
        (
            lambda: side.tip("main"),
            lambda: side.fetch("run-1", "main"),
            lambda: side.push("main", made(commit(side, base, {"a": b"2"})), base),
        ),
        2,
    ):
        git.token = "revoked"
        call()
        assert len(github.asked) == number
    github.status = 401
    git.token = "revoked"
    with pytest.raises(LoginRefused, match="GitHub App"):
        side.tip("main")


def test_api_and_git_go_through_the_proxy_of_the_connection(
    make_side: MakeSide, fronts: tuple[Front, Front], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXY_PASSWORD", "pr0xy")
    with Proxy(("sync", "pr0xy")) as proxy:
        make_side(
            proxy=proxy.url, proxyUsername="sync", proxyPassword={"env": "PROXY_PASSWORD"}
        ).tip("main")
        hosts = {front.url.removeprefix("https://") for front in fronts}
        assert set(proxy.tunnels) == hosts
    with Proxy(("sync", "pr0xy")) as proxy, pytest.raises(LoginRefused, match="407"):
        make_side(proxy=proxy.url).tip("main")


def test_each_mistake_is_named_with_its_remedy(
    make_side: MakeSide, github: GitHub, tmp_path: Path, stranger: Authority
) -> None:
    other, text = tmp_path / "other.pem", tmp_path / "text"
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    other.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    text.write_text("no key")
    away = f"https://127.0.0.1:{free_port()}"
    wrong: list[tuple[dict[str, Any], type[TenantSyncError], str]] = [
        ({"privateKey": {"file": str(tmp_path / "none")}}, ConfigError, "none is not set or empty"),
        ({"privateKey": {"file": str(text)}}, ConfigError, "holds no RSA private key"),
        ({"privateKey": {"file": str(other)}}, LoginRefused, "privateKey belong to one App"),
        ({"appId": "Iv23liOther"}, LoginRefused, "appId and privateKey"),
        ({"installationId": 1}, NotFound, "Check installationId and apiUrl"),
        ({"apiUrl": away}, Unreachable, "cannot be reached"),
    ]
    for app, kind, said in wrong:
        with pytest.raises(kind, match=said):
            make_side(app).tip("main")
    with pytest.raises(ConfigError, match=r"GitHub App .* is of an authority"):
        make_side(caFile=str(stranger.file)).tip("main")
    github.repositories = ()
    with pytest.raises(Refused, match="Give the installation access to this repository"):
        make_side().tip("main")
    for status, kind in ((500, Busy), (503, Busy), (403, Refused)):
        github.status = status
        with pytest.raises(kind, match=f"answered {status}"):
            make_side().tip("main")


def test_neither_key_nor_statement_nor_token_is_shown_or_stored(
    make_side: MakeSide,
    github: GitHub,
    git: GitServer,
    keys: tuple[str, str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    side = make_side()
    base = side.fetch("run-1", "main")
    side.push("main", made(commit(side, base, {"a": b"2"})), base)
    shown = repr(side) + repr(side._remote.git()) + repr(side._remote._tokens.__dict__)
    github.status, git.token = 403, "revoked"
    with pytest.raises(TenantSyncError) as caught:
        side.tip("main")
    again = pickle.loads(pickle.dumps(caught.value))
    assert again.message == caught.value.message and "no: ***" in again.message
    shown += "".join(traceback.format_exception(caught.value)) + caplog.text
    files = [path for path in (tmp_path / "data").rglob("*") if path.is_file()]
    assert len(files) > 5
    shown += "".join(path.read_bytes().decode("latin-1") for path in files)
    body = keys[0].splitlines()[3]
    for secret in ("s3cret", body, *(asked.statement for asked in github.asked)):
        assert secret not in shown
