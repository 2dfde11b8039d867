from __future__ import annotations

import pytest

from tasks.connections import Forge
from tasks.repo.hosting import commit_url
from tasks.repo.url import check_url

OID = "a" * 40
GITHUB = "https://github.com/acme/flows/commit/"
GITLAB = "https://gitlab.com/acme/team/data/flows/-/commit/"
CLOUD = "https://bitbucket.org/acme/flows/commits/"
SERVER = "https://bitbucket.acme.org/projects/PROJ/repos/flows/commits/"
USER = "https://bitbucket.acme.org/users/ada/repos/flows/commits/"
AZURE = "https://dev.azure.com/acme/My%20Project/_git/flows/commit/"
OLD_AZURE = "https://acme.visualstudio.com/data/_git/flows/commit/"


@pytest.mark.parametrize(
    ("url", "forge", "page"),
    [
        # docs.github.com: Autolinked references and URLs; Using SSH over the HTTPS port
        ("https://github.com/acme/flows.git", None, GITHUB),
        ("https://github.com/acme/flows/", None, GITHUB),
        ("git@github.com:acme/flows.git", None, GITHUB),
        ("ssh://git@github.com/acme/flows.git", None, GITHUB),
        ("ssh://git@ssh.github.com:443/acme/flows", None, GITHUB),
        ("https://acme.ghe.com/a/b.git", None, "https://acme.ghe.com/a/b/commit/"),
        ("git@git.acme.org:a/b.git", "github", "https://git.acme.org/a/b/commit/"),
        ("ssh://git@git.acme.org:122/a/b", "github", "https://git.acme.org/a/b/commit/"),
        # docs.gitlab.com: Subgroups; Clone with SSH; alternative port 443
        ("https://gitlab.com/acme/team/data/flows.git", None, GITLAB),
        ("git@gitlab.com:acme/team/data/flows.git", None, GITLAB),
        ("ssh://git@altssh.gitlab.com:443/acme/team/data/flows.git", None, GITLAB),
        ("ssh://git@git.acme.org:2222/a/b.git", "gitlab", "https://git.acme.org/a/b/-/commit/"),
        ("https://git.acme.org:8443/a/b", "gitlab", "https://git.acme.org:8443/a/b/-/commit/"),
        ("https://acme.org/gitlab/a/b.git", "gitlab", "https://acme.org/gitlab/a/b/-/commit/"),
        ("ssh://git@[fd00::7]:2222/a/b.git", "gitlab", "https://[fd00::7]/a/b/-/commit/"),
        # support.atlassian.com: Clone a repository; Use SSH on port 443
        ("https://bitbucket.org/acme/flows.git", None, CLOUD),
        ("git@bitbucket.org:acme/flows.git", None, CLOUD),
        ("ssh://git@bitbucket.org/acme/flows.git", None, CLOUD),
        ("ssh://git@altssh.bitbucket.org:443/acme/flows.git", None, CLOUD),
        # confluence.atlassian.com/bitbucketserver: Clone a repository; Personal repositories
        ("ssh://git@bitbucket.acme.org:7999/PROJ/flows.git", "bitbucketServer", SERVER),
        ("https://bitbucket.acme.org/scm/PROJ/flows.git", "bitbucketServer", SERVER),
        ("git@bitbucket.acme.org:PROJ/flows.git", "bitbucketServer", SERVER),
        ("ssh://git@bitbucket.acme.org:7999/~ada/flows.git", "bitbucketServer", USER),
        ("https://bitbucket.acme.org/scm/~ada/flows.git", "bitbucketServer", USER),
        ("https://acme.org:8443/bitbucket/scm/P/f.git", "bitbucketServer",
         "https://acme.org:8443/bitbucket/projects/P/repos/f/commits/"),
        # learn.microsoft.com/azure/devops: Clone a repository; Use SSH key authentication
        ("https://dev.azure.com/acme/My%20Project/_git/flows", None, AZURE),
        ("https://acme@dev.azure.com/acme/My%20Project/_git/flows", None, AZURE),
        ("git@ssh.dev.azure.com:v3/acme/My%20Project/flows", None, AZURE),
        ("ssh://git@ssh.dev.azure.com/v3/acme/My%20Project/flows", None, AZURE),
        ("acme@vs-ssh.visualstudio.com:v3/acme/My%20Project/flows", None, AZURE),
        ("ssh://acme@vs-ssh.visualstudio.com:22/DefaultCollection/data/_ssh/flows", None,
         "https://dev.azure.com/acme/DefaultCollection/data/_git/flows/commit/"),
        ("https://acme.visualstudio.com/data/_git/flows", None, OLD_AZURE),
        ("https://acme.visualstudio.com/DefaultCollection/data/_git/flows", None,
         "https://acme.visualstudio.com/DefaultCollection/data/_git/flows/commit/"),
        ("https://tfs.acme.org:8080/tfs/Main/data/_git/flows", "azure",
         "https://tfs.acme.org:8080/tfs/Main/data/_git/flows/commit/"),
        ("ssh://tfs.acme.org:22/tfs/Main/data/_ssh/flows", "azure",
         "https://tfs.acme.org/tfs/Main/data/_git/flows/commit/"),
        # docs.gitea.com, forgejo.org/docs, gogs.io: API, html_url of a commit
        ("https://gitea.com/a/b.git", None, "https://gitea.com/a/b/commit/"),
        ("ssh://git@git.acme.org:2222/a/b.git", "gitea", "https://git.acme.org/a/b/commit/"),
        ("https://acme.org/gitea/a/b.git", "gitea", "https://acme.org/gitea/a/b/commit/"),
        ("ssh://git@codeberg.org/a/b.git", None, "https://codeberg.org/a/b/commit/"),
        ("forgejo@git.acme.org:a/b.git", "forgejo", "https://git.acme.org/a/b/commit/"),
        ("https://git.acme.org:3000/a/b.git", "forgejo", "https://git.acme.org:3000/a/b/commit/"),
        ("https://git.acme.org:3000/a/b.git", "gogs", "https://git.acme.org:3000/a/b/commit/"),
        ("git@git.acme.org:a/b.git", "gogs", "https://git.acme.org/a/b/commit/"),
    ],
)  # fmt: skip
def test_the_page_of_a_commit_is_found(url: str, forge: str | None, page: str) -> None:
    found = commit_url(check_url(url), OID, Forge(forge) if forge else None, None)
    assert found == page + OID


