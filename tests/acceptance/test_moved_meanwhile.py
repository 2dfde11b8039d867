"""What may move between the plan of a run and its write, and never be overwritten for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tasks import steps
from tasks.artifacts import Kind, Part
from tasks.errors import Overtaken
from tasks.kestra.side import Server
from tasks.pinning import Pinned
from tasks.plan import Target
from tasks.points import Fault, hits
from tasks.requests import TenantSync
from tasks.run import Phase, Run
from tasks.survey import Survey
from tasks.toolbox import Places, Toolbox
from tests.stack import Stack, wait_for
from tests.texts import flow

NS = "company.team"


def _edited(name: str, message: str) -> dict[str, str]:
    return {"namespace": NS, "id": name, "source": flow(NS, name, message)}


def _held_export(stack: Stack) -> object:
    """An export that is planned and not begun."""
    stack.hold("claim", 1, job="tenantsync.begin")
    asked = stack.ask(sourceOfTruth="KESTRA")
    stack.held("claim", 1)
    return asked


def test_a_new_file_never_replaces_another_flow_that_was_pushed_to_its_path(stack: Stack) -> None:
    stack.push({"README.md": "ours\n"})
    stack.kestra.seed(flows=[flow(NS, "one")])
    asked = _held_export(stack)
    foreign = flow(NS, "foreign")
    stack.push({f"{NS}/flows/one.yaml": foreign})
    stack.release("claim")
    stack.outcome(asked)
    assert foreign.encode() in stack.tree().values()


def test_a_deletion_whose_file_was_renamed_meanwhile_is_not_said_to_have_landed(
    stack: Stack,
) -> None:
    stack.kestra.seed(flows=[flow(NS, "one"), flow(NS, "two")])
    assert stack.export()["state"] == "APPLIED"
    stack.kestra.apply({"delete_flows": [{"namespace": NS, "id": "two"}]})
    asked = _held_export(stack)
    old, new = f"{NS}/flows/two.yaml", f"{NS}/flows/renamed.yaml"
    stack.push({old: None, new: flow(NS, "two")})
    stack.release("claim")
    outcome = stack.outcome(asked)
    assert outcome["state"] != "APPLIED" or new not in stack.tree()


def test_a_stale_change_is_not_said_to_have_landed_when_an_unknown_push_is_settled(
    stack: Stack,
) -> None:
    stack.kestra.seed(flows=[flow(NS, "one"), flow(NS, "two")])
    assert stack.export()["state"] == "APPLIED"
    stack.kestra.apply({"flows": [_edited("one", "kestra"), _edited("two", "kestra")]})
    asked = _held_export(stack)
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one", "by a person")})
    stack.arm("push.after", Fault.RAISE)
    stack.release("claim")
    outcome = stack.outcome(asked)
    assert b"by a person" in stack.tree()[f"{NS}/flows/one.yaml"]
    assert outcome["counts"]["landed"] == 1, outcome


def test_a_run_that_is_stale_again_and_again_is_followed_three_times(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "one")])
    assert stack.export()["state"] == "APPLIED"
    stack.kestra.apply({"flows": [_edited("one", "edited")]})
    stack.hold("claim", 1, gate="gate 1", job="tenantsync.begin")
    stack.ask(sourceOfTruth="KESTRA")
    runs = [_overtaken(stack, number) for number in range(1, 5)]
    assert [run.state for run in runs] == ["STALE"] * 4
    assert [run.followed_by for run in runs] == [*(run.id for run in runs[1:]), None]


def _overtaken(stack: Stack, number: int) -> Run:
    """The run that is held before it writes, once it rests after another edit; whoever follows it
    is held as well."""
    stack.held("claim", number)
    where = hits(stack.points, "claim")[-1]["where"]
    assert isinstance(where, dict)
    stack.kestra.apply({"flows": [_edited("one", f"edited {number}")]})
    stack.hold("claim", 1, gate=f"gate {number + 1}", job="tenantsync.begin")
    stack.release(f"gate {number}")
    return stack.ended(where["run"])


def test_a_dry_run_that_finds_nothing_supersedes_nobody(stack: Stack) -> None:
    stack.push({"README.md": "ours\n"})
    stack.kestra.seed(flows=[flow(NS, "one")])
    waiting = stack.export(review="always")
    assert waiting["state"] == "WAITING"
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one")})
    assert stack.export(review="always", dryRun=True)["state"] == "UNCHANGED"
    assert stack.records.get(waiting["runId"]).state == "WAITING"


def test_a_plan_is_refused_when_the_configuration_now_names_another_tenant(stack: Stack) -> None:
    stack.push({f"{NS}/flows/one.yaml": flow(NS, "one")})
    waiting = stack.reconcile(review="always")
    assert waiting["state"] == "WAITING"
    config = yaml.safe_load(stack.config.read_text())
    config["kestra"]["main"]["tenant"] = "other"
    stack.config.write_text(yaml.safe_dump(config))
    stack.run("approve", waiting["runId"], "--digest", waiting["planDigest"])
    moved = wait_for(
        "the run was begun",
        lambda: stack.records.get(waiting["runId"]).state not in {"WAITING", "WRITING"},
    )
    assert moved and stack.records.get(waiting["runId"]).state == "REFUSED"


def _survey(commit: str, name: str) -> Survey:
    server = Server(uuid="u", version="1.0", edition="OSS", system_namespace="system", page_cap=1)
    target = Target(server="u", tenant="main", remote="r", branch="main", git_directory="")
    pinned = Pinned(server=server, target=target, commit=commit)
    return Survey(pinned=pinned, open={Part(NS, Kind.FLOW): name})


def test_a_claimant_whose_place_was_taken_stores_no_survey(tmp_path: Path) -> None:
    tools = Toolbox(
        Places(
            config=tmp_path / "c.yaml",
            data=tmp_path,
            database_url=f"sqlite:///{tmp_path / 'r.db'}",
            contents_url=str(tmp_path / "contents"),
        )
    )
    task = TenantSync.model_validate({"sourceOfTruth": "GIT", "branch": "main"})
    asked, _ = tools.runs.ask(task, who="pat", message="m")
    slow = tools.runs.claim(asked.id, 0, Phase.SPLIT, message="m", redelivered=False)
    quick = tools.runs.claim(asked.id, 0, Phase.SPLIT, message="m", redelivered=True)
    assert slow is not None and quick is not None
    with pytest.raises(Overtaken):
        steps._record(tools, slow, _survey("a" * 40, "old"))
    steps._record(tools, quick, _survey("b" * 40, "new"))
    row = tools.parts.one(asked.id, Part(NS, Kind.FLOW))
    assert tools.runs.get(asked.id).base_commit == "b" * 40
    assert row is not None and row.survey == "new"
    tools.close()
