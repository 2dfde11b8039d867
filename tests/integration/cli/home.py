"""A configuration of its own in a temporary folder, the command, and runs put into its records."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.artifacts import Kind
from tasks.outcome import Counts, State
from tasks.plan import Action, Cause, Change, Plan, Target, plan_digest
from tasks.problems import Problem
from tasks.requests import Side, TenantSync
from tasks.run import Run
from tasks.store.contents import Contents
from tasks.store.database import Database
from tasks.store.runs import Runs, now

ROOT = Path(__file__).parents[3]
TARGET = Target(
    server="uuid-1", tenant="main", remote="https://git.example/acme.git", branch="main",
    git_directory="",
)  # fmt: skip
TASK = TenantSync(kestra="prod", repository="flows", source_of_truth=Side.GIT, branch="main")
#: Nothing listens there.
CLOSED = "http://127.0.0.1:9"
CONFIG = f"""\
kestra:
  prod:
    url: {CLOSED}
    username: admin@example.org
    password: {{env: KESTRA_PASSWORD}}
repositories:
  flows:
    url: {CLOSED}/acme.git
syncs:
  deploy:
    sourceOfTruth: GIT
    branch: main
  backup:
    sourceOfTruth: KESTRA
    branch: backup
    dryRun: true
    schedule: "*/5 * * * *"
"""


@dataclass(frozen=True)
class Said:
    """How one command ended and what it said."""

    code: int
    out: str
    err: str


class Home:
    """One installation in a folder."""

    def __init__(self, folder: Path, config: str = CONFIG) -> None:
        self.folder = folder
        self.data = folder / ".tenantsync"
        self.data.mkdir(parents=True, exist_ok=True)
        self.config = folder / "tenantsync.yaml"
        self.config.write_text(config, encoding="utf-8")
        self.contents = Contents(str(self.data / "contents"))
        self.database = Database(f"sqlite:///{self.data / 'tenantsync.db'}")
        self.runs = Runs(self.database)

    def close(self) -> None:
        self.database.close()

    def environment(self, **more: str) -> dict[str, str]:
        """That of the command: nothing of ours, and a git that may speak http."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
        return {
            **kept,
            "PYTHONPATH": str(ROOT),
            "KESTRA_PASSWORD": "Sandbox-Admin1",
            "TENANTSYNC_GIT_PROTOCOLS": "http,https",
            **more,
        }

    def command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "workers.cli", *arguments]

    def run(self, *arguments: str, stdin: str = "", **environment: str) -> Said:
        """The command in the folder, run to its end, without a terminal."""
        done = subprocess.run(
            self.command(*arguments),
            cwd=self.folder,
            env=self.environment(**environment),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=90,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def asked(self, task: TenantSync = TASK, who: str = "ann") -> Run:
        """A run that was asked for."""
        run, _ = self.runs.ask(task, who=who, message=f"m-{now().isoformat()}")
        return run

    def planned(
        self,
        changes: Sequence[Change],
        *,
        state: State = State.WAITING,
        task: TenantSync = TASK,
        guards: Sequence[Problem] = (),
        problems: Sequence[Problem] = (),
        **columns: Any,
    ) -> Run:
        """A run with a stored plan that has come to this state."""
        run = self.asked(task)
        ordered = tuple(sorted(changes, key=lambda change: change.key))
        plan = Plan(
            run=run.id, target=TARGET, base_commit="a" * 40, changes=ordered,
            problems=tuple(problems), guards=tuple(guards),
        )  # fmt: skip
        values = {
            "target": TARGET.to_dict(),
            "plan": self.contents.put(plan.to_json().encode()),
            "patch": self.contents.put(b"diff --git a/x b/x\n--- a/x\n+++ b/x\n-a\n+b\n"),
            "ion": self.contents.put(ION),
            "plan_digest": plan_digest(plan),
            "planned_at": now(),
            "deletions": plan.deletions,
            "counts": counts_of(plan).to_dict(),
            "problems": [one.to_dict() for one in (*problems, *guards)],
            **columns,
        }
        moved = self.runs.move(run, State.PLANNING)
        assert moved is not None
        final = self.runs.move(moved, state, **values)
        assert final is not None
        return final


ION = (
    b'{file:"company.team/flows/load.yaml",key:"company.team/FLOW/load",kind:"FLOW",'
    b'namespace:"company.team",action:"UPDATED_KES",additions:"+1",deletions:"-1",changes:"2",'
    b'cause:"CHANGED",risks:[]}\n'
)


def counts_of(plan: Plan) -> Counts:
    actions = [change.action for change in plan.changes]
    return Counts(
        add=actions.count(Action.ADD),
        update=actions.count(Action.UPDATE),
        delete=actions.count(Action.DELETE),
    )


def change(
    name: str,
    action: Action = Action.UPDATE,
    *,
    namespace: str = "company.team",
    kind: Kind = Kind.FLOW,
    cause: Cause = Cause.CHANGED,
    **fields: Any,
) -> Change:
    """One change of a flow that Git is the truth of."""
    return Change(
        namespace=namespace, kind=kind, name=name, target=Side.KESTRA, action=action, cause=cause,
        before=None if action is Action.ADD else "b" * 40,
        after=None if action is Action.DELETE else "c" * 40,
        path=f"{namespace}/flows/{name}.yaml",
        **{"additions": 3, "deletions": 1, **fields},
    )  # fmt: skip
