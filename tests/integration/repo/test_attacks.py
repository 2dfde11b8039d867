"""Repositories, addresses and surroundings that try to run a program, leave the directory, or get
at the token. PWN is the file that a payload would make."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox.git_server import GitServer
from tasks.connections import RepositoryConnection
from tasks.errors import TenantSyncError, Unsafe
from tasks.repo.command import Git
from tasks.repo.side import RepoSide
from tasks.repo.tree import EntryKind
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import TOKEN, MakeSide
from tests.integration.repo.parts import commit, made


@pytest.fixture
def pwn(tmp_path: Path) -> Path:
    return tmp_path / "PWN"


@pytest.fixture
def payload(pwn: Path, tmp_path: Path) -> Path:
    program = tmp_path / "payload"
    program.write_text(f"#!/bin/sh\ntouch {pwn}\n")
    program.chmod(0o755)
    return program


def bare_git(side: RepoSide) -> Git:
    """git as the side runs it, without the checks of addresses and names that stand before."""
    return side._remote.git(side._mirror.path)


# Addresses and names


def test_git_itself_refuses_what_the_check_of_addresses_would_let_through(
    bare: Bare, side: RepoSide, payload: Path, pwn: Path, tmp_path: Path
) -> None:
    bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    git = bare_git(side)
    addresses = [
        f"ext::{payload}",
        f"--upload-pack={payload}",
        f"-u{payload}",
        f"file://{bare.path}",
        str(bare.path),
        "git://127.0.0.1/x",
        f"ssh://-oProxyCommand={payload}/x",
        f"-oProxyCommand={payload}:x",
        f"fd::{payload}",
    ]
    for address in addresses:
        for command in (("ls-remote", "--"), ("fetch", "--"), ("push", "--")):
            with pytest.raises(TenantSyncError):
                git.run(*command, address, "main:refs/x/y")
    assert not pwn.exists()


def test_the_operators_own_setting_opens_file_addresses_only(
    bare: Bare, tmp_path: Path, pwn: Path
) -> None:
    tip = bare.commit({"a": b"1"})
    connection = RepositoryConnection(url=str(bare.path))
    with pytest.raises(Unsafe):
        RepoSide(connection, tmp_path / "closed")
    assert RepoSide(connection, tmp_path / "open", ("file",)).fetch("run-1", "main") == tip


@pytest.mark.parametrize("name", ["--upload-pack=x", "-x", "a:b", "+main", "main:refs/heads/x"])
def test_a_branch_name_is_never_an_option_or_a_refspec(
    bare: Bare, side: RepoSide, name: str
) -> None:
    bare.commit({"a": b"1"})
    with pytest.raises(TenantSyncError):
        side.fetch("r", name)
    assert bare.text("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_revision_is_never_an_option(bare: Bare, side: RepoSide, pwn: Path) -> None:
    oid = bare.commit({"a": b"1"})
    side.fetch("run-1", "main")
    option = f"--output={pwn}"
    calls: list[Callable[[], object]] = [
        lambda: side.listing(option),
        lambda: side.paths(option, ["a"]),
        lambda: side.contains(option, oid),
        lambda: side.contains(oid, option),
        lambda: side.run_commit(option, oid, "r"),
        lambda: side.run_commit(None, option, "r"),
        lambda: side.removed_by(option, ["a"]),
        lambda: side.read_commit(option),
        lambda: list(side.blobs([option])),
        lambda: side.ensure("run-1", option, "main"),
        lambda: side.push("main", option, oid),
        lambda: side.push("main", oid, option),
        lambda: commit(side, option, {"a": b"2"}),
        lambda: side.release("../x"),
    ]
    for call in calls:
        with pytest.raises(Unsafe):
            call()
    assert side.removed_by(oid, [option, "--all"]) == {}
    assert side.paths(oid, ["--help", option]) == {}
    assert not pwn.exists()


# Surroundings


def test_nothing_of_the_workers_own_git_settings_is_used(
    bare: Bare,
    make_side: MakeSide,
    payload: Path,
    pwn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    home = tmp_path / "home"
    (home / ".config/git").mkdir(parents=True)
    hooks = tmp_path / "hooks"
    hooks.mkdir()
    for name in ("reference-transaction", "pre-push", "post-checkout"):
        (hooks / name).symlink_to(payload)
    text = (
        f"[core]\n\thooksPath = {hooks}\n\tfsmonitor = {payload}\n\tsshCommand = {payload}\n"
        f'[credential]\n\thelper = "!{payload}"\n[url "http://127.0.0.1:9/"]\n\tinsteadOf = http\n'
        f"[http]\n\tproxy = http://127.0.0.1:9\n[gpg]\n\tprogram = {payload}\n"
    )
    (home / ".gitconfig").write_text(text)
    (home / ".config/git/config").write_text(text)
    settings = {
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "GIT_CONFIG_GLOBAL": str(home / ".gitconfig"),
        "GIT_CONFIG_SYSTEM": str(home / ".gitconfig"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.hooksPath",
        "GIT_CONFIG_VALUE_0": str(hooks),
        "GIT_DIR": str(tmp_path / "elsewhere"),
        "GIT_WORK_TREE": str(tmp_path),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_ASKPASS": str(payload),
        "SSH_ASKPASS": str(payload),
        "GIT_SSH": str(payload),
        "GIT_SSH_COMMAND": str(payload),
        "GIT_PROXY_COMMAND": str(payload),
        "GIT_EXTERNAL_DIFF": str(payload),
        "GIT_PAGER": str(payload),
        "GIT_EDITOR": str(payload),
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_TRACE_CURL": str(tmp_path / "trace"),
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_NAMESPACE": "other",
        "GIT_ALLOW_PROTOCOL": "ext:file",
    }
    bare.commit({"a": b"1"})
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    side = make_side()
    base = side.fetch("run-1", "main")
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("main", new, base).result == "LANDED"
    assert side.read_commit(new).author.name == "Ada"
    assert side.removed_by(new, ["x"]) == {}
    assert not pwn.exists() and not (tmp_path / "trace").exists()


def test_a_mirror_that_somebody_planted_settings_in_runs_none_of_them(
    bare: Bare, side: RepoSide, payload: Path, pwn: Path
) -> None:
    bare.commit({"a": b"1"})
    base = side.fetch("run-1", "main")
    path = side._mirror.path
    with (path / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {payload}\n\tsshCommand = {payload}\n\taskPass = {payload}\n"
            f"[protocol]\n\tallow = always\n"
            f'[protocol "ext"]\n\tallow = always\n[credential]\n\thelper = "!{payload}"\n'
        )
    for name in ("reference-transaction", "pre-push", "post-receive"):
        hook = path / "hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.symlink_to(payload)
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("main", new, base).result == "LANDED"
    with pytest.raises(TenantSyncError):
        bare_git(side).run("ls-remote", "--", f"ext::{payload}")
    assert side.read_commit(new).oid == new
    assert not pwn.exists()


# The repository's own contents


HOSTILE = ["..", ".", ".git", ".GIT", "git~1", ".g\u200cit"]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tree_that_leads_out_of_its_directory_is_not_fetched(
    bare: Bare, side: RepoSide, name: str
) -> None:
    inner = bare.raw_tree(("100644", "pwn", bare.blob(b"x")))
    bare.point(bare.raw_tree(("40000", name, inner)))
    with pytest.raises(Unsafe, match="git refuses as unsafe"):
        side.fetch("run-1", "main")


def test_a_link_with_a_directory_of_the_same_name_is_not_fetched(
    bare: Bare, side: RepoSide
) -> None:
    inner = bare.raw_tree(("100644", "x", bare.blob(b"x")))
    bare.point(bare.raw_tree(("120000", "d", bare.blob(b"/tmp")), ("40000", "d", inner)))
    with pytest.raises(Unsafe):
        side.fetch("run-1", "main")


@pytest.mark.parametrize(
    "text",
    [
        '[submodule "x"]\n\tpath = x\n\turl = -u./payload\n',
        '[submodule "../../x"]\n\tpath = x\n\turl = https://host/x\n',
        '[submodule "x"]\n\tpath = -x\n\turl = https://host/x\n',
    ],
)
def test_submodules_that_carry_options_are_not_fetched(
    bare: Bare, side: RepoSide, text: str
) -> None:
    bare.commit({".gitmodules": text.encode(), "a": b"1"})
    with pytest.raises(Unsafe):
        side.fetch("run-1", "main")


def test_old_harmless_faults_of_history_do_not_keep_a_repository_out(
    bare: Bare, side: RepoSide
) -> None:
    tree = bare.raw_tree(("0100644", "a", bare.blob(b"1")))
    oid = bare.point(tree)
    assert side.fetch("run-1", "main") == oid
    assert [entry.mode for entry in side.listing(oid)] == ["100644"]


def test_odd_names_links_and_modules_are_shown_as_they_are_for_others_to_refuse(
    bare: Bare, side: RepoSide
) -> None:
    oid = bare.commit(
        {"a\\..\\x": b"1", "abs": b"/etc/passwd", "up": b"../../x", "CON": b"1", "t. ": b"1"},
        modes={"abs": "120000", "up": "120000"},
    )
    side.fetch("run-1", "main")
    kinds = {entry.path: entry.kind for entry in side.listing(oid)}
    links = {"abs", "up"}
    assert {path for path, kind in kinds.items() if kind is EntryKind.SYMLINK} == links
    assert {path for path, kind in kinds.items() if kind is EntryKind.BLOB} == {
        "a\\..\\x", "CON", "t. ",
    }  # fmt: skip
    assert not side.directory_exists(oid, "abs")


def test_a_name_that_is_no_utf8_is_listed_and_cannot_be_written(bare: Bare, side: RepoSide) -> None:
    oid = bare.plant(b"100644 blob %s\tx\xff\0" % bare.blob(b"1").encode())
    side.fetch("run-1", "main")
    (entry,) = side.listing(oid)
    assert entry.path == "x\udcff" and side.paths(oid, [entry.path])[entry.path] == entry
    with pytest.raises(Unsafe, match="not UTF-8"):
        commit(side, oid, {entry.path: b"2"})


def test_replace_refs_and_grafts_do_not_change_what_is_read(bare: Bare, side: RepoSide) -> None:
    honest = bare.commit({"a": b"honest"})
    side.fetch("run-1", "main")
    mirror = Bare(side._mirror.path)
    other = mirror.blob(b"forged")
    entry = side.paths(honest, ["a"])["a"]
    mirror.git("update-ref", f"refs/replace/{entry.oid}", other)
    assert dict(side.blobs([entry.oid])) == {entry.oid: b"honest"}


# The token


def test_a_redirect_to_another_host_gets_nothing(
    server: GitServer, bare: Bare, side: RepoSide, tmp_path: Path
) -> None:
    bare.commit({"a": b"1"})
    with GitServer(tmp_path / "thief", token="anything") as thief:
        server.redirect_to = thief.origin
        for call in (lambda: side.tip("main"), lambda: side.fetch("run-1", "main"), side.check):
            with pytest.raises(Unsafe, match="redirects, which is never followed"):
                call()
        assert thief.requests == []


def test_the_askpass_program_answers_the_configured_host_only(side: RepoSide) -> None:
    login = side._remote.git().login
    program = login.environment["GIT_ASKPASS"]
    origin = side.url.origin
    questions = {
        f"Username for '{origin}': ": "git\n",
        f"Password for '{origin.replace('//', '//git@')}': ": f"{TOKEN}\n",
        "Username for 'http://evil.example': ": "",
        "Password for 'http://git@evil.example': ": "",
        f"Password for '{origin.replace('//', '//git@')}.evil': ": "",
        f"Password for '{origin.replace('//', '//x@')}': ": "",
        f"Password for 'https://git@{origin.split('//')[1]}': ": "",
        f"x Password for '{origin.replace('//', '//git@')}': ": "",
        "Enter passphrase for key '/x': ": "",
        "": "",
    }
    for question, answer in questions.items():
        assert ask(program, question, dict(login.environment)) == answer, question
    assert stat.S_IMODE(Path(program).stat().st_mode) == 0o700
    assert TOKEN not in Path(program).read_text()


def ask(program: str, question: str, environment: dict[str, str]) -> str:
    return subprocess.run(
        (program, question), env=environment, capture_output=True, text=True, check=False
    ).stdout
