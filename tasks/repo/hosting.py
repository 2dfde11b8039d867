"""Where people see a commit: the pages of the forges, hosted by themselves or by others."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tasks.connections import Forge
from tasks.repo.forges import SSH_HOSTS, forge_of
from tasks.repo.url import Url, check_oid

#: What stands between the page of a repository and the id of a commit. Each forge documents it:
#: GitHub: docs.github.com, "Autolinked references and URLs", commit SHAs;
#: GitLab: docs.gitlab.com, "Commits", routes below `/-/`;
#: Bitbucket Cloud: support.atlassian.com, links `html` of the commits API;
#: Bitbucket Server: docs.atlassian.com, `navbuilder` of the JavaScript reference;
#: Azure DevOps: learn.microsoft.com, `remoteUrl` of "Commits - Get";
#: Gitea, Forgejo, Gogs: `html_url` of the commits API.
_COMMIT = {
    Forge.GITHUB: "commit",
    Forge.GITLAB: "-/commit",
    Forge.BITBUCKET: "commits",
    Forge.BITBUCKET_SERVER: "commits",
    Forge.AZURE: "commit",
    Forge.GITEA: "commit",
    Forge.FORGEJO: "commit",
    Forge.GOGS: "commit",
}


def commit_url(url: Url, oid: str, forge: Forge | None, web_url: str | None) -> str | None:
    """The page of a commit; None when nothing tells what the host is, or where the page lies.

    `forge` says what a host is that its name does not tell, `web_url` is the page of the
    repository where it is another than the clone URL.
    """
    host = urlsplit(web_url).hostname if web_url else url.host
    known = forge_of(host or "", forge)
    if known is None:
        return None
    page = web_url.rstrip("/") if web_url else _page(url, known)
    if page is None or not re.match(r"https?://[^\s/@]+/", page + "/"):
        return None
    return f"{page}/{_COMMIT[known]}/{check_oid(oid)}"


def _page(url: Url, forge: Forge) -> str | None:
    """The repository's page as its clone URL tells it."""
    site = _site(url)
    if site is None:
        return None
    if forge is Forge.BITBUCKET_SERVER:
        return _of_bitbucket_server(url, site)
    if forge is Forge.AZURE:
        return _of_azure(url, site)
    return f"{site}{url.path.rstrip('/').removesuffix('.git')}"


def _site(url: Url) -> str | None:
    """Scheme, host and port of the pages; a port of ssh says nothing about them."""
    if url.scheme == "ssh":
        host = SSH_HOSTS.get(url.host, url.host)
        return f"https://[{host}]" if ":" in host else f"https://{host}"
    return url.origin if url.scheme in {"http", "https"} else None


def _of_bitbucket_server(url: Url, site: str) -> str | None:
    """`[/context]/scm/PROJECT/repo.git`, by ssh without `scm`; `~name` is the project of a user."""
    parts = url.path.strip("/").removesuffix(".git").split("/")
    if len(parts) < 2:
        return None
    *before, project, name = parts
    if before and before[-1] == "scm":
        before.pop()
    elif url.scheme != "ssh":
        return None
    owner = f"users/{project[1:]}" if project.startswith("~") else f"projects/{project}"
    return "/".join([site, *before, owner, "repos", name])


def _of_azure(url: Url, site: str) -> str:
    """`/organization/project/_git/repo`; by ssh `v3/organization/project/repo`, and of old and on
    own servers `_ssh` in place of `_git`."""
    parts = url.path.strip("/").split("/")
    if url.scheme == "ssh" and parts[0] == "v3":
        parts[:1] = []
        parts.insert(-1, "_git")
    elif site == "https://dev.azure.com" and "_ssh" in parts and url.user:
        parts.insert(0, url.user)  # of old, the organization logged in
    return "/".join([site, *("_git" if part == "_ssh" else part for part in parts)])
