"""What the README and the docs tell is so: their configuration is read, their commands are
commands, a newcomer gets from them to a dry run, and what they point at is there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import typer

from sandbox.git_server import GitServer
from sandbox.sample import sample_seed
from sandbox.server import SandboxServer
from sandbox.settings import Login, Settings
from tasks.outcome import Outcome, State
from tests.stack import ROOT, Stack
from tests.texts import flow
from workers.cli.app import app
from workers.cli.codes import code_of

README = (ROOT / "README.md").read_text(encoding="utf-8")
DOCS = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
PASSWORD = "Sync-Password-1"

every_page = pytest.mark.parametrize("page", DOCS)


def _blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def _commands(text: str) -> Iterator[list[str]]:
    """The words of every `tenantsync ...` of a page: whole lines, and those within a sentence."""
    lines = [line for block in _blocks(text, "sh") for line in block.splitlines()]
    lines += re.findall(r"`(tenantsync [^`]+)`", text)
    for line in lines:
        if line.startswith("tenantsync "):
            yield shlex.split(line)[1:]


# -- what is written there ----------------------------------------------------------------------


@every_page
def test_every_command_is_one(page: str) -> None:
    for words in _commands(DOCS[page]):
        _parse(words)


def _parse(words: list[str]) -> None:
    """Reads a command line as the command does, and runs nothing. A group alone is named too."""
    command: Any = typer.main.get_command(app)
    context = command.make_context("tenantsync", list(words))
    while hasattr(command, "resolve_command"):
        rest = [*context._protected_args, *context.args]
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)


@every_page
def test_every_target_of_make_is_one(page: str) -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"(?:`|^    )make (\w+)", DOCS[page], re.MULTILINE)) <= targets


@every_page
def test_every_link_leads_somewhere(page: str) -> None:
    for link in re.findall(r"\]\(([^)]+)\)", DOCS[page]):
        path, _, section = link.partition("#")
        if link.startswith("http"):
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        heads = re.findall(r"^#+ (.*)$", target.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = {re.sub(r"[^\w -]", "", head.lower()).replace(" ", "-") for head in heads}
        assert not section or section in slugs, link


@every_page
def test_every_test_that_is_named_is_there(page: str) -> None:
    for file, name in re.findall(r"([\w/]+)::(test_\w+)", DOCS[page]):
        path = ROOT / "tests" / f"{file}.py"
        assert path.exists(), path
        assert f"def {name}(" in path.read_text(encoding="utf-8"), f"{file}::{name}"


def test_the_docs_list_every_state_with_its_exit_code() -> None:
    form = r"^\| `(\w+)` \|.*\| (\d?)(?:, or 3 with a problem `OVERTAKEN`)? *\|$"
    rows = re.findall(form, DOCS["docs/states.md"], re.MULTILINE)
    told = {State(name): code for name, code in rows}
    assert set(told) == set(State)
    for state, code in told.items():
        outcome = Outcome(run_id="r1", state=state)
        assert code == ("" if state.in_motion else str(code_of(outcome, tell_changes=False)))


# -- what a newcomer does -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A new folder with the configuration of the README, whose servers stand here."""
    folder = tmp_path_factory.mktemp("newcomer")
    login = Login(name="sync@example.com", password=PASSWORD)
    with (
        SandboxServer(Settings(logins=(login,))) as kestra,
        GitServer(folder / "git", token="git-token") as git,
    ):
        kestra.apply(sample_seed(namespaces=3, flows_each=3, files_each=3, dashboards=1))
        git.create("example/flows")
        text = _blocks(README, "yaml")[0]
        for written, here in (
            ("https://kestra.example.com", kestra.url),
            ("https://github.com/example/flows.git", git.url("example/flows")),
        ):
            assert written in text
            text = text.replace(written, here)
        (folder / "tenantsync.yaml").write_text(text, encoding="utf-8")
        (folder / "secrets").mkdir(mode=0o700)
        (folder / "secrets/git-token").write_text("git-token\n", encoding="utf-8")
        yield folder


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "workers.cli", *words],
        cwd=folder,
        env={
            **kept,
            "PYTHONPATH": str(ROOT),
            "KESTRA_PASSWORD": PASSWORD,
            "TENANTSYNC_GIT_PROTOCOLS": "http",
            "TENANTSYNC_CONCURRENCY": "2",
            "TENANTSYNC_SHUTDOWN": "3",
        },
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )


def test_the_configuration_has_no_mistake_and_no_warning(home: Path, tmp_path: Path) -> None:
    done = _run(home, "config", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 kestra, 1 repositories, 2 syncs" in done.stdout
    whole = tmp_path / "tenantsync.yaml"
    whole.write_text("".join(_blocks(README, "yaml")), encoding="utf-8")
    done = _run(tmp_path, "config", "check")
    assert (done.returncode, done.stderr) == (0, "")
    assert "2 people" in done.stdout


@pytest.mark.timeout(300)
def test_a_newcomer_gets_to_a_dry_run_and_from_it_to_an_unchanged_sync(home: Path) -> None:
    first, deploy = _after(README, "**First dry run.**")
    states = []
    for line in (*first.splitlines(), *deploy.splitlines()):
        done = _run(home, *shlex.split(line)[1:])
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        found = re.findall(r"^(PLANNED|APPLIED|UNCHANGED) ", done.stdout, re.MULTILINE)
        states += found or ["diff --git" in done.stdout]
    assert states == ["PLANNED", True, "APPLIED", "UNCHANGED", "UNCHANGED"]
    well = _run(home, "doctor")
    assert well.returncode == 0, well.stdout
    assert "All is well." in well.stdout


def _after(text: str, words: str) -> list[str]:
    """The first two blocks of commands after these words."""
    return _blocks(text[text.index(words) :], "sh")[:2]


def test_another_service_asks_and_reads_the_outcome(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow("company.team", "one")])
    (code,) = _blocks(README, "python")
    told: Mapping[str, Any] = json.loads(_blocks(README, "json")[0])
    address = re.findall(r'REDIS = "(.*)"', code)[0]
    names: dict[str, Any] = {}
    exec(code.replace(address, stack.redis_url), names)
    outcome = names["outcome"]
    assert outcome["state"] == told["state"] == "PLANNED"
    assert set(told) <= set(outcome)
    assert set(told["counts"]) == set(outcome["counts"])
