"""What doctor says of repositories: real Git servers, and forges that answer as theirs document."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from sandbox.git_server import GitServer
from tasks.connections import Forge, RepositoryConnection
from tasks.errors import Doubtful, LoginRefused, NotFound
from tasks.repo import forge
from tasks.repo.forge import Protection
from tasks.repo.url import check_url
from tasks.secret import Secret
from tests.integration.doctor.patient import HttpServer, Patient, Told, json_server
from tests.integration.repo.test_ssh import Ssh, keygen
from tests.integration.repo.test_ssh import ssh as ssh

TOKEN = "git-token-1"
#: Nothing listens there.
KESTRA = {"main": {"url": "http://127.0.0.1:9"}}
TO_GIT = {"backup": {"sourceOfTruth": "KESTRA", "branch": "main"}}
TO_KESTRA = {"deploy": {"sourceOfTruth": "GIT", "branch": "main"}}


def ask(
    patient: Patient, url: str, *arguments: str, syncs: Mapping[str, Any] = TO_GIT, **fields: Any
) -> Told:
    """Doctor, asked about a repository at this address."""
    if urlsplit(url).scheme == "http":
        fields = {"token": {"env": "GIT_TOKEN"}, **fields}
    repository = {"url": url, **fields}
    patient.configure(kestra=KESTRA, repositories={"flows": repository}, syncs=dict(syncs))
    return patient.told(*arguments, GIT_TOKEN=TOKEN, GIT_WRONG="wrong-token-1")


def of_repository(told: Told) -> list[str]:
    return [one.check for one in told.bad if one.subject == "repository flows"]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    """A server with `acme/flows`, which has the branch main."""
    with GitServer(tmp_path / "git", token=TOKEN) as server:
        path = server.create("acme/flows")
        git = ["git", "--git-dir", str(path), "-c", "user.name=P", "-c", "user.email=p@example.org"]
        tree = subprocess.run(
            [*git, "mktree"], input=b"", capture_output=True, check=True
        ).stdout.strip()
        commit = [*git, "commit-tree", tree.decode(), "-m", "first"]
        oid = subprocess.run(commit, capture_output=True, check=True).stdout.strip()
        subprocess.run([*git, "update-ref", "refs/heads/main", oid.decode()], check=True)
        yield server


def test_a_good_repository_is_not_complained_of_and_not_written(
    patient: Patient, server: GitServer
) -> None:
    told = ask(patient, server.url("acme/flows"))
    assert not of_repository(told)
    told.has("ok", "repository", "login accepted, 1 branches, default branch main")
    told.has("ok", "repository-push", "may be pushed to")
    told.has("note", "repository-protection", "whether main is protected is not known")
    assert not [one for one in server.requests if one.path.endswith("/git-receive-pack")]


def test_a_server_that_is_away(patient: Patient) -> None:
    told = ask(patient, "http://127.0.0.1:9/acme/flows.git")
    told.has("broken", "repository", "cannot be reached")


def test_a_server_that_never_answers(patient: Patient, server: GitServer) -> None:
    server.hanging = True
    told = ask(patient, server.url("acme/flows"), "--timeout", "12")
    told.has("broken", "repository", "did not end within 6 s")


def test_a_wrong_token_and_a_wrong_path(patient: Patient, server: GitServer) -> None:
    told = ask(patient, server.url("acme/flows"), token={"env": "GIT_WRONG"})
    told.has("broken", "repository", "does not accept the login")
    assert "wrong-token-1" not in str(told)
    told = ask(patient, server.url("acme/lost"))
    told.has("broken", "repository", "no such repository", "check the url")


def test_a_protocol_that_is_not_allowed(patient: Patient, server: GitServer) -> None:
    patient.configure(repositories={"flows": {"url": server.url("acme/flows")}})
    told = patient.told(TENANTSYNC_GIT_PROTOCOLS="https")
    told.has("broken", "repository", "'http' are not allowed")


def test_a_host_key_that_is_not_known(patient: Patient, ssh: Ssh, tmp_path: Path) -> None:
    other = tmp_path / "known"
    other.write_text(
        f"[127.0.0.1]:{ssh.port} {keygen(tmp_path / 'k').with_suffix('.pub').read_text()}"
    )
    place, key = ssh.url(tmp_path / "any.git"), str(ssh.key)
    told = ask(patient, place, sshKey=key, knownHosts=str(other))
    told.has("broken", "repository", "host key of 127.0.0.1 is not")
    other.write_text("")
    told = ask(patient, place, sshKey=key, knownHosts=str(other))
    told.has("broken", "repository", "is not known", "ssh-keyscan")
    told = ask(patient, place, sshKey=key)
    told.has("broken", "repository", "knownHosts is missing")


def test_branches_that_are_not_there(patient: Patient, server: GitServer) -> None:
    lost = {"deploy": {"sourceOfTruth": "GIT", "branch": "lost"}}
    told = ask(patient, server.url("acme/flows"), syncs=lost)
    told.has("broken", "repository-branch", "branch lost is not there; push it")
    new = {"backup": {"sourceOfTruth": "KESTRA", "branch": "new"}}
    told = ask(patient, server.url("acme/flows"), syncs=new)
    told.has("note", "repository-branch", "will be created from main")
    odd = {"backup": {**new["backup"], "baseBranch": "nowhere"}}
    told = ask(patient, server.url("acme/flows"), syncs=odd)
    told.has("warning", "repository-branch", "neither branch new nor baseBranch nowhere")


def test_a_login_that_may_only_read(patient: Patient, server: GitServer) -> None:
    path = server.create("acme/flows")
    subprocess.run(["git", "--git-dir", path, "config", "http.receivepack", "false"], check=True)
    told = ask(patient, server.url("acme/flows"))
    told.has("broken", "repository-push", "403", "written by backup")
    told = ask(patient, server.url("acme/flows"), syncs=TO_KESTRA)
    told.has("note", "repository-push", "no sync writes it")


def test_a_refusing_hook_cannot_be_seen(patient: Patient, server: GitServer) -> None:
    """As docs/operations.md says: a hook is only asked when something is really pushed."""
    server.refuse("acme/flows", "no pushes today")
    told = ask(patient, server.url("acme/flows"))
    told.has("ok", "repository-push")


# -- what forges say ----------------------------------------------------------------------------

GITHUB = "/api/v3/repos/acme/flows"
GITLAB = "/api/v4/projects/acme%2Fflows"
GITEA = "/api/v1/repos/acme/flows"


def asked(
    answers: Mapping[str, Any], name: str, branch: str = "main"
) -> tuple[Protection, HttpServer]:
    """What a forge of this name says, and the server that was asked."""
    with json_server(answers) as server:
        connection = RepositoryConnection(
            url=f"{server.url}/acme/flows.git", forge=Forge(name), token=Secret(env="GIT_TOKEN")
        )
        url = check_url(connection.url, ("http",))
        return forge.protection(connection, url, branch, 10), server


@pytest.fixture(autouse=True)
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_TOKEN", TOKEN)


def test_github_rulesets_are_named() -> None:
    rules = [{"type": "pull_request", "ruleset_id": 1}, {"type": "deletion"}]
    found, server = asked(
        {f"{GITHUB}/branches/main": {"name": "main", "protected": False},
         f"{GITHUB}/rules/branches/main": rules},
        "github",
    )  # fmt: skip
    assert found == Protection(protected=True, may_push=None, by="a pull request is required")
    assert {login for _, login in server.asked} == {f"Bearer {TOKEN}"}


def test_github_rules_that_let_a_push_through_do_not_matter() -> None:
    rules = [{"type": "deletion"}, {"type": "non_fast_forward"}]
    found, _ = asked(
        {f"{GITHUB}/branches/main": {"name": "main", "protected": False},
         f"{GITHUB}/rules/branches/main": rules},
        "github",
    )  # fmt: skip
    assert found == Protection(protected=False, may_push=True)


@pytest.mark.parametrize("detail", [403, 404, {"restrictions": {"users": []}, "lock_branch": {}}])
def test_github_protection_whose_details_only_administrators_see(detail: Any) -> None:
    place = f"{GITHUB}/branches/feature%2Fx"
    found, _ = asked(
        {place: {"protected": True}, f"{GITHUB}/rules/branches/feature%2Fx": [],
         f"{place}/protection": detail},
        "github",
        "feature/x",
    )  # fmt: skip
    by = "only some may push" if isinstance(detail, dict) else ""
    assert found == Protection(protected=True, may_push=None, by=by)


def test_github_rules_for_a_branch_that_is_not_there_yet() -> None:
    rules = [{"type": "creation"}]
    found, _ = asked({f"{GITHUB}/rules/branches/new": rules, GITHUB: {}}, "github", "new")
    assert found == Protection(protected=True, may_push=None, by="creating it is restricted")


def test_gitlab_says_itself_whether_the_token_may_push() -> None:
    rule = {
        "name": "ma*",
        "push_access_levels": [{"access_level": 40, "access_level_description": "Maintainers"}],
    }
    found, _ = asked(
        {f"{GITLAB}/repository/branches/main": {"protected": True, "can_push": False},
         f"{GITLAB}/protected_branches": [rule]},
        "gitlab",
    )  # fmt: skip
    assert found == Protection(
        protected=True, may_push=False, by="may be pushed to by: Maintainers"
    )


def test_gitlab_rules_for_a_branch_that_is_not_there_yet() -> None:
    rules = [{"name": "release/*", "push_access_levels": []}]
    answers = {GITLAB: {"id": 1}, f"{GITLAB}/protected_branches": rules}
    found, _ = asked(answers, "gitlab", "release/1")
    assert found == Protection(protected=True, may_push=None, by="may be pushed to by: No one")
    found, _ = asked(answers, "gitlab", "other")
    assert found == Protection(protected=False, may_push=True)


@pytest.mark.parametrize("name", ["gitea", "forgejo"])
def test_gitea_says_itself_whether_the_token_may_push(name: str) -> None:
    told = {
        "protected": True, "user_can_push": False, "effective_branch_protection_name": "main",
    }  # fmt: skip
    found, server = asked({f"{GITEA}/branches/main": told}, name)
    assert found == Protection(protected=True, may_push=False, by="by the rule main")
    assert server.asked[0][1] == f"token {TOKEN}"


@pytest.mark.parametrize("name", ["github", "gitlab", "gitea"])
def test_a_forge_that_does_not_tell(name: str) -> None:
    with pytest.raises(NotFound, match="may not see acme/flows"):
        asked({}, name)
    places = (f"{GITHUB}/branches/main", f"{GITLAB}/repository/branches/main")
    refused = dict.fromkeys((*places, f"{GITEA}/branches/main"), 403)
    with pytest.raises(LoginRefused, match="answered 403"):
        asked(refused, name)
    with pytest.raises(Doubtful, match="answered 502"):
        asked(dict.fromkeys(refused, 502), name)


def test_what_forge_it_is_and_where_its_api_lies() -> None:
    def place(address: str, stated: Forge | None = None, **fields: Any) -> tuple[Any, str, str]:
        connection = RepositoryConnection(url=address, forge=stated, **fields)
        url = check_url(address, ("https", "ssh"))
        found = forge.name(connection, url)
        named = found or Forge.GITEA
        return found, forge._base(named, connection, url), forge._path(named, connection, url)

    assert place("https://github.com/a/b.git") == ("github", "https://api.github.com", "a/b")
    assert place("git@github.com:a/b.git") == ("github", "https://api.github.com", "a/b")
    assert place("https://gitlab.com/a/sub/b.git")[1:] == ("https://gitlab.com/api/v4", "a/sub/b")
    assert place("https://codeberg.org/a/b")[:2] == ("forgejo", "https://codeberg.org/api/v1")
    assert place("https://git.example/a/b", stated=Forge.GITHUB)[1] == "https://git.example/api/v3"
    own = place("https://git.example:8443/x/b", web_url="https://pages.example/git/x/b")
    assert own == (None, "https://pages.example/git/api/v1", "x/b")


@pytest.mark.parametrize(
    ("answer", "level", "words"),
    [
        ({"protected": True, "can_push": False}, "broken", "this login may not push to it"),
        ({"protected": False, "can_push": False}, "broken", "may not be pushed to by this login"),
        ({"protected": True}, "warning", "unless this login may bypass it"),
        ({"protected": True, "can_push": True}, "ok", "and this login may push to it"),
        ({"protected": False, "can_push": True}, "ok", "not protected"),
        (403, "note", "cannot be told"),
    ],
)
def test_the_branch_that_a_sync_writes_is_asked_for(
    patient: Patient, server: GitServer, answer: Any, level: str, words: str
) -> None:
    with json_server({f"{GITLAB}/repository/branches/main": answer}) as gitlab:
        page = {"forge": "gitlab", "webUrl": f"{gitlab.url}/acme/flows", "username": "git"}
        told = ask(patient, server.url("acme/flows"), **page)
    told.has(level, "repository-protection", words, "main")
    assert TOKEN not in str(told)


def test_the_branch_that_no_sync_writes_is_not(patient: Patient, server: GitServer) -> None:
    with json_server({}) as gitlab:
        page = {"forge": "gitlab", "webUrl": f"{gitlab.url}/acme/flows", "username": "git"}
        told = ask(patient, server.url("acme/flows"), syncs=TO_KESTRA, **page)
        assert not gitlab.asked
    assert not told.of("repository-protection")
