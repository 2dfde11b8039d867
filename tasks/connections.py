"""How the two sides are reached: addresses and references to secrets, never secrets."""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, field_validator, model_validator

from tasks.network import Network
from tasks.record import Record
from tasks.secret import FilePath, Secret, Text

__all__ = ["Forge", "GithubApp", "KestraConnection", "RepositoryConnection", "Secret", "Text"]

#: Host, port and path of an address. With a login or query it would be a secret in error texts; a
#: password that holds a slash leaves its `@` in what looks like the path.
_PLACE = r"([^\s/?#@:\[\]]+|\[[0-9a-fA-F:.]+\])(:\d+)?(/[^\s?#@]*)?"
#: How Azure DevOps shows its addresses: the user is only the organization again.
_AZURE = re.compile(r"https://([^/@:]+)(?=@dev\.azure\.com/\1/)@")


class _KestraServer(Record, use_attribute_docstrings=True):
    """What a connection says of the server, the tenant and the login."""

    url: Annotated[str, StringConstraints(pattern=rf"^https?://{_PLACE}$")]
    """Address of the server, without `/api`, user or query."""
    tenant: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")] = "main"
    """The tenant; the open edition has `main` alone."""
    username: Text | None = None
    """Login name (Basic), with `password`."""
    password: Secret | None = None
    """The password that belongs to `username`."""
    token: Secret | None = None
    """API token (Bearer), in place of `username` and `password`."""
    timeout: Annotated[float, Field(gt=0, le=600)] = 15.0
    """Seconds for one request that is not a bulk read."""
    bulk_timeout: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Seconds for bulk reads and imports, which the server builds in memory."""
    connections: Annotated[int, Field(ge=1, le=64)] = 8
    """Connections of one worker process group; throughput stops growing at 8 (measured)."""
    change_probes: bool = False
    """Whether a tenant sync that no person asked for asks first if anything has changed, and reads
    nothing if not. Namespace files that were edited in Kestra are then found by the next full read
    only."""
    full_read_every: Annotated[float, Field(ge=1, le=3600)] = 3600.0
    """Seconds after which everything is read all the same; with `changeProbes`."""

    @model_validator(mode="after")
    def _one_login(self) -> _KestraServer:
        if self.token is not None and (self.username or self.password):
            raise ValueError("give either username and password, or token, not both")
        if (self.username is None) != (self.password is None):
            raise ValueError("username and password belong together")
        return self


# The fields of the bases stand in the documentation from the last base to the first.
class KestraConnection(Network, _KestraServer):
    """One Kestra server and tenant with its login (Basic or Bearer, never both)."""

    @model_validator(mode="after")
    def _tls_is_used(self) -> KestraConnection:
        secure_proxy = (self.proxy or "").startswith("https://")
        unused = self.tls_fields() if self.url.startswith("http://") and not secure_proxy else []
        if unused:
            raise ValueError(f"{unused[0]} is for https, the url is http://; change one of them")
        return self


class Forge(StrEnum):
    """What serves a repository; decides the default of `username` and the form of commit URLs.

    - `bitbucket`: Bitbucket Cloud.
    - `bitbucketServer`: Bitbucket Server and Data Center.
    - `azure`: Azure DevOps Services and Server.
    """

    GITHUB = "github"
    GITLAB = "gitlab"
    BITBUCKET = "bitbucket"
    BITBUCKET_SERVER = "bitbucketServer"
    AZURE = "azure"
    GITEA = "gitea"
    FORGEJO = "forgejo"
    GOGS = "gogs"


class GithubApp(Record, use_attribute_docstrings=True):
    """A GitHub App that logs in: its key is exchanged for tokens that live an hour."""

    app_id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]+$")]
    """The App's client ID or, as text, its App ID."""
    installation_id: Annotated[int, Field(gt=0)]
    """Number of the installation: the end of its address in the settings of the organization."""
    private_key: Secret
    """The private key of the App (PEM), as GitHub gave it."""
    api_url: Annotated[str, StringConstraints(pattern=rf"^https://{_PLACE}$")] = (
        "https://api.github.com"
    )
    """Address of the API; of a GitHub Enterprise Server `https://HOST/api/v3`."""


