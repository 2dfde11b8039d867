"""The API of a forge that lies: what cannot be trusted is doubtful and named, never a bug."""

from __future__ import annotations

import itertools

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tasks.connections import RepositoryConnection
from tasks.errors import Doubtful, Refused, TenantSyncError
from tasks.repo.forge import protection
from tasks.repo.githubapp import Tokens
from tasks.repo.url import check_url
from tests.liar import Answer, liar

DEEP = b"[" * 200_000
ANY = [DEEP, b"null", b"[null]", b"\xff\xfe"]
RULES = [*ANY, b"[7]", b'{"protected": [7], "lock_branch": 7}', b'{"protected": true, "x": NaN}']
TOKENS = [
    *ANY, b'{"token":' * 100_000, b'{"token": 1e999999, "expires_at": 7}',
    b'{"token": "t", "expires_at": null}', b'{"token": "a\\nb", "expires_at": "2030-01-01"}',
]  # fmt: skip


@pytest.fixture(scope="module")
def key() -> str:
    made = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    form, sealed = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return made.private_bytes(serialization.Encoding.PEM, form, sealed).decode()


@pytest.fixture(autouse=True)
def _secrets(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("APP_KEY", key)
    monkeypatch.setenv("GIT_TOKEN", "t0ken")


def connection(url: str, **fields: object) -> RepositoryConnection:
    return RepositoryConnection.model_validate({"url": f"{url}/team/flows.git", **fields})


@pytest.mark.parametrize("body", RULES, ids=range(len(RULES)))
@pytest.mark.parametrize("forge", ["github", "gitlab", "gitea"])
def test_protection_is_told_or_doubtful(body: bytes, forge: str) -> None:
    with liar(lambda _: Answer(body=[body])) as server:
        asked = connection(server.url, forge=forge, token={"env": "GIT_TOKEN"})
        try:
            protection(asked, check_url(asked.url, ("http",)), "main", 20)
        except TenantSyncError as error:
            assert server.url in error.message and error.message.isprintable()


@pytest.mark.parametrize("body", TOKENS, ids=range(len(TOKENS)))
def test_a_token_is_one_or_doubtful(body: bytes) -> None:
    status = iter([201, 403])
    with liar(lambda _: Answer(body=[body], status=next(status))) as server:
        for kind in (Doubtful, Refused):
            with pytest.raises(kind, match=server.url) as caught:
                tokens(server.url).current()
            assert str(caught.value).isprintable()


def test_an_answer_without_end_is_read_to_its_limit() -> None:
    endless = Answer(body=itertools.repeat(bytes(1 << 16)), status=201)
    more = pytest.raises(Doubtful, match="the answer has more than 1048576 bytes")
    with liar(lambda _: endless) as server, more:
        tokens(server.url).current()


def tokens(url: str) -> Tokens:
    https = "https://github.invalid"
    app = {"appId": "A", "installationId": 1, "privateKey": {"env": "APP_KEY"}, "apiUrl": https}
    asked = connection(https, githubApp=app)
    assert asked.github_app is not None
    # The configuration takes https alone; what is asked here is how answers are read.
    by_http = asked.github_app.model_copy(update={"api_url": url})
    return Tokens(asked, by_http, check_url(asked.url))
