"""A real server in which nothing has changed costs a handful of calls, and every change of a flow
or dashboard is seen."""

from __future__ import annotations

import yaml

from sandbox.sample import sample_seed
from tests.real.stack import RealStack
from tests.texts import dashboard, flow

HANDFUL = 5


def _calls(stack: RealStack) -> int:
    stack.proxy.reset_log()
    outcome = stack.export()
    assert outcome["state"] == "UNCHANGED", outcome
    return len(stack.proxy.log())


def _lands(stack: RealStack) -> None:
    outcome = stack.export()
    assert (outcome["state"], outcome["counts"]["landed"]) == ("APPLIED", 1), outcome
    assert _calls(stack) > HANDFUL
    assert _calls(stack) == HANDFUL


def test_an_unchanged_tenant_costs_a_handful_of_calls_and_changes_are_seen(
    stack: RealStack,
) -> None:
    value = yaml.safe_load(stack.config.read_text())
    value["kestra"]["main"]["changeProbes"] = True
    stack.config.write_text(yaml.safe_dump(value))
    stack.kestra.apply(sample_seed(namespaces=6, flows_each=3, files_each=2))
    assert stack.export()["state"] == "APPLIED"
    assert _calls(stack) > HANDFUL
    assert _calls(stack) == HANDFUL

    server = stack.server
    namespace, name = sorted(server.flows())[0]
    server.put_flow(flow(namespace, name, "another message"))
    _lands(stack)
    server.seed(flows=[flow(namespace, "brand-new")])
    _lands(stack)
    server.delete_flow(namespace, "brand-new")
    _lands(stack)
    server.put_dashboard(dashboard("another"))
    _lands(stack)
