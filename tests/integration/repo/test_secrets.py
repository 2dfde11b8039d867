from __future__ import annotations

import base64
import logging
import pickle
import threading
from pathlib import Path
from urllib.parse import quote

import pytest

from sandbox.git_server import GitServer
from tasks.connections import RepositoryConnection, Secret
from tasks.errors import ConfigError, LoginRefused, TenantSyncError
from tasks.repo.credentials import Login
from tasks.repo.side import RepoSide
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import TOKEN, MakeSide
from tests.integration.repo.parts import commit, made, wait_until

FORMS = (TOKEN, quote(TOKEN, safe=""), base64.b64encode(f"git:{TOKEN}".encode()).decode())


def holds(text: str) -> list[str]:
    return [form for form in FORMS if form in text]


def test_the_token_is_in_no_argument_of_any_program(
    server: GitServer, bare: Bare, side: RepoSide
) -> None:
    bare.commit({"a": b"1"})
    server.hanging = True
    failed: list[TenantSyncError] = []

    def fetch() -> None:
        try:
            side.fetch("run-1", "main")
        except TenantSyncError as error:
            failed.append(error)

    thread = threading.Thread(target=fetch)
    thread.start()
    wait_until(lambda: server.waiting)
    seen = command_lines()
    server.resume()
    thread.join()
    assert any(server.origin in line for line in seen), "git was not seen at work"
    assert [line for line in seen if holds(line)] == []
    assert failed and not holds(str(failed))


def command_lines() -> list[str]:
    lines = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                lines.append((entry / "cmdline").read_bytes().decode("utf-8", "replace"))
            except OSError:
                continue
    return lines


def test_the_token_is_in_no_file_of_the_data_directory(
    bare: Bare, side: RepoSide, tmp_path: Path
) -> None:
    bare.commit({"a": b"1"})
    base = side.fetch("run-1", "main")
    side.push("main", made(commit(side, base, {"a": b"2"})), base)
    side.check()
    files = [path for path in (tmp_path / "one").rglob("*") if path.is_file()]
    assert len(files) > 5
    for path in files:
        assert not holds(path.read_bytes().decode("latin-1")), path


def test_the_token_is_in_no_error_log_or_repr(
    server: GitServer,
    bare: Bare,
    make_side: MakeSide,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level(logging.DEBUG)
    bare.commit({"a": b"1"})
    side = make_side()
    assert not holds(repr(side._remote.git())) and not holds(repr(side.connection))
    monkeypatch.setenv("SYNC_TOKEN", TOKEN + "x")
    with pytest.raises(LoginRefused) as caught:
        side.fetch("run-1", "main")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is LoginRefused and again.message == caught.value.message
    assert not holds(repr(caught.value)) and not holds(caplog.text)


def test_every_form_of_a_secret_is_scrubbed() -> None:
    text = " ".join((*FORMS, "plain")).encode()
    assert Login(secrets=FORMS).scrub(text) == "*** *** *** plain"


def test_a_changed_token_is_used_at_once(server: GitServer, bare: Bare, side: RepoSide) -> None:
    bare.commit({"a": b"1"})
    side.tip("main")
    server.token = "renewed"
    with pytest.raises(LoginRefused):
        side.tip("main")
    server.token = TOKEN
    assert side.tip("main").oid


def test_a_token_that_is_not_set_is_named_by_its_place(
    make_side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SYNC_TOKEN")
    with pytest.raises(ConfigError, match="environment variable SYNC_TOKEN is not set"):
        make_side().tip("main")


@pytest.mark.parametrize("username", ["git", "x-token-auth", "user@example.org", "ü p%20$(id)'"])
def test_any_user_name_and_token_log_in(
    tmp_path: Path, username: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = "p%41ss'\"$(id)`\\ ü"
    monkeypatch.setenv("SYNC_TOKEN", token)
    with GitServer(tmp_path / "server", user=username, token=token) as server:
        bare = Bare(server.create("a/b"))
        tip = bare.commit({"a": b"1"})
        connection = RepositoryConnection(
            url=server.url("a/b"), username=username, token=Secret(env="SYNC_TOKEN")
        )
        assert RepoSide(connection, tmp_path / "data", ("http",)).tip("main").oid == tip


def test_a_token_of_two_lines_is_refused_without_showing_it(
    make_side: MakeSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SYNC_TOKEN", "first\nsecond")
    with pytest.raises(ConfigError, match="one line") as caught:
        make_side().tip("main")
    assert "second" not in caught.value.message
