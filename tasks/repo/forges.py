"""Which forge serves a repository, and under which user name does it take a token?"""

from __future__ import annotations

from tasks.connections import Forge, RepositoryConnection
from tasks.repo.url import Url

_HOSTS = {
    "github.com": Forge.GITHUB,
    "gitlab.com": Forge.GITLAB,
    "bitbucket.org": Forge.BITBUCKET,
    "dev.azure.com": Forge.AZURE,
    "gitea.com": Forge.GITEA,
    "codeberg.org": Forge.FORGEJO,
    "code.forgejo.org": Forge.FORGEJO,
}
#: Names below which each customer has a host: Azure DevOps of old, GitHub with data residency.
_BELOW = {".visualstudio.com": Forge.AZURE, ".ghe.com": Forge.GITHUB}
#: Other names under which the same forges take ssh connections → the host of their pages.
SSH_HOSTS = {
    "ssh.github.com": "github.com",
    "altssh.gitlab.com": "gitlab.com",
    "altssh.bitbucket.org": "bitbucket.org",
    "ssh.dev.azure.com": "dev.azure.com",
    "vs-ssh.visualstudio.com": "dev.azure.com",
}

#: The user name that goes with a token, where it is not free to choose:
#: GitHub: docs.github.com, "Authenticating as a GitHub App installation";
#: GitLab: docs.gitlab.com, "OAuth 2.0 identity provider API", access Git over HTTPS;
#: Bitbucket Cloud: support.atlassian.com, "Using access tokens for a repository".
#: Azure DevOps, Gitea, Forgejo and Gogs (0.13) look at the token alone.
_USERS = {
    Forge.GITHUB: "x-access-token",
    Forge.GITLAB: "oauth2",
    Forge.BITBUCKET: "x-token-auth",
}
_ANY = "git"


def forge_of(host: str, stated: Forge | None) -> Forge | None:
    """The forge of a host: as it is stated, else as its name tells, else None."""
    if stated is not None:
        return stated
    name = SSH_HOSTS.get(host.lower(), host.lower())
    below = (forge for end, forge in _BELOW.items() if name.endswith(end))
    return _HOSTS.get(name) or next(below, None)


def stated_forge(connection: RepositoryConnection) -> Forge | None:
    """The forge that a connection names, by an App as well."""
    if connection.forge is None and connection.github_app is not None:
        return Forge.GITHUB
    return connection.forge


def username(connection: RepositoryConnection, url: Url) -> str | None:
    """The user name that goes with the token; None = the token goes alone (as Bearer).

    Bitbucket Server takes tokens of a project or repository only so, and those of a person under
    that person's name (confluence.atlassian.com, "HTTP access tokens").
    """
    if connection.username is not None:
        return connection.username
    forge = forge_of(url.host, stated_forge(connection))
    if forge is Forge.BITBUCKET_SERVER:
        return None
    return _ANY if forge is None else _USERS.get(forge, _ANY)
