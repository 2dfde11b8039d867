"""How one git command reaches its server and logs in: token, App or key, certificates, proxy.

No secret is ever in an argument, a URL or a file: it is in the environment of the one command that
needs it, and the askpass program gives it to whom it is for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from tasks import tls
from tasks.connections import RepositoryConnection
from tasks.errors import ConfigError
from tasks.hiding import forms, hidden, without_rest
from tasks.network import Proxy, proxy_of
from tasks.repo.askpass import answering
from tasks.repo.failure import readable
from tasks.repo.forges import username
from tasks.repo.ssh import key_of, question, ssh_command
from tasks.repo.url import Url

#: What older versions of curl (7.88 for one) decode in the login at a proxy, and newer ones do not
#: (`parse_proxy_auth` in its url.c).
_MISREAD = re.compile(r"%[0-9A-Fa-f]{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What one git command needs to reach its server and to log in. The default logs in nowhere.

    `environment` are variables, `config` settings of git for this command alone, `secrets` the
    forms in which a secret may be said back (`tasks.hiding.forms`).
    """

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def scrub(self, said: bytes, *, cut: bool = False) -> str:
        """What git or the server said, as people may read it: without any form of the secrets.

        `cut`: its beginning is missing, and with it perhaps that of a secret.
        """
        words = said.decode("utf-8", "replace")
        text = hidden(without_rest(words, self.secrets) if cut else words, self.secrets)
        # What is taken away as unreadable may have stood in the middle of a secret.
        return hidden(readable(text), self.secrets)


def login(connection: RepositoryConnection, url: Url, home: Path, app_token: str | None) -> Login:
    """The login of a repository for one command; secrets are read now.

    `home` is a private directory, where the askpass program is kept; `app_token` the token of the
    GitHub App, where there is one. Raises ConfigError when a secret, key, certificate or
    known_hosts file is not there.
    """
    if url.scheme == "ssh":
        return _by_key(connection, url, home)
    if url.scheme == "file":
        return Login()
    parts = [
        _proxy(connection, url),
        _authorities(connection, home),
        _certificate(connection),
        _token(connection, url, app_token),
    ]
    answers = {question: answer for part in parts for question, answer in part.answers.items()}
    environment = {name: value for part in parts for name, value in part.environment.items()}
    return Login(
        environment={**environment, **answering(answers, home)},
        config=tuple(pair for part in parts for pair in part.config),
        secrets=tuple(secret for part in parts for secret in part.secrets),
    )


def scope(connection: RepositoryConnection, url: Url) -> str:
    """Who logs in and which way, without the secret: two logins never share a mirror, nor do two
    servers that have one name in two networks."""
    app = connection.github_app
    names = (
        username(connection, url),
        connection.token,
        app and f"{app.api_url} {app.app_id} {app.installation_id}",
        connection.ssh_key,
        connection.ssh_jump,
        connection.client_certificate,
        connection.proxy,
    )
    return "\0".join(str(name or "") for name in names)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One thing that a command needs: questions that git will ask with their answers, variables,
    settings, and every form in which a secret may be said back."""

    answers: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    config: tuple[tuple[str, str], ...] = ()
    secrets: tuple[str, ...] = ()


def _token(connection: RepositoryConnection, url: Url, app_token: str | None) -> _Part:
    user = username(connection, url)
    token = app_token or (connection.token.resolve() if connection.token else None)
    if token is None:
        return _Part()
    if any(character in (user or "") + token for character in "\r\n\0"):
        raise ConfigError(
            f"{url.canonical}: the username or token holds a line end; store it as one line"
        )
    if user is None:
        header = f"Authorization: Bearer {token}"
        return _Part(config=((f"http.{url.origin}/.extraHeader", header),), secrets=forms(token))
    before, after = url.origin.split("://", 1)
    answers = {f"Username for '{url.origin}': ": user}
    answers |= {f"Password for '{before}://{name}@{after}': ": token for name in _spelt(user)}
    return _Part(answers=answers, secrets=forms(token, user))


def _authorities(connection: RepositoryConnection, home: Path) -> _Part:
    """Which authorities git trusts, of the server and of a proxy."""
    given = connection.ca_file
    file = given or os.environ.get("GIT_SSL_CAINFO") or os.environ.get("SSL_CERT_FILE")
    if file is None:
        return _Part()
    environment = {"GIT_SSL_CAINFO": file, "GIT_PROXY_SSL_CAINFO": file}
    if given is not None:
        # With the system's directory those in it would count as well.
        empty = home / "no-authorities"
        empty.mkdir(exist_ok=True)
        environment["GIT_SSL_CAPATH"] = str(empty)
    return _Part(environment=environment)


def _certificate(connection: RepositoryConnection) -> _Part:
    """Which certificate git shows. What is wrong with the files of both is found here: git itself
    only says that it cannot read one."""
    if connection.tls_fields():
        tls.context(connection)
    certificate = connection.client_certificate
    if certificate is None:
        return _Part()
    key = connection.client_key or certificate
    environment = {"GIT_SSL_CERT": certificate, "GIT_SSL_KEY": key}
    if connection.client_key_passphrase is None:
        return _Part(environment=environment)
    passphrase = connection.client_key_passphrase.line()
    environment |= {"GIT_SSL_CERT_PASSWORD_PROTECTED": "1"}
    answers = {f"Password for 'cert:///{name}': ": passphrase for name in _spelt(certificate, "/")}
    return _Part(answers=answers, environment=environment, secrets=forms(passphrase))


def _proxy(connection: RepositoryConnection, url: Url) -> _Part:
    """The proxy for this address; git sees no variable that would name another."""
    proxy = proxy_of(connection, url.text, os.environ)
    if proxy is None:
        return _Part()
    if proxy.username is None:
        return _Part(config=(("http.proxy", proxy.url),))
    if _MISREAD.search(proxy.username + (proxy.password or "")):
        raise ConfigError(
            f"the login at {proxy} holds a percent sign before two hex digits, which many versions "
            "of curl, and so of git, read as one character; choose another password"
        )
    return _Part(
        answers=_proxy_answers(proxy, proxy.username, proxy.password or ""),
        config=(("http.proxy", proxy.asking),),
        secrets=proxy.secrets,
    )


def _proxy_answers(proxy: Proxy, user: str, password: str) -> dict[str, str]:
    before, after = proxy.url.split("://", 1)
    return {f"Password for '{before}://{name}@{after}': ": password for name in _spelt(user)}


def _spelt(name: str, safe: str = "") -> tuple[str, str]:
    """A name as it is and as git encodes it in a question."""
    return name, quote(name, safe=safe)


def _by_key(connection: RepositoryConnection, url: Url, home: Path) -> Login:
    key = key_of(connection)
    command = {"GIT_SSH_COMMAND": ssh_command(connection, key, url), "GIT_SSH_VARIANT": "ssh"}
    if connection.ssh_passphrase is None:
        return Login(environment=command)
    passphrase = connection.ssh_passphrase.line()
    asking = {"SSH_ASKPASS_REQUIRE": "force", **answering({question(key): passphrase}, home)}
    return Login(environment={**command, **asking}, secrets=forms(passphrase))