@pytest.mark.parametrize(
    ("forge", "web_url", "page"),
    [
        ("github", "https://git.acme.org/a/b/", "https://git.acme.org/a/b/commit/"),
        (None, "https://github.com/a/b", "https://github.com/a/b/commit/"),
        ("bitbucketServer", "https://b.acme.org/projects/P/repos/b",
         "https://b.acme.org/projects/P/repos/b/commits/"),
        ("azure", "https://tfs.acme.org/Main/data/_git/b",
         "https://tfs.acme.org/Main/data/_git/b/commit/"),
    ],
)  # fmt: skip
def test_the_stated_page_of_the_repository_goes_first(
    forge: str | None, web_url: str, page: str
) -> None:
    url = check_url("git@inner:b.git")
    assert commit_url(url, OID, Forge(forge) if forge else None, web_url) == page + OID


@pytest.mark.parametrize(
    ("url", "forge", "web_url"),
    [
        ("https://git.acme.org/a/b", None, None),
        ("https://github.com.evil.org/a/b", None, None),
        ("https://evilvisualstudio.com/a/_git/b", None, None),
        ("https://git.acme.org/a/b", None, "javascript:alert(1)//github.com/x"),
        ("https://git.acme.org/a/b", None, "https://user@github.com/a"),
        ("https://git.acme.org/a/b", None, "https://wiki.acme.org/a"),
        ("https://bitbucket.acme.org/PROJ/flows.git", "bitbucketServer", None),
        ("ssh://git@bitbucket.acme.org:7999/flows.git", "bitbucketServer", None),
        ("/srv/git/b", "github", None),
    ],
)
def test_no_page_is_invented(url: str, forge: str | None, web_url: str | None) -> None:
    stated = Forge(forge) if forge else None
    assert commit_url(check_url(url, ("https", "ssh", "file")), OID, stated, web_url) is None


def test_a_user_in_an_azure_address_is_taken_only_where_it_is_the_organization() -> None:
    url = check_url("https://acme@dev.azure.com/acme/data/_git/flows")
    assert url.text == "https://dev.azure.com/acme/data/_git/flows"
    for other in ("https://token@dev.azure.com/acme/data/_git/flows", "https://a@github.com/a/b"):
        with pytest.raises(Exception, match="holds a user name"):
            check_url(other)
