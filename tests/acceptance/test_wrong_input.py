"""Wrong input: each message names the place and the remedy, and nothing is written on either
side."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
import yaml

from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tests.integration.repo.test_ssh import Ssh, ssh  # noqa: F401
from tests.ports import free_port
from tests.stack import Stack
from tests.texts import flow

NS = "company.team"
WRONG_PASSWORD, WRONG_TOKEN = "Wr0ng-Pa55word-x7", "wr0ng-t0ken-y8"
SECRETS = (DEFAULT_PASSWORD, "git-token", WRONG_PASSWORD, WRONG_TOKEN)
TASK = {"sourceOfTruth": "KESTRA", "branch": "main", "kestra": "main", "repository": "main"}
#: What is wrong with each sync, and what its message has to name.
SYNCS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "wrong-password": (
        {"kestra": "wrong-password"},
        ("{kestra}", "login of this server in kestra:"),
    ),
    "away": ({"kestra": "away"}, ("{away}", "url")),
    "wrong-token": ({"repository": "wrong-token"}, ("{git}", "token")),
    "unknown-host": ({"repository": "unknown-host"}, ("127.0.0.1", "ssh-keyscan", "known_hosts")),
}


@dataclass(frozen=True)
class Told:
    """What a command said, how it ended, and the outcome of its run."""

    code: int
    text: str
    outcome: dict[str, Any]


@dataclass(frozen=True)
class World:
    """A stack after all wrong syncs, what each was told, and the words that stand for places."""

    stack: Stack
    told: dict[str, Told]
    places: dict[str, str]


@pytest.fixture(scope="module")
def world(processes: Stack, ssh: Ssh) -> Iterator[World]:  # noqa: F811
    stack = processes.fresh()
    stack.kestra.seed(flows=[flow(NS, "here")])
    stack.push({f"{NS}/flows/there.yaml": flow(NS, "there")})
    away = f"http://127.0.0.1:{free_port()}"
    places = {"kestra": stack.kestra.url, "away": away, "git": stack.git.origin}
    _configure(stack, away, ssh)
    stack.kestra.reset_log()
    asked = [stack.ask(**{**TASK, **given, "dryRun": True}) for given, _ in SYNCS.values()]
    with ThreadPoolExecutor(len(SYNCS)) as pool:
        done = list(pool.map(lambda name: stack.run("sync", name), SYNCS))
    told = {
        name: Told(one.returncode, one.stdout + one.stderr, stack.outcome(message))
        for name, one, message in zip(SYNCS, done, asked, strict=True)
    }
    yield World(stack, told, places)


def _configure(stack: Stack, away: str, server: Ssh) -> None:
    stack.configure()
    config = yaml.safe_load(stack.config.read_text())
    secrets = stack.folder / "secrets"
    secrets.mkdir(exist_ok=True)
    for name, secret in (("password", WRONG_PASSWORD), ("token", WRONG_TOKEN)):
        (secrets / name).write_text(secret + "\n")
    (secrets / "known_hosts").touch()
    kestra, repository = config["kestra"], config["repositories"]
    kestra["wrong-password"] = {**kestra["main"], "password": {"file": str(secrets / "password")}}
    kestra["away"] = {**kestra["main"], "url": away}
    repository["wrong-token"] = {**repository["main"], "token": {"file": str(secrets / "token")}}
    repository["unknown-host"] = {
        "url": server.url(stack.repository),
        "sshKey": str(server.key),
        "knownHosts": str(secrets / "known_hosts"),
    }
    config["syncs"] = {name: {**TASK, **given} for name, (given, _) in SYNCS.items()}
    stack.config.write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.mark.parametrize("name", SYNCS)
def test_what_cannot_be_reached_or_entered_is_named_with_the_remedy(
    world: World, name: str
) -> None:
    told = world.told[name]
    assert told.code == 1, told.text
    assert "Traceback" not in told.text
    (problem,) = told.outcome["problems"]
    assert told.outcome["state"] == "FAILED"
    for word in SYNCS[name][1]:
        assert word.format(**world.places) in problem["message"], problem
        assert word.format(**world.places) in " ".join(told.text.split()), told.text


def test_nothing_is_written_on_either_side(world: World) -> None:
    stack = world.stack
    assert set(stack.kestra.flows()) == {(NS, "here")}
    assert {call["method"] for call in stack.kestra.log()} <= {"GET"}
    assert set(stack.tree()) == {f"{NS}/flows/there.yaml"}
    assert len(stack.commits()) == 1


def _secrets_in(text: bytes) -> list[str]:
    """The secrets that a text holds, as they are or as a login header has them."""
    logins = [f"{user}:{secret}" for user in (DEFAULT_USER, "git") for secret in SECRETS]
    encoded = [base64.b64encode(login.encode()) for login in logins]
    return [str(one) for one in (*(s.encode() for s in SECRETS), *encoded) if one in text]


# -- the configuration and the task -------------------------------------------------------------


def _both_ways(stack: Stack, *arguments: str, **task: Any) -> tuple[str, str]:
    """What the command line says, and what a message is answered; both refused."""
    done = stack.run(*arguments)
    assert done.returncode == 1, done.stdout
    assert "Traceback" not in done.stderr
    with pytest.raises(Exception) as caught:
        stack.outcome(stack.ask(**task))
    return done.stderr, str(caught.value)


def _nothing_asked(stack: Stack, before: int) -> None:
    assert len(stack.records.newest(1000)) == before
    assert not stack.git_out("for-each-ref")


def test_bad_yaml_in_the_configuration_is_named_by_file_and_line(stack: Stack) -> None:
    before = len(stack.records.newest(1000))
    text = stack.config.read_text()
    stack.config.write_text(text + "syncs:\n  nightly: {sourceOfTruth: KESTRA\n  next: [\n")
    line = text.count("\n") + 3
    for said in _both_ways(stack, "sync", "nightly", sourceOfTruth="KESTRA"):
        assert f"tenantsync.yaml:{line}" in said, said
    stack.config.write_text(text)
    _nothing_asked(stack, before)


def test_an_unknown_field_of_the_configuration_is_named_with_the_nearest(stack: Stack) -> None:
    before = len(stack.records.newest(1000))
    text = stack.config.read_text()
    stack.config.write_text(
        text.replace("    username:", f"    pasword: {WRONG_PASSWORD}\n    username:")
    )
    line = next(
        n for n, one in enumerate(stack.config.read_text().splitlines(), 1) if "pasword" in one
    )
    for said in _both_ways(stack, "sync", "x", sourceOfTruth="KESTRA"):
        assert f"tenantsync.yaml:{line}" in said, said
        assert "kestra.main.pasword" in said
        assert "did you mean password?" in said
        assert not _secrets_in(said.encode())
    _nothing_asked(stack, before)


def test_an_unknown_field_of_a_task_is_named_with_the_nearest(stack: Stack) -> None:
    before = len(stack.records.newest(1000))
    fields = ("--source-of-truth", "kestra", "--branch", "main")
    wrong = ("--set", 'whenMisingInSource="KEEP"')
    told = _both_ways(
        stack, "sync", "tenant", *fields, *wrong, sourceOfTruth="KESTRA", whenMisingInSource="KEEP"
    )
    for said in told:
        assert "whenMisingInSource" in said, said
        assert "did you mean whenMissingInSource?" in said
    _nothing_asked(stack, before)


@pytest.mark.parametrize(
    ("flag", "field"), [("--repository", "repository"), ("--kestra", "kestra")]
)
def test_an_unknown_connection_is_named_with_the_nearest(
    stack: Stack, flag: str, field: str
) -> None:
    before = len(stack.records.newest(1000))
    fields = ("--source-of-truth", "kestra", "--branch", "main", flag, "mian")
    told = _both_ways(stack, "sync", "tenant", *fields, sourceOfTruth="KESTRA", **{field: "mian"})
    for said in told:
        assert "mian" in said, said
        assert "did you mean main?" in said
    _nothing_asked(stack, before)


def test_a_value_that_is_none_of_the_choices_is_named_with_them(stack: Stack) -> None:
    before = len(stack.records.newest(1000))
    fields = ("--source-of-truth", "svn", "--branch", "main")
    for said in _both_ways(stack, "sync", "tenant", *fields, sourceOfTruth="SVN"):
        assert "KESTRA" in said.upper() and "GIT" in said.upper(), said
    _nothing_asked(stack, before)


def test_a_secret_that_is_not_set_is_named_by_its_variable(stack: Stack) -> None:
    text = stack.config.read_text()
    stack.config.write_text(text.replace("env: KESTRA_PASSWORD", "env: NOWHERE_SET"))
    outcome = stack.export()
    assert outcome["state"] == "FAILED"
    assert (
        "environment variable NOWHERE_SET is not set or empty"
        in (outcome["problems"][0]["message"])
    )
    assert not stack.git_out("for-each-ref")
