"""How git logs in by ssh: one key, pinned host keys, perhaps through a jump host."""

from __future__ import annotations

import base64
import os
import shlex
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

from tasks.connections import RepositoryConnection
from tasks.errors import ConfigError
from tasks.repo.askpass import answering
from tasks.repo.url import Url

#: Seconds between the signs of life of a connection (three may be missed).
_ALIVE = 15
#: Seconds for ssh-keygen: the work that a passphrase costs.
_PATIENCE = 30.0
_MAGIC = b"openssh-key-v1\0"


def key_of(connection: RepositoryConnection) -> Path:
    """The private key, when ssh will take it. Raises ConfigError naming what is wrong with it."""
    key = _readable(connection.ssh_key, "sshKey", "the private key that logs in")
    if key.stat().st_mode & 0o077:
        raise ConfigError(
            f"sshKey {key}: others may read this private key, so ssh refuses it; "
            f"run `chmod 600 {key}`"
        )
    if connection.ssh_passphrase is None and _is_locked(key):
        raise ConfigError(f"sshKey {key} is encrypted with a passphrase; give sshPassphrase")
    return key


def question(key: Path) -> str:
    """How ssh asks for the passphrase of a key."""
    return f"Enter passphrase for key '{key.absolute()}': "


def opens(connection: RepositoryConnection, home: Path) -> bool:
    """Whether the passphrase opens the key, as ssh-keygen sees it; ssh itself only goes on without
    the key. True where it cannot be said."""
    if connection.ssh_passphrase is None:
        return True
    key, passphrase = key_of(connection), connection.ssh_passphrase.line()
    asked = ("Enter passphrase: ", f'Enter passphrase for "{key.absolute()}": ')
    try:
        done = subprocess.run(
            ("ssh-keygen", "-y", "-f", str(key.absolute())),
            env={
                "PATH": os.environ.get("PATH", os.defpath),
                "LC_ALL": "C",
                "SSH_ASKPASS_REQUIRE": "force",
                **answering(dict.fromkeys(asked, passphrase), home),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            start_new_session=True,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return True
    return b"incorrect passphrase" not in done.stderr


def ssh_command(connection: RepositoryConnection, key: Path, url: Url) -> str:
    """The ssh command: this key, these host keys, no question but for the passphrase, no agent, no
    other file; through the jump host, which is held to the same."""
    known = _readable(
        connection.known_hosts, "knownHosts", "the host keys to trust (`ssh-keyscan HOST` shows)"
    )
    words = _ssh(connection, key, known)
    if connection.ssh_jump is None:
        return shlex.join(words)
    # Not ProxyJump: ssh would start the jump without these options.
    jump = shlex.join([*words, "-W", _target(url), *_jump(connection.ssh_jump)])
    return shlex.join([*words, "-o", f"ProxyCommand={jump.replace('%', '%%')}"])


def _ssh(connection: RepositoryConnection, key: Path, known: Path) -> list[str]:
    options = {
        # With BatchMode ssh asks nobody, not even the askpass program.
        "BatchMode": "no" if connection.ssh_passphrase else "yes",
        "NumberOfPasswordPrompts": "1",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": _quoted(key),
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _quoted(known),
        "GlobalKnownHostsFile": os.devnull,
        "UpdateHostKeys": "no",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "ConnectTimeout": str(max(1, round(connection.connect_timeout))),
        "ServerAliveInterval": str(_ALIVE),
        "ServerAliveCountMax": "3",
    }
    pairs = (part for name, value in options.items() for part in ("-o", f"{name}={value}"))
    return ["ssh", "-F", os.devnull, *pairs]


def _target(url: Url) -> str:
    host = f"[{url.host}]" if ":" in url.host else url.host
    return f"{host}:{url.port or 22}"


def _jump(place: str) -> list[str]:
    parts = urlsplit(f"//{place}")
    port = ["-p", str(parts.port)] if parts.port else []
    user = ["-l", parts.username] if parts.username else []
    return [*port, *user, "--", parts.hostname or ""]


def _quoted(path: Path) -> str:
    """A path as an ssh option reads it: in quotes, with its own percent signs doubled."""
    text = str(path.absolute())
    if '"' in text:
        raise ConfigError(f"{text}: ssh cannot take a path with a quotation mark; rename it")
    return '"' + text.replace("%", "%%") + '"'


def _readable(value: str | None, key: str, what: str) -> Path:
    if value is None:
        raise ConfigError(f"repository by ssh: {key} is missing; name the file with {what}")
    path = Path(value).expanduser()
    if not os.access(path, os.R_OK) or not path.is_file():
        raise ConfigError(f"{key} {path}: no such file, or the worker may not read it")
    return path


def _is_locked(key: Path) -> bool:
    """Whether a private key is encrypted: PEM says it in its text, OpenSSH's own format by the name
    of the cipher after its magic (PROTOCOL.key of OpenSSH)."""
    text = key.read_text(encoding="utf-8", errors="replace")
    if "ENCRYPTED" in text:
        return True
    body = "".join(line for line in text.splitlines() if not line.startswith("-----"))
    try:
        start = base64.b64decode(body, validate=True)
    except ValueError:
        return False
    cipher = start.removeprefix(_MAGIC)[4:8]
    return start.startswith(_MAGIC) and cipher != b"none"
