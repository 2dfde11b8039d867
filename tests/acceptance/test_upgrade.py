"""The records of the version before: what waited in them is approved and written, and what both
sides were when last equal is still known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.store.contents import OWNER
from tasks.store.database import Database
from tests.records.old import copy_as_version_1
from tests.sides import in_git, in_kestra
from tests.stack import Stack, stop
from tests.texts import flow

NS = "company.team"
#: More deletions than pass without a person.
GONE = [f"gone{number}" for number in range(6)]


@pytest.fixture(params=["sqlite", "postgresql"])
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The URLs of two empty databases."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'now.db'}", f"sqlite:///{tmp_path / 'before.db'}"
    server = request.getfixturevalue("postgresql_server")
    return server.create(), server.create()


@pytest.fixture
def before(urls: tuple[str, str], tmp_path: Path) -> Iterator[Stack]:
    """A stack whose records are those of version 1, with a run that waits for a person."""
    with Stack(tmp_path / "stack", TENANTSYNC_DATABASE_URL=urls[0]) as stack:
        worker = stack.worker("before")
        stack.kestra.seed(flows=[flow(NS, name) for name in ("stays", *GONE)])
        assert stack.export()["state"] == "APPLIED"
        stack.push({f"{NS}/flows/{name}.yaml": None for name in GONE})
        assert stack.reconcile()["state"] == "WAITING"
        stop(worker)
        new = Database(urls[0])
        copy_as_version_1(new, urls[1])
        new.close()
        (stack.folder / "data" / "contents" / OWNER).unlink()  # version 1 wrote none
        stack.environment["TENANTSYNC_DATABASE_URL"] = urls[1]
        stack.forget_records()
        yield stack


def test_a_run_that_waited_is_approved_and_the_base_is_known(before: Stack) -> None:
    before.worker("after")
    waiting = before.records.find("last")
    done = before.run(
        *("approve", waiting.id, "--digest", str(waiting.plan_digest)),
        *("--deletions", str(len(GONE))),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert before.ended(waiting.id).state == "APPLIED"
    assert [name for _, name in before.kestra.flows()] == ["stays"]
    assert in_git(before) == in_kestra(before)
    # A base that was lost would make this a first contact, where a deletion waits for a person.
    before.push({f"{NS}/flows/stays.yaml": None, f"{NS}/flows/new.yaml": flow(NS, "new")})
    assert before.reconcile()["state"] == "APPLIED"
    assert [name for _, name in before.kestra.flows()] == ["new"]
    assert before.reconcile()["state"] == "UNCHANGED"


def test_the_first_run_on_old_records_changes_nothing(before: Stack) -> None:
    before.kestra.apply({"delete_flows": [{"namespace": NS, "id": name} for name in GONE]})
    before.worker("after")
    outcome = before.reconcile()
    assert outcome["state"] == "UNCHANGED", outcome
