"""The Git side over ssh, against a real sshd on loopback."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.connections import RepositoryConnection, Secret
from tasks.errors import ConfigError, LoginRefused, NotFound, Unreachable
from tasks.repo.side import RepoSide
from tests.integration.repo.bare import ENVIRONMENT, Bare
from tests.integration.repo.parts import commit, made, wait_until

SSHD = shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")


@dataclass(frozen=True)
class Ssh:
    """A running sshd: its port, a key that logs in, and its host key as a known_hosts line."""

    port: int
    key: Path
    known_hosts: Path
    root: Path

    def url(self, path: Path) -> str:
        return f"ssh://{getpass.getuser()}@127.0.0.1:{self.port}{path}"


def keygen(path: Path, passphrase: str = "") -> Path:
    command = ("ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-f", str(path))
    subprocess.run(command, check=True, timeout=30)
    return path


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ssh]:
    with sshd(tmp_path_factory.mktemp("sshd dir")) as running:  # a blank, as users have
        yield running


@contextmanager
def sshd(root: Path) -> Iterator[Ssh]:
    """A server with a host key of its own, and a key that logs in there."""
    if SSHD is None:
        if os.environ.get("CI"):
            pytest.fail("sshd is not installed; install openssh-server")
        pytest.skip("sshd is not installed (openssh-server)")
    root.chmod(0o700)
    host, key, port = keygen(root / "host"), keygen(root / "key %h"), free_port()
    shutil.copy(f"{key}.pub", root / "authorized")
    settings = {
        "Port": port, "ListenAddress": "127.0.0.1", "HostKey": f'"{host}"',
        "AuthorizedKeysFile": f'"{root}/authorized"', "StrictModes": "no", "UsePAM": "no",
        "PidFile": "none", "PasswordAuthentication": "no", "PermitRootLogin": "prohibit-password",
        "LogLevel": "VERBOSE",
    }  # fmt: skip
    config = root / "config"
    config.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # sshd drops its rights there
    with (root / "log").open("wb") as log:
        process = subprocess.Popen(
            (SSHD, "-D", "-e", "-f", str(config)), stderr=log, env=ENVIRONMENT
        )
    try:
        wait_until(lambda: listens(port))
        known = root / "known hosts"
        known.write_text(f"[127.0.0.1]:{port} {Path(f'{host}.pub').read_text()}")
        yield Ssh(port, key, known, root)
    finally:
        process.terminate()
        process.wait(10)


MakeSide = Callable[..., RepoSide]


@pytest.fixture
def bare(tmp_path: Path) -> Bare:
    bare = Bare(tmp_path / "srv" / "flows.git")
    bare.git("init", "--quiet", "--bare", "--initial-branch=main", str(bare.path))
    bare.commit({"a": b"1"})
    return bare


@pytest.fixture
def make_side(ssh: Ssh, bare: Bare, tmp_path: Path) -> MakeSide:
    def make(**fields: Any) -> RepoSide:
        given: dict[str, Any] = {
            "url": ssh.url(bare.path),
            "ssh_key": str(ssh.key),
            "known_hosts": str(ssh.known_hosts),
            "timeout": 60.0,
        }
        connection = RepositoryConnection.model_validate({**given, **fields})
        return RepoSide(connection, tmp_path / "data")

    return make


def test_a_known_host_is_read_and_written(make_side: MakeSide, bare: Bare) -> None:
    side = make_side()
    base = side.fetch("run-1", "main")
    new = made(commit(side, base, {"a": b"2\r\n"}))
    assert side.push("main", new, base).result == "LANDED"
    assert bare.tip() == new and bare.read("a") == b"2\r\n"
    assert side.check().problem is None


def test_a_short_address_works_as_well(make_side: MakeSide, bare: Bare, ssh: Ssh) -> None:
    side = make_side()
    assert side.remote == f"ssh://127.0.0.1:{ssh.port}{bare.path.with_suffix('')}"
    short = make_side(url=f"{getpass.getuser()}@127.0.0.1:{bare.path}")
    assert short.remote == f"ssh://127.0.0.1{bare.path.with_suffix('')}"


def test_an_unknown_host_is_named_with_the_remedy(
    make_side: MakeSide, ssh: Ssh, tmp_path: Path
) -> None:
    nobody = tmp_path / "empty"
    nobody.touch()
    with pytest.raises(ConfigError) as caught:
        make_side(known_hosts=str(nobody)).tip("main")
    message = caught.value.message
    assert "the host key of 127.0.0.1 is not known" in message
    assert f"ssh-keyscan -p {ssh.port} 127.0.0.1" in message
    assert nobody.read_bytes() == b"", "a host key was taken over unseen"


def test_a_changed_host_key_is_refused(make_side: MakeSide, ssh: Ssh, tmp_path: Path) -> None:
    other = Path(f"{keygen(tmp_path / 'other')}.pub").read_text()
    changed = tmp_path / "changed"
    changed.write_text(f"[127.0.0.1]:{ssh.port} {other}")
    with pytest.raises(ConfigError, match=r"not the pinned one \(it sent SHA256:"):
        make_side(known_hosts=str(changed)).fetch("run-1", "main")


def test_a_key_that_does_not_open_the_door_is_a_refused_login(
    make_side: MakeSide, tmp_path: Path
) -> None:
    stranger = keygen(tmp_path / "stranger")
    with pytest.raises(LoginRefused, match="does not accept the login"):
        make_side(ssh_key=str(stranger)).tip("main")


def test_a_key_that_others_may_read_is_named_before_ssh_is_asked(
    make_side: MakeSide, tmp_path: Path
) -> None:
    key = keygen(tmp_path / "open")
    key.chmod(0o644)
    with pytest.raises(ConfigError, match=f"chmod 600 {key}"):
        make_side(ssh_key=str(key)).tip("main")


def test_missing_files_are_named(make_side: MakeSide, ssh: Ssh, bare: Bare, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="knownHosts /none: no such file"):
        make_side(known_hosts="/none").tip("main")
    with pytest.raises(ConfigError, match="sshKey /none: no such file"):
        make_side(ssh_key="/none").tip("main")
    bald = RepositoryConnection(url=ssh.url(bare.path), ssh_key=str(ssh.key))
    with pytest.raises(ConfigError, match="knownHosts is missing"):
        RepoSide(bald, tmp_path / "data").tip("main")


def test_a_repository_that_is_not_there_and_a_host_that_is_away(
    make_side: MakeSide, ssh: Ssh, tmp_path: Path
) -> None:
    with pytest.raises(NotFound):
        make_side(url=ssh.url(tmp_path / "none.git")).tip("main")
    with pytest.raises(Unreachable):
        make_side(url=f"ssh://git@127.0.0.1:{free_port()}/x.git").tip("main")


def test_no_agent_and_no_key_of_the_user_is_offered(
    make_side: MakeSide, ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home/.ssh"
    home.mkdir(parents=True)
    shutil.copy(ssh.key, home / "id_ed25519")
    (home / "config").write_text(f"Host *\n  IdentityFile {home}/id_ed25519\n")
    monkeypatch.setenv("HOME", str(home.parent))
    stranger = keygen(tmp_path / "stranger")
    with pytest.raises(LoginRefused):
        make_side(ssh_key=str(stranger)).tip("main")


# -- a key with a passphrase -------------------------------------------------------------------

PASSPHRASE = "p4ss 'phrase' $(id)"


@pytest.fixture
def locked(ssh: Ssh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """An encrypted key that logs in, and the fields that open it."""
    monkeypatch.setenv("SSH_PASSPHRASE", PASSPHRASE)
    key = keygen(tmp_path / "locked 100% key", PASSPHRASE)
    with (ssh.root / "authorized").open("a") as file:
        file.write(Path(f"{key}.pub").read_text())
    return {"ssh_key": str(key), "ssh_passphrase": Secret(env="SSH_PASSPHRASE")}


def test_a_key_with_a_passphrase_logs_in(
    make_side: MakeSide, bare: Bare, locked: dict[str, Any]
) -> None:
    side = make_side(**locked)
    base = side.fetch("run-1", "main")
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("main", new, base).result == "LANDED"


def test_a_wrong_passphrase_is_named(
    make_side: MakeSide, locked: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_PASSPHRASE", "another")
    with pytest.raises(LoginRefused, match=r"sshPassphrase \(env SSH_PASSPHRASE\) does not open"):
        make_side(**locked).tip("main")


@pytest.mark.parametrize("form", ["OpenSSH", "PKCS8", "PEM"])
def test_a_key_whose_passphrase_is_not_given_is_named_before_ssh_is_asked(
    make_side: MakeSide, tmp_path: Path, form: str
) -> None:
    key = tmp_path / form
    kind = ("-t", "rsa", "-b", "2048") if form != "OpenSSH" else ("-t", "ed25519")
    written = ("-m", form) if form != "OpenSSH" else ()
    command = ("ssh-keygen", "-q", *kind, *written, "-N", PASSPHRASE, "-f", str(key))
    subprocess.run(command, check=True, timeout=30)
    with pytest.raises(ConfigError, match="is encrypted with a passphrase; give sshPassphrase"):
        make_side(ssh_key=str(key)).tip("main")


def test_the_passphrase_is_in_no_argument_and_no_file(
    make_side: MakeSide, ssh: Ssh, bare: Bare, locked: dict[str, Any], tmp_path: Path
) -> None:
    bare.path.joinpath("hooks").mkdir(exist_ok=True)
    hook, seen = bare.path / "hooks/pre-receive", tmp_path / "seen"
    hook.write_text(f"#!/bin/sh\ncat /proc/[0-9]*/cmdline | tr '\\0' ' ' >'{seen}'\n")
    hook.chmod(0o755)
    side = make_side(**locked)
    base = side.fetch("run-1", "main")
    assert side.push("main", made(commit(side, base, {"a": b"2"})), base).result == "LANDED"
    text = seen.read_text(errors="replace")
    assert "ssh -F" in text, "ssh was not seen at work"
    assert PASSPHRASE not in text
    assert PASSPHRASE not in repr(side._remote.git())
    for file in (tmp_path / "data").rglob("*"):
        assert not file.is_file() or PASSPHRASE.encode() not in file.read_bytes(), file


# -- a jump host -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def jump(ssh: Ssh, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ssh]:
    """A second server that takes the key of the first."""
    with sshd(tmp_path_factory.mktemp("jump dir")) as running:
        shutil.copy(ssh.root / "authorized", running.root / "authorized")
        yield running


@pytest.fixture
def through(ssh: Ssh, jump: Ssh, tmp_path: Path) -> dict[str, Any]:
    """The fields that go through the jump host."""
    known = tmp_path / "both known"
    known.write_text(ssh.known_hosts.read_text() + jump.known_hosts.read_text())
    return {
        "ssh_jump": f"{getpass.getuser()}@127.0.0.1:{jump.port}",
        "known_hosts": str(known),
    }


def logins(server: Ssh) -> int:
    return (server.root / "log").read_text().count("Accepted publickey")


def test_a_repository_is_reached_through_the_jump_host(
    make_side: MakeSide, ssh: Ssh, jump: Ssh, bare: Bare, through: dict[str, Any]
) -> None:
    before = logins(jump), logins(ssh)
    side = make_side(**through)
    base = side.fetch("run-1", "main")
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("main", new, base).result == "LANDED"
    assert logins(jump) - before[0] == logins(ssh) - before[1] > 1


def test_a_key_with_a_passphrase_opens_both(
    make_side: MakeSide, ssh: Ssh, jump: Ssh, through: dict[str, Any], locked: dict[str, Any]
) -> None:
    shutil.copy(ssh.root / "authorized", jump.root / "authorized")
    assert make_side(**through, **locked).tip("main").oid


def test_the_host_key_of_the_jump_host_is_pinned_as_well(
    make_side: MakeSide, ssh: Ssh, jump: Ssh, through: dict[str, Any], tmp_path: Path
) -> None:
    before = logins(jump)
    with pytest.raises(ConfigError, match=r"the host key of 127\.0\.0\.1 is not known") as no:
        make_side(**{**through, "known_hosts": str(ssh.known_hosts)}).tip("main")
    assert f"ssh-keyscan -p {jump.port} 127.0.0.1" in no.value.message
    changed = tmp_path / "changed"
    other = Path(f"{keygen(tmp_path / 'other')}.pub").read_text()
    changed.write_text(ssh.known_hosts.read_text() + f"[127.0.0.1]:{jump.port} {other}")
    with pytest.raises(ConfigError, match="not the pinned one"):
        make_side(**{**through, "known_hosts": str(changed)}).tip("main")
    assert logins(jump) == before


def test_the_host_key_behind_the_jump_host_is_pinned(
    make_side: MakeSide, ssh: Ssh, jump: Ssh, through: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=r"the host key of 127\.0\.0\.1 is not known") as no:
        make_side(**{**through, "known_hosts": str(jump.known_hosts)}).tip("main")
    assert f"ssh-keyscan -p {ssh.port} 127.0.0.1" in no.value.message


def test_what_fails_at_the_jump_host_is_named(
    make_side: MakeSide, jump: Ssh, bare: Bare, through: dict[str, Any], tmp_path: Path
) -> None:
    away = free_port()
    with pytest.raises(Unreachable, match=f"connect to host 127.0.0.1 port {away}"):
        make_side(**{**through, "ssh_jump": f"x@127.0.0.1:{away}"}).tip("main")
    with pytest.raises(Unreachable, match=r"the jump host \(sshJump\) does not reach the server"):
        make_side(**through, url=f"ssh://git@127.0.0.1:{away}{bare.path}").tip("main")
    stranger = str(keygen(tmp_path / "stranger"))
    with pytest.raises(LoginRefused, match="whether the jump host knows it as well"):
        make_side(**through, ssh_key=stranger).tip("main")
