from __future__ import annotations

import pytest

from tasks.errors import Unsafe
from tasks.repo.url import check_branch, check_oid, check_run, check_url

ALL = ("https", "ssh", "http", "file")


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("https://GitHub.com/Acme/Flows.git", "https://github.com/Acme/Flows"),
        ("https://github.com:443/Acme/Flows/", "https://github.com/Acme/Flows"),
        ("HTTPS://github.com/Acme/Flows.git/", "https://github.com/Acme/Flows"),
        ("https://git.example.org:8443/a/b.git", "https://git.example.org:8443/a/b"),
        ("http://[::1]:3000/a/b", "http://[::1]:3000/a/b"),
        ("git@github.com:Acme/Flows.git", "ssh://github.com/Acme/Flows"),
        ("ssh://git@GitHub.com:22/Acme/Flows.git", "ssh://github.com/Acme/Flows"),
        ("ssh://git@host:2222/~/flows", "ssh://host:2222/~/flows"),
        ("host.example:flows", "ssh://host.example/flows"),
        ("/srv/git/flows.git", "file:///srv/git/flows"),
        ("file:///srv/git/flows", "file:///srv/git/flows"),
        ("https://host/a%20b/c.git", "https://host/a%20b/c"),
    ],
)
def test_all_spellings_of_an_address_have_one_identity(url: str, canonical: str) -> None:
    assert check_url(url, ALL).canonical == canonical


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "ext::sh",
        "--upload-pack=touch /tmp/x",
        "--upload-pack=x",
        "-oProxyCommand=x:y",
        "ssh://-oProxyCommand=touch/x",
        "ssh://git@-oProxyCommand=x/y",
        "ssh://-x@host/y",
        "-oProxyCommand:x",
        "host:-x",
        "ssh://host/-x",
        "git@ho st:x",
        "https://host/a\nb",
        "https://host/a\\b",
        "https://host/\x1b[31m",
        "https://hôst/a",
        "https://host/",
        "https://host",
        "https:///a/b",
        "https://host/a/../b",
        "https://host/./b",
        "https://host/a//b",
        "https://user:hunter2@host/a",
        "https://hunter2@host/a",
        "ssh://git:hunter2@host/a",
        "https://host:port/a",
        "https://host:99999/a",
        "https://host/a?x=1",
        "https://host/a#x",
        "git://host/a",
        "ftp://host/a",
        "fd::17/foo",
        "transport::https://host/a",
        "file://host/a",
        "flows.bundle",
        "../flows",
        "",
    ],
)
def test_an_address_that_could_do_something_else_is_refused(url: str) -> None:
    with pytest.raises(Unsafe) as caught:
        check_url(url, ALL)
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize("url", ["http://host/a", "file:///a", "/a"])
def test_http_and_file_are_followed_only_where_the_operator_allows_them(url: str) -> None:
    with pytest.raises(Unsafe, match="not allowed here"):
        check_url(url)
    assert check_url(url, ALL)


@pytest.mark.parametrize("name", ["main", "feature/x-1", "v1.2", "é", "a@b", "release/2026.03"])
def test_a_plain_branch_name_is_taken(name: str) -> None:
    assert check_branch(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "", "-x", "--all", "a..b", "a b", "x.lock", "a/x.lock/b", "a~1", "x:y", "HEAD", "@",
        "a@{1}", ".a", "a/.b", "a.", "/a", "a/", "a//b", "refs/heads/main", "a\x7f", "a\n", "a*",
        "a?", "a[", "a\\b", "a^", "\udcff", "x" * 201,
    ],
)  # fmt: skip
def test_a_branch_name_that_git_reads_otherwise_is_refused(name: str) -> None:
    with pytest.raises(Unsafe):
        check_branch(name)


@pytest.mark.parametrize("text", ["", "HEAD", "--output=x", "abc1234", "A" * 40, "a" * 41])
def test_only_whole_object_ids_reach_git(text: str) -> None:
    with pytest.raises(Unsafe):
        check_oid(text)


@pytest.mark.parametrize("text", ["", "a/b", "..", "a b", "x.lock", "-" * 101])
def test_a_run_id_is_one_part_of_a_ref_name(text: str) -> None:
    with pytest.raises(Unsafe):
        check_run(text)
