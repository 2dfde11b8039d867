"""What an unchanged tenant costs, counted at the server."""

from __future__ import annotations

import redis

from sandbox.sample import sample_seed
from tests.stack import Stack

#: Bytes of the largest value in Redis.
LARGEST = 4096


def test_an_unchanged_tenant_costs_one_call_per_namespace_and_five(stack: Stack) -> None:
    stack.kestra.apply(sample_seed(namespaces=12, flows_each=5, files_each=4))
    assert stack.export()["state"] == "APPLIED"
    namespaces = _namespaces(stack)
    for ask in (stack.export, stack.reconcile):
        stack.kestra.reset_log()
        before = stack.kestra.counters()
        assert ask()["state"] == "UNCHANGED"
        calls = stack.kestra.log()
        assert len(calls) <= len(namespaces) + 5, [(c["method"], c["path"]) for c in calls]
        after = stack.kestra.counters()
        assert after["flow_revisions"] == before["flow_revisions"]
        assert after["storage_objects"] == before["storage_objects"]
    assert len(stack.commits()) == 1

    stack.kestra.apply({"files": [_one_byte_more(stack)]})
    stack.kestra.reset_log()
    found = stack.export(dryRun=True)
    assert found["state"] == "PLANNED"
    assert found["counts"]["update"] == 1
    assert len(stack.kestra.log()) <= len(namespaces) + 5


def _namespaces(stack: Stack) -> set[str]:
    """All that the server shows: those of flows, their parents, and `system`."""
    shown = {"system"}
    for namespace, _ in stack.kestra.flows():
        words = namespace.split(".")
        shown |= {".".join(words[: n + 1]) for n in range(len(words))}
    return shown


def _one_byte_more(stack: Stack) -> dict[str, str]:
    (namespace, path), content = sorted(stack.kestra.files().items())[0]
    return {"namespace": namespace, "path": path, "text": content.decode() + "x"}


def test_nothing_in_redis_grows_with_the_parts_of_a_run(stack: Stack) -> None:
    stack.kestra.apply(sample_seed(namespaces=60, flows_each=1, files_each=1))
    assert stack.export()["state"] == "APPLIED"
    with redis.Redis.from_url(stack.redis_url) as client:
        sizes = {
            key.decode(): client.strlen(key)
            for key in client.scan_iter("celery-task-meta-*")
            if client.type(key) == b"string"
        }
    assert sizes
    assert max(sizes.values()) < LARGEST, max(sizes.items(), key=lambda one: one[1])
