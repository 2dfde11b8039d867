"""A flow whose plugin the server no longer has.

No call of the API makes one, so it is made in the server's database (PostgreSQL), where
`KESTRA_DATABASE_URL` names it.
"""

from __future__ import annotations

import os

import pytest

from tests.real.stack import RealStack
from tests.texts import flow

DATABASE = os.environ.get("KESTRA_DATABASE_URL")
NS = "company.team"
PATH = f"{NS}/flows/gone.yaml"

pytestmark = pytest.mark.skipif(DATABASE is None, reason="KESTRA_DATABASE_URL is not set")


@pytest.fixture
def text(stack: RealStack) -> str:
    """The text of a flow of an absent plugin that the server holds beside a good flow."""
    psycopg = pytest.importorskip("psycopg")
    stack.kestra.seed(flows=[flow(NS, "gone"), flow(NS, "good")])
    with psycopg.connect(str(DATABASE)) as database:
        changed = database.execute(
            "update flows set source_code = replace(source_code, 'core.log.Log', 'nowhere.Task'),"
            " value = replace(value::text, 'core.log.Log', 'nowhere.Task')::jsonb"
            " where namespace = %s and id = 'gone'",
            (NS,),
        )
        assert changed.rowcount >= 1
    return flow(NS, "gone").replace("core.log.Log", "nowhere.Task")


def test_it_is_exported_with_a_warning_and_then_left_alone_while_it_is_equal(
    stack: RealStack, text: str
) -> None:
    refused = stack.export()
    assert refused["state"] == "REFUSED"
    assert ["nowhere.Task" in problem["message"] for problem in refused["problems"]] == [True]
    assert stack.git_out("branch") == b""

    assert stack.export(onInvalidSyntax="WARN")["state"] == "APPLIED"
    assert stack.tree()[PATH] == text.encode()
    stack.proxy.reset_log()
    assert stack.export()["state"] == "UNCHANGED"
    assert stack.reconcile()["state"] == "UNCHANGED"
    stack.push({f"{NS}/flows/good.yaml": flow(NS, "good", "new")})
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert stack.kestra.flow(NS, "good")[0] == flow(NS, "good", "new")
    assert stack.kestra.flow(NS, "gone")[0] == text
    written = [call.path for call in stack.proxy.log() if call.writes]
    assert written == ["/main/flows/import"]


def test_an_edit_of_it_is_refused_or_skipped_and_its_deletion_lands(
    stack: RealStack, text: str
) -> None:
    assert stack.export(onInvalidSyntax="WARN")["state"] == "APPLIED"
    stack.push({PATH: text + "# edited\n"})
    assert stack.reconcile()["state"] == "REFUSED"
    assert stack.reconcile(onInvalidSyntax="SKIP")["state"] == "UNCHANGED"
    assert stack.kestra.flow(NS, "gone")[0] == text
    stack.push({PATH: None})
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome["problems"]
    assert set(stack.kestra.flows()) == {(NS, "good")}
