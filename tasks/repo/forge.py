"""Is a branch protected? Asked of the API of the forge that holds the repository, by reads, with
the token of the repository.

Forms of the answers: GitHub, "Get a branch", "Get rules for a branch", "Get branch protection";
GitLab, "Branches API" and "Protected branches API"; Gitea and Forgejo, "repoGetBranch".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from tasks import jsontext
from tasks.channel import asked, channel, fault
from tasks.connections import Forge, RepositoryConnection
from tasks.errors import Doubtful, LoginRefused, NotFound, Unreachable
from tasks.hiding import forms, hidden
from tasks.repo.forges import SSH_HOSTS, forge_of, stated_forge
from tasks.repo.githubapp import Tokens
from tasks.repo.url import Url

#: GitHub's rules that turn a plain push away, and how people call them.
_RULES = {
    "pull_request": "a pull request is required",
    "update": "updates are restricted",
    "required_status_checks": "status checks are required",
    "required_signatures": "signed commits are required",
    "merge_queue": "a merge queue is required",
    "commit_message_pattern": "commit messages must have a form",
    "commit_author_email_pattern": "emails of authors must have a form",
    "committer_email_pattern": "emails of committers must have a form",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Protection:
    """What the forge says of pushes to one branch."""

    protected: bool
    #: Whether this login may push to it all the same; None where the forge does not tell.
    may_push: bool | None
    #: By what it is protected, in the words of the forge; "" where it does not tell.
    by: str = ""


def name(connection: RepositoryConnection, url: Url) -> Forge | None:
    """Which forge holds the repository: as configured, else by its host; None = unknown."""
    host = urlsplit(_page(connection, url)).hostname or ""
    return forge_of(host, stated_forge(connection))


def can_ask(connection: RepositoryConnection, url: Url) -> bool:
    """Whether the forge is one whose API is known, and there is a token for it."""
    has_token = connection.token is not None or connection.github_app is not None
    return name(connection, url) in _ASK and has_token


def protection(
    connection: RepositoryConnection, url: Url, branch: str, seconds: float
) -> Protection:
    """What protects a branch, which need not be there; each request takes `seconds` at most.

    Raises LoginRefused or NotFound when the token may not ask, Unreachable, and Doubtful for an
    answer that is none of this forge; ConfigError for a secret that is not there.
    """
    forge = name(connection, url)
    assert forge is not None
    kind = "token" if forge in {Forge.GITEA, Forge.FORGEJO} else "Bearer"
    token = _token(connection, url)
    headers = {"Authorization": f"{kind} {token}", "Accept": "application/json"}
    base, path = _base(forge, connection, url), _path(forge, connection, url)
    with channel(connection, base) as http:
        http.headers.update(headers)
        http.timeout = httpx.Timeout(seconds)
        try:
            found = _ASK[forge](_Api(http, base, connection), path, branch)
        except (AttributeError, KeyError, TypeError):
            raise Doubtful(f"{base} answered something that is not of a {forge}") from None
    return replace(found, by=hidden(found.by, forms(token)))


def _token(connection: RepositoryConnection, url: Url) -> str:
    if connection.github_app is not None:
        return Tokens(connection, connection.github_app, url).current()
    assert connection.token is not None
    return connection.token.line()


class _Api:
    """GET requests below one address; redirects are not followed."""

    def __init__(self, http: httpx.Client, base: str, network: RepositoryConnection) -> None:
        self._http, self._base, self._network = http, base, network

    def get(self, path: str) -> Any:
        """The JSON value; None for a 404."""
        url = f"{self._base}/{path}"
        try:
            status, body = asked(self._http, self._http.build_request("GET", url))
        except httpx.RequestError as error:
            known = fault(error, self._network, url)
            raise known or Unreachable(f"{url}: no answer ({type(error).__name__})") from None
        except Doubtful as error:
            raise Doubtful(f"{url}: {error.message}") from None
        if status == 404:
            return None
        if status in {401, 403}:
            raise LoginRefused(f"{url} answered {status}")
        with suppress(ValueError):
            value = jsontext.parse(body) if status == 200 else None
            if isinstance(value, (dict, list)):
                return value
        raise Doubtful(f"{url} answered {status} and nothing that is of this forge")


def _github(api: _Api, path: str, branch: str) -> Protection:
    place = f"repos/{path}/branches/{quote(branch, safe='')}"
    found = api.get(place)
    rules = api.get(f"repos/{path}/rules/branches/{quote(branch, safe='')}") or []
    if found is None and not rules and api.get(f"repos/{path}") is None:
        raise NotFound(f"the token may not see {path}")
    wanted = [_RULES[rule["type"]] for rule in rules if rule.get("type") in _RULES]
    if found is None and any(rule.get("type") == "creation" for rule in rules):
        wanted.append("creating it is restricted")
    if found and found.get("protected"):
        wanted += _classic(api, place)
        return Protection(protected=True, may_push=None, by=_listed(wanted))
    return Protection(protected=bool(wanted), may_push=None if wanted else True, by=_listed(wanted))


def _classic(api: _Api, place: str) -> list[str]:
    """What the older kind of protection wants; only administrators may read it."""
    try:
        told = api.get(f"{place}/protection") or {}
    except LoginRefused:
        return []
    words = {
        "required_pull_request_reviews": "a pull request is required",
        "restrictions": "only some may push",
        "required_status_checks": "status checks are required",
    }
    found = [text for key, text in words.items() if told.get(key)]
    locked = (told.get("lock_branch") or {}).get("enabled")
    return [*found, "it is locked"] if locked else found


def _gitlab(api: _Api, path: str, branch: str) -> Protection:
    project = f"projects/{quote(path, safe='')}"
    found = api.get(f"{project}/repository/branches/{quote(branch, safe='')}")
    if found is not None:
        may = found.get("can_push")
        by = _levels(api, project, branch) if found.get("protected") else ""
        return Protection(protected=bool(found.get("protected")), may_push=may, by=by)
    if api.get(project) is None:
        raise NotFound(f"the token may not see {path}")
    by = _levels(api, project, branch)
    return Protection(protected=bool(by), may_push=None if by else True, by=by)


def _levels(api: _Api, project: str, branch: str) -> str:
    """Who may push to it: the rules whose name, which may hold `*`, is that of the branch."""
    try:
        rules = api.get(f"{project}/protected_branches?per_page=100") or []
    except LoginRefused:
        return ""
    levels = [
        str(level.get("access_level_description") or level.get("access_level"))
        for rule in rules
        if fnmatchcase(branch, str(rule.get("name", "")).replace("[", "[[]"))
        for level in rule.get("push_access_levels") or [{"access_level_description": "No one"}]
    ]
    return f"may be pushed to by: {', '.join(dict.fromkeys(levels))}" if levels else ""


def _gitea(api: _Api, path: str, branch: str) -> Protection:
    found = api.get(f"repos/{path}/branches/{quote(branch, safe='')}")
    if found is not None:
        rule = found.get("effective_branch_protection_name")
        return Protection(
            protected=bool(found.get("protected")),
            may_push=found.get("user_can_push"),
            by=f"by the rule {rule}" if rule else "",
        )
    if api.get(f"repos/{path}") is None:
        raise NotFound(f"the token may not see {path}")
    return Protection(protected=False, may_push=None)


_ASK: Mapping[Forge | None, Callable[[_Api, str, str], Protection]] = {
    Forge.GITHUB: _github,
    Forge.GITLAB: _gitlab,
    Forge.GITEA: _gitea,
    Forge.FORGEJO: _gitea,
}


def _listed(words: list[str]) -> str:
    return ", ".join(dict.fromkeys(words))


def _page(connection: RepositoryConnection, url: Url) -> str:
    """The repository's page: where it says so, else as its clone URL tells it."""
    if connection.web_url:
        return connection.web_url.rstrip("/")
    path = url.path.rstrip("/").removesuffix(".git")
    if url.scheme in {"http", "https"}:
        return f"{url.origin}{path}"
    return f"https://{SSH_HOSTS.get(url.host, url.host)}{path}"


def _path(forge: Forge, connection: RepositoryConnection, url: Url) -> str:
    parts = urlsplit(_page(connection, url)).path.strip("/").split("/")
    whole = forge is Forge.GITLAB  # groups lie in groups there
    return "/".join(parts if whole else parts[-2:])


def _base(forge: Forge, connection: RepositoryConnection, url: Url) -> str:
    """The root of the API; GitHub's own lies on another host."""
    page = urlsplit(_page(connection, url))
    origin = f"{page.scheme}://{page.netloc}"
    if connection.github_app is not None:
        return connection.github_app.api_url.rstrip("/")
    if forge is Forge.GITHUB and page.netloc == "github.com":
        return "https://api.github.com"
    if forge is Forge.GITHUB and page.netloc.endswith(".ghe.com"):
        return f"https://api.{page.netloc}"
    if forge is Forge.GITHUB:
        return f"{origin}/api/v3"
    if forge is Forge.GITLAB:
        return f"{origin}/api/v4"
    above = page.path.strip("/").split("/")[:-2]  # Gitea may stand under a path
    return "/".join([origin, *filter(None, above), "api/v1"])
