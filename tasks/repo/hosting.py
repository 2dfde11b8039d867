"""Where people see a commit: the pages of GitHub and GitLab, hosted by themselves or by others."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from tasks.repo.url import Url, check_oid

Forge = Literal["github", "gitlab"]

_HOSTS: dict[str, Forge] = {"github.com": "github", "gitlab.com": "gitlab"}
#: Other names under which the same forges take ssh connections.
_SSH_HOSTS = {"ssh.github.com": "github.com", "altssh.gitlab.com": "gitlab.com"}
_COMMIT: dict[Forge, str] = {"github": "commit", "gitlab": "-/commit"}


def commit_url(url: Url, oid: str, forge: Forge | None, web_url: str | None) -> str | None:
    """The page of a commit; None when nothing tells what the host is.

    `forge` says what a host is that its name does not tell, `web_url` is the page of the
    repository where it is another than the clone URL.
    """
    page = web_url.rstrip("/") if web_url else _page(url)
    if page is None or not re.match(r"https?://[^\s/@]+/", page + "/"):
        return None
    known = forge or _HOSTS.get((urlsplit(page).hostname or "").lower())
    return f"{page}/{_COMMIT[known]}/{check_oid(oid)}" if known else None


def _page(url: Url) -> str | None:
    """The repository's page as its clone URL tells it; ssh ports say nothing about pages."""
    path = url.path.rstrip("/").removesuffix(".git")
    if url.scheme == "ssh":
        return f"https://{_SSH_HOSTS.get(url.host, url.host)}{path}"
    if url.scheme in {"http", "https"}:
        return f"{url.origin}{path}"
    return None
