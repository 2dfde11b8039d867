"""What one line of MONITOR says was stored."""

from __future__ import annotations

import pytest

from bench.values import Seen, pattern, written


def test_the_largest_argument_behind_the_key_is_the_value() -> None:
    line = r'1732.1 [0 127.0.0.1:5] "HSET" "unacked" "f" "{\"a\": \"b\\n\"}" "x\x00y"'
    assert written(line) == Seen(key="unacked", command="HSET", size=12, begins="{?a?: ?b?n?}")


def test_what_a_script_stores_counts_and_the_script_does_not() -> None:
    assert written(r'1.0 [0 lua] "SETEX" "celery-task-meta-x" "60" "abc"') is not None
    assert written('1.0 [0 127.0.0.1:5] "EVAL" "return redis.call(1)" "0" "0"') is None
    assert written('1.0 [0 127.0.0.1:5] "PUBLISH" "channel" "text"') is None
    assert written('1.0 [0 127.0.0.1:5] "GET" "key"') is None


@pytest.mark.parametrize(
    ("key", "kind"),
    [
        (r"tenantsync\x06\x166", "tenantsync::*"),
        ("celery-task-meta-r2gvdzt6u9m.3.plan.company.team.flow", "celery-task-meta-*.*.plan.*"),
        ("celery-task-meta-0b3ce1a4-8f0e-4f3a-9f0c-d1e2f3a4b5c6", "celery-task-meta-*"),
        ("tenantsync:inflight:r2gvdzt6u9m", "tenantsync:inflight:*"),
    ],
)
def test_keys_of_one_kind_stand_together(key: str, kind: str) -> None:
    assert pattern(key) == kind
