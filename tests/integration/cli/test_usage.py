"""What the command line itself says: help, options from the models, mistakes in typing."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tasks.requests import NamespaceSync, TenantSync
from tests.integration.cli.home import ROOT, Home

HEAVY = ("celery", "kombu", "redis", "sqlalchemy", "httpx", "git", "fsspec", "amazon")


def test_help_lists_every_command(home: Home) -> None:
    said = home.run("--help")
    assert said.code == 0
    for name in (
        "demo", "sync", "syncs", "runs", "approve", "reject", "audit", "doctor", "config",
        "schema", "up", "worker", "beat",
    ):  # fmt: skip
        assert f"\n  {name}  " in said.out


@pytest.mark.parametrize("group", [(), ("sync",), ("runs",), ("syncs",), ("config",), ("audit",)])
def test_a_bare_group_shows_its_help(home: Home, group: tuple[str, ...]) -> None:
    said = home.run(*group)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("Usage: tenantsync")


def test_the_tree_of_commands_loads_nothing_heavy() -> None:
    """Start-up time: help and completion need none of the libraries that do the work."""
    code = f"import sys, workers.cli.app; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("command", "model"), [("tenant", TenantSync), ("namespace", NamespaceSync)]
)
def test_every_field_of_a_task_is_an_option_or_given_by_set(
    home: Home, command: str, model: type[TenantSync] | type[NamespaceSync]
) -> None:
    said = home.run("sync", command, "--help")
    by_set = said.out.split("--set FIELD=JSON", 1)[1].split("--wait", 1)[0]
    for name, field in model.model_fields.items():
        flag = "--" + name.replace("_", "-")
        shown = f"{flag} " in said.out or f"{flag.removesuffix('s')} " in said.out
        assert shown or str(field.alias) in by_set or name == "type", name


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("synk",), "No such command 'synk'. Did you mean 'sync'"),
        (("runs", "list", "--foo"), "No such option: --foo"),
        (("runs", "show"), "Missing argument 'RUN'"),
        (("sync", "tenant", "--review", "maybe"), "maybe"),
        (("sync", "deplay"), "there is no sync deplay; did you mean deploy?"),
        (("sync", "tenant", "--branch", "main"), "--source-of-truth is missing"),
        (("sync", "namespace", "--branch", "b", "--source-of-truth", "git"), "--namespace is mis"),
        (("sync", "tenant", "--set", "branch"), "write FIELD=JSON"),
        (("sync", "tenant", "--set", "branch=main"), "its value is no JSON"),
        (("sync", "tenant", "--branch", "a", "--set", 'branch="b"'), "branch is given twice"),
        (
            ("sync", "tenant", "--source-of-truth", "git", "--branch", "-x"),
            "tenant_sync: branch: String should match",
        ),
        (
            ("sync", "tenant", "--source-of-truth", "git", "--branch", "b", "--set", "dryrun=true"),
            "dryrun: no such field; did you mean dryRun?",
        ),
        (("schema", "tenantsync"), "there is no schema tenantsync; did you mean tenantSync?"),
        (("runs", "show", "nope"), "run nope: no run starts with that"),
    ],
)
def test_a_mistake_is_one_message_without_a_traceback(
    home: Home, arguments: tuple[str, ...], words: str
) -> None:
    said = home.run(*arguments)
    assert said.code == 1
    assert said.out == ""
    assert said.err.startswith("tenantsync: ")
    assert words in said.err
    assert "Traceback" not in said.err


def test_the_version_is_told(home: Home) -> None:
    assert home.run("--version").out.startswith("tenantsync ")


def test_a_wrong_setting_is_named_without_its_value(home: Home) -> None:
    said = home.run("runs", "list", TENANTSYNC_REDIS_URL="hunter2")
    assert said.code == 1
    assert "TENANTSYNC_REDIS_URL" in said.err
    assert "hunter2" not in said.err


def test_a_missing_configuration_is_named_and_nothing_is_made(home: Home) -> None:
    elsewhere = home.folder / "elsewhere.yaml"
    said = home.run("runs", "list", TENANTSYNC_CONFIG=str(elsewhere), TENANTSYNC_DATA="nowhere")
    assert said.code == 1
    assert f"{elsewhere}: the configuration cannot be read" in said.err
    assert not (home.folder / "nowhere").exists()
