"""How git logs in: a token by an askpass program, or an ssh key with pinned host keys.

No secret is ever in an argument, a URL, a config or a file: the token is in the environment of
the one command that needs it, and the askpass program gives it to the configured host only.
"""

from __future__ import annotations

import base64
import os
import shlex
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tasks.connections import RepositoryConnection
from tasks.errors import ConfigError
from tasks.repo.url import Url

#: Answers git's two questions when they name the configured address, and nobody else's: a server
#: that redirects to another host would be given the token by a program that always answers.
_ASKPASS = """\
#!/bin/sh
case "$1" in
"Username for '$TENANTSYNC_GIT_ORIGIN': ")
    printf '%s\\n' "$TENANTSYNC_GIT_USERNAME" ;;
"Password for '$TENANTSYNC_GIT_ASKED': " | "Password for '$TENANTSYNC_GIT_ASKED_ENCODED': ")
    printf '%s\\n' "$TENANTSYNC_GIT_TOKEN" ;;
*) exit 1 ;;
esac
"""

#: Seconds until ssh gives up a connection, and between its signs of life (three may be missed).
_SSH_SECONDS = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What one git command needs to log in. The default logs in nowhere."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def scrub(self, stderr: bytes) -> str:
        """What git said, without any form of the secrets."""
        text = stderr.decode("utf-8", "replace")
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return text


def login(connection: RepositoryConnection, url: Url, home: Path) -> Login:
    """The login of a repository for one command; secrets are read now.

    `home` is a private directory, where the askpass program is kept. Raises ConfigError when a
    secret, key or known_hosts file is not there.
    """
    if url.scheme == "ssh":
        return _by_key(connection)
    if connection.token is None or url.scheme == "file":
        return Login()
    return _by_token(connection.username, connection.token.resolve(), url, home)


def scope(connection: RepositoryConnection) -> str:
    """Who logs in, without the secret: two logins never share a mirror."""
    token = connection.token
    return "\0".join((connection.username, str(token or ""), connection.ssh_key or ""))


def _by_token(username: str, token: str, url: Url, home: Path) -> Login:
    if any(character in username + token for character in "\r\n\0"):
        raise ConfigError(
            f"{url.canonical}: the username or token holds a line end; store it as one line"
        )
    before, after = url.origin.split("://", 1)
    return Login(
        environment={
            "GIT_ASKPASS": str(_askpass(home)),
            "TENANTSYNC_GIT_ORIGIN": url.origin,
            "TENANTSYNC_GIT_ASKED": f"{before}://{username}@{after}",
            "TENANTSYNC_GIT_ASKED_ENCODED": f"{before}://{quote(username, safe='')}@{after}",
            "TENANTSYNC_GIT_USERNAME": username,
            "TENANTSYNC_GIT_TOKEN": token,
        },
        secrets=_forms(username, token),
    )


def _forms(username: str, token: str) -> tuple[str, ...]:
    basic = base64.b64encode(f"{username}:{token}".encode()).decode()
    return tuple(dict.fromkeys((token, quote(token, safe=""), quote(token), basic)))


def _askpass(home: Path) -> Path:
    """The askpass program; it holds no secret. Written aside and renamed, so it is always whole."""
    path = home / "askpass"
    if not path.exists():
        handle, name = tempfile.mkstemp(dir=home, prefix="askpass-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(_ASKPASS)
        Path(name).chmod(0o700)
        Path(name).rename(path)
    return path


def _by_key(connection: RepositoryConnection) -> Login:
    key = _readable(connection.ssh_key, "ssh_key", "the private key that logs in")
    hosts = _readable(
        connection.known_hosts, "known_hosts", "the host keys to trust (`ssh-keyscan HOST` shows)"
    )
    if key.stat().st_mode & 0o077:
        raise ConfigError(
            f"ssh_key {key}: others may read this private key, so ssh refuses it; "
            f"run `chmod 600 {key}`"
        )
    return Login(environment={"GIT_SSH_COMMAND": ssh_command(key, hosts), "GIT_SSH_VARIANT": "ssh"})


def ssh_command(key: Path, known_hosts: Path) -> str:
    """The ssh command: this key, these host keys, no question, no agent, no other file."""
    options = {
        "BatchMode": "yes",
        "IdentitiesOnly": "yes",
        "IdentityAgent": "none",
        "IdentityFile": _quoted(key),
        "StrictHostKeyChecking": "yes",
        "UserKnownHostsFile": _quoted(known_hosts),
        "GlobalKnownHostsFile": os.devnull,
        "UpdateHostKeys": "no",
        "PreferredAuthentications": "publickey",
        "ForwardAgent": "no",
        "PermitLocalCommand": "no",
        "ConnectTimeout": str(_SSH_SECONDS),
        "ServerAliveInterval": str(_SSH_SECONDS),
        "ServerAliveCountMax": "3",
    }
    pairs = (part for name, value in options.items() for part in ("-o", f"{name}={value}"))
    return shlex.join(("ssh", "-F", os.devnull, *pairs))


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
