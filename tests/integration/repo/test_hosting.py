from __future__ import annotations

from typing import Literal

import pytest

from tasks.repo.hosting import commit_url
from tasks.repo.url import check_url

OID = "a" * 40


@pytest.mark.parametrize(
    ("url", "forge", "web_url", "page"),
    [
        ("https://github.com/acme/flows.git", None, None, "https://github.com/acme/flows/commit/"),
        ("git@github.com:acme/flows.git", None, None, "https://github.com/acme/flows/commit/"),
        (
            "ssh://git@ssh.github.com:443/acme/flows",
            None,
            None,
            "https://github.com/acme/flows/commit/",
        ),
        ("git@gitlab.com:a/b/c.git", None, None, "https://gitlab.com/a/b/c/-/commit/"),
        (
            "ssh://git@git.acme.org:2222/a/b.git",
            "gitlab",
            None,
            "https://git.acme.org/a/b/-/commit/",
        ),
        (
            "https://git.acme.org:8443/a/b",
            "gitlab",
            None,
            "https://git.acme.org:8443/a/b/-/commit/",
        ),
        (
            "git@inner:b.git",
            "github",
            "https://git.acme.org/a/b/",
            "https://git.acme.org/a/b/commit/",
        ),
        ("git@inner:b.git", None, "https://github.com/a/b", "https://github.com/a/b/commit/"),
    ],
)
def test_the_page_of_a_commit_is_found(
    url: str, forge: Literal["github", "gitlab"] | None, web_url: str | None, page: str
) -> None:
    assert commit_url(check_url(url), OID, forge, web_url) == page + OID


@pytest.mark.parametrize(
    ("url", "web_url"),
    [
        ("https://git.acme.org/a/b", None),
        ("https://github.com.evil.org/a/b", None),
        ("https://git.acme.org/a/b", "javascript:alert(1)//github.com/x"),
        ("https://git.acme.org/a/b", "https://user@github.com/a"),
        ("https://git.acme.org/a/b", "https://wiki.acme.org/a"),
        ("/srv/git/b", None),
    ],
)
def test_no_page_is_invented(url: str, web_url: str | None) -> None:
    assert commit_url(check_url(url, ("https", "file")), OID, None, web_url) is None