class _Repository(Record, use_attribute_docstrings=True):
    """What a connection says of the repository and the login."""

    url: Text
    """Address to clone from: `https://…`, `ssh://…` or `git@host:path`."""
    username: Text | None = None
    """https: the user name that goes with the token; default: what the forge wants, else `git`."""
    token: Secret | None = None
    """https: the access token."""
    github_app: GithubApp | None = None
    """https: a GitHub App, in place of a token."""
    ssh_key: FilePath | None = None
    """ssh: path of the private key (mode 0600), a deploy key for instance."""
    ssh_passphrase: Secret | None = None
    """ssh: what the private key is encrypted with."""
    known_hosts: FilePath | None = None
    """ssh: path of the file with the pinned host keys."""
    ssh_jump: (
        Annotated[
            str,
            StringConstraints(pattern=r"^([\w][\w.-]*@)?([\w][\w.-]*|\[[0-9a-fA-F:]+\])(:\d+)?$"),
        ]
        | None
    ) = None
    """ssh: a host to go through, `user@host:port`; the same key logs in there, and its host key is
    pinned as well."""
    forge: Forge | None = None
    """What the URL's host is, where its name does not tell; decides the default of `username` and
    the form of commit URLs."""
    web_url: Annotated[str, StringConstraints(pattern=rf"^https?://{_PLACE}$")] | None = None
    """The page of the repository for people, where the clone URL is another one."""
    author_name: Text = "TenantSync"
    """Committer, and author where neither the task nor a person gives one."""
    author_email: Text = "tenantsync@localhost"
    """Email of the committer."""
    timeout: Annotated[float, Field(gt=0, le=3600)] = 300.0
    """Seconds for one fetch or push."""

    @field_validator("url")
    @classmethod
    def _no_login_in_url(cls, url: str) -> str:
        if _may_hold_login(url):
            raise ValueError(
                "the URL may hold a password or token (a user, @, ? or # where none belongs);"
                " write the address alone, and use token: {env: NAME} instead"
            )
        return url

    @model_validator(mode="after")
    def _one_login(self) -> _Repository:
        if self.github_app is not None and (self.token or self.username):
            raise ValueError("give either githubApp, or token and username, not both")
        if self.ssh_passphrase is not None and self.ssh_key is None:
            raise ValueError("sshPassphrase opens nothing; add sshKey")
        return self


def _may_hold_login(url: str) -> bool:
    """Whether an address of a repository has a place where people write a secret."""
    scheme, found, rest = _AZURE.sub("https://", url).rpartition("://")
    if not found:  # user@host:path
        return "@" in rest.partition(":")[2]
    if scheme.lower() in {"http", "https"}:
        return re.fullmatch(_PLACE, rest) is None
    return ":" in rest.split("/", 1)[0].rpartition("@")[0] or "?" in rest or "#" in rest


def _scheme(url: str) -> str:
    if "://" in url:
        return url.split("://", 1)[0].lower()
    return "file" if url.startswith("/") else "ssh"


class RepositoryConnection(Network, _Repository):
    """One Git repository: where it lies and how to log in."""

    @model_validator(mode="after")
    def _way_is_used(self) -> RepositoryConnection:
        scheme = _scheme(self.url)
        for name, wanted in self._ways():
            if scheme not in wanted:
                raise ValueError(
                    f"{name} is for {' or '.join(wanted)}, the url is of another kind; "
                    "change one of them"
                )
        return self

    def _ways(self) -> list[tuple[str, tuple[str, ...]]]:
        """The given fields that only some kinds of url use, with these."""
        secure = ("https", "http") if (self.proxy or "").startswith("https://") else ("https",)
        given = [
            ("token", self.token, ("https", "http")),
            ("githubApp", self.github_app, ("https",)),
            ("sshKey", self.ssh_key, ("ssh",)),
            ("sshPassphrase", self.ssh_passphrase, ("ssh",)),
            ("knownHosts", self.known_hosts, ("ssh",)),
            ("sshJump", self.ssh_jump, ("ssh",)),
            ("proxy", self.proxy, ("https", "http")),
            ("noProxy", self.no_proxy or None, ("https", "http")),
        ]
        tls = [(name, secure) for name in self.tls_fields()]
        return [*tls, *((name, kinds) for name, value, kinds in given if value is not None)]
