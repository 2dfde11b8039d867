"""What a commit says."""

from __future__ import annotations

import pytest

from tasks.commitmessage import check_message, commit_message, default_message, trailers
from tasks.errors import TaskError
from tasks.plan import Action
from tasks.requests import NamespaceSync, Side
from tests.planmaking import change, sync


def _message(template: str, execution: str | None = "e1") -> str:
    made = [change(Action.ADD, "a"), change(Action.DELETE, "d")]
    return commit_message(template, made, run="run-1", source="tenant main", execution_id=execution)


def test_the_default_is_the_vendors() -> None:
    namespace = NamespaceSync(source_of_truth=Side.KESTRA, branch="main", namespace="team")
    assert default_message(sync(Side.KESTRA)) == "Tenant sync from Kestra"
    assert default_message(namespace) == "Namespace sync from Kestra"


def test_placeholders_are_filled() -> None:
    message = _message("{run} of {source}: {counts} ({executionId})\n\nbody { kept }")
    assert message == ("run-1 of tenant main: 1 added, 0 changed, 1 deleted (e1)\n\nbody { kept }")
    assert _message("by {executionId}.", None) == "by ."


def test_a_value_is_never_read_for_placeholders_again_and_stays_on_its_line() -> None:
    assert _message("{executionId}", "{run}\nTenantsync-Run: x") == "{run} Tenantsync-Run: x"


@pytest.mark.parametrize("template", ["{who}", "x {Run}", "{_}"])
def test_an_unknown_placeholder_is_refused_with_the_known_ones(template) -> None:
    with pytest.raises(TaskError, match=r"known are .run., .source., .counts., .executionId."):
        check_message(template)


@pytest.mark.parametrize(
    "line", ["Tenantsync-Run: r", "tenantsync-plan:x", " Reviewed-by : me", "Kestra-Execution: e"]
)
@pytest.mark.parametrize("end", ["\n", "\r", "\u2028"])
def test_a_message_cannot_pass_for_the_commit_of_another_run(line, end) -> None:
    with pytest.raises(TaskError, match="only the service writes"):
        check_message(f"subject{end}{end}{line}")
    check_message(f"about {line}")


def test_trailers_name_run_plan_execution_and_reviewers_each_on_one_line() -> None:
    found = trailers("r", "p", execution_id="e\r\nTenantsync-Run: z", reviewers=["ann", "bob\n"])
    assert found == {
        "Tenantsync-Run": "r",
        "Tenantsync-Plan": "p",
        "Kestra-Execution": "e Tenantsync-Run: z",
        "Reviewed-by": "ann, bob",
    }
    assert list(trailers("r", "p")) == ["Tenantsync-Run", "Tenantsync-Plan"]
