from __future__ import annotations

import base64
import logging
import pickle
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from sandbox.git_server import GitServer
from tasks.connections import Forge, RepositoryConnection, Secret
from tasks.errors import ConfigError, LoginRefused, TenantSyncError
from tasks.hiding import forms
from tasks.repo.command import KEPT, Git
from tasks.repo.credentials import Login
from tasks.repo.forge import protection
from tasks.repo.side import RepoSide
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import NAME, TOKEN, MakeSide
from tests.integration.repo.parts import commit, made, wait_until
from tests.reflector import Reflector, said_back

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


# -- servers that say the token back ------------------------------------------------------------

_HEADER = f"Basic {base64.b64encode(f'git:{TOKEN}'.encode()).decode()}"
#: A hook that refuses by words of its own, which git repeats in the answer itself.
_NO = """\
#!{python}
import sys
inp, out = sys.stdin.buffer, sys.stdout.buffer

def line():
    size = int(inp.read(4), 16)
    return inp.read(size - 4) if size else None

def say(text):
    out.write(b"%04x" % (len(text) + 4) + text)

while line() is not None: pass
say(b"version=1"); out.write(b"0000"); out.flush()
while line() is not None: pass
say({said!r}.encode()); out.write(b"0000"); out.flush()
"""


@pytest.fixture
def hostile() -> Iterator[Reflector]:
    with Reflector() as server:
        yield server


def _told_by(server: Reflector, folder: Path) -> str:
    connection = RepositoryConnection(
        url=f"{server.url}/{NAME}.git", token=Secret(env="SYNC_TOKEN")
    )
    with pytest.raises(TenantSyncError) as caught:
        RepoSide(connection, folder / "data", ("http",)).tip("main")
    return caught.value.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
def test_an_answer_that_says_the_token_back_shows_none(
    hostile: Reflector, tmp_path: Path, status: int
) -> None:
    hostile.status = status
    message = _told_by(hostile, tmp_path)
    assert any(TOKEN in one for one in hostile.told)
    assert "***" in message and not shown(message), message


@pytest.mark.parametrize("token", ["cat", "401", "a"])
def test_a_short_token_is_hidden_and_takes_no_words_to_pieces(
    hostile: Reflector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setenv("SYNC_TOKEN", token)
    message = _told_by(hostile, tmp_path)
    place = f"git ls-remote of {hostile.url}/{NAME}: the login may not do this"
    assert message.startswith(place) and "password ***" in message, message
    assert f"password {token}" not in message
    assert base64.b64encode(f"git:{token}".encode()).decode() not in message


@pytest.mark.parametrize("status", [200, 401, 403, 500])
def test_what_a_forge_says_of_a_branch_shows_no_token(
    hostile: Reflector, tmp_path: Path, status: int
) -> None:
    hostile.status = status
    connection = RepositoryConnection(
        url=f"{hostile.url}/{NAME}.git", token=Secret(env="SYNC_TOKEN"), forge=Forge.GITEA
    )
    url = RepoSide(connection, tmp_path / "data", ("http",)).url
    try:
        message = protection(connection, url, "main", 10).by
        assert "***" in message
    except TenantSyncError as error:
        message = error.message
    assert hostile.told and not shown(message), message


def test_a_redirection_that_names_the_token_shows_none(hostile: Reflector, tmp_path: Path) -> None:
    hostile.redirect = hostile.url
    message = _told_by(hostile, tmp_path)
    assert hostile.told and not shown(message), message


def test_no_rest_is_shown_of_a_token_that_lies_where_a_long_text_is_cut(tmp_path: Path) -> None:
    git = Git(
        home=tmp_path, place="here", allowed=(), timeout=60, login=Login(secrets=forms(TOKEN))
    )
    file = tmp_path / "said"
    for left in range(1, len(TOKEN)):
        said = f"{'y' * 9}{TOKEN}{'x' * 99}\n"
        file.write_text(said + "z" * (KEPT - len(said) + len(TOKEN) - left + 9))
        with pytest.raises(TenantSyncError) as caught:
            git.run("-c", f"alias.say=!cat {file} >&2; exit 1", "say")
        assert TOKEN[-left:] + "x" not in caught.value.message
        assert "zzzz" in caught.value.message


@pytest.mark.parametrize("between", ["\u200b", "\x1b[1m", "\x00"])
def test_a_token_with_unseen_characters_in_it_is_not_put_together_again(
    server: GitServer, bare: Bare, side: RepoSide, between: str
) -> None:
    bare.commit({"a": b"1"})
    base = side.fetch("run-1", "main")
    server.refuse(NAME, f"no: {TOKEN[:5]}{between}{TOKEN[5:]}.")
    pushed = side.push("main", made(commit(side, base, {"a": b"2"})), base)
    assert pushed.result == "REFUSED"
    assert not shown(pushed.message), pushed.message


def test_a_hook_that_says_the_token_shows_none(
    server: GitServer, bare: Bare, side: RepoSide
) -> None:
    bare.commit({"a": b"1"})
    base = side.fetch("run-1", "main")
    server.refuse(NAME, "\n".join(said_back(_HEADER)))
    pushed = side.push("main", made(commit(side, base, {"a": b"2"})), base)
    assert pushed.result == "REFUSED" and "***" in pushed.message
    assert not shown(pushed.message), pushed.message


def test_a_reason_in_the_answer_itself_that_says_the_token_shows_none(
    server: GitServer, bare: Bare, side: RepoSide
) -> None:
    bare.commit({"a": b"1"})
    base = side.fetch("run-1", "main")
    bare.git("config", "receive.procReceiveRefs", "refs/heads")
    hook = server.create(NAME) / "hooks/proc-receive"
    said = f"ng refs/heads/main no push by {' '.join(said_back(_HEADER))}"
    hook.write_text(_NO.format(python=sys.executable, said=said))
    hook.chmod(0o755)
    pushed = side.push("main", made(commit(side, base, {"a": b"2"})), base)
    assert pushed.result == "REFUSED" and "no push by" in pushed.message
    assert not shown(pushed.message), pushed.message


def shown(text: str) -> list[str]:
    """The forms of the token that a text holds, in whatever case."""
    kinds = (_HEADER, f"Bearer {TOKEN}", f"token {TOKEN}")
    said = [one for header in kinds for one in said_back(header)]
    return [form for form in said if form.lower() in text.lower()] + holds(text)


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
