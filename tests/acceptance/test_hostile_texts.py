"""Hostile texts, names and messages through whole runs: the bad one is named and harms itself
alone, what is shown steers no terminal, and the worker goes on."""

from __future__ import annotations

import base64
import json
import pickle
import uuid
from pathlib import Path
from typing import Any

import pytest

from tasks.visible import visible
from tests.stack import Stack
from tests.texts import dashboard, flow
from tests.waiting import wait_for

NS = "company.team"
EVIL = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egpj.exe\u2028\r\x08"


def log_of(stack: Stack) -> str:
    return (stack.folder / "w1.log").read_text(errors="replace")


@pytest.fixture
def quiet_log(stack: Stack) -> Any:
    """The worker meets no bug, and writes nothing that steers a terminal."""
    before = len(log_of(stack))
    yield
    added = log_of(stack)[before:]
    assert "a bug, or a limit" not in added
    assert "Traceback" not in added
    assert all(visible(line) == line for line in added.split("\n"))


def _named(name: str) -> str:
    return f"id: {name}\nnamespace: {NS}\n"


TASKS = flow("x", "y").split("\n\n", 1)[1]
BOMB = "\n".join(
    [f"a0: &a0 [{'x, ' * 9}]"] + [f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 12)]
)
#: Texts whose identity is read, or not; whatever the server says of them.
BAD = {
    "bomb": _named("bomb") + BOMB + "\n" + TASKS,
    "deep": _named("deep") + "x: " + "[" * 20_000 + "\n" + TASKS,
    "twice": "id: twice\nid: other\nnamespace: company.team\n" + TASKS,
    "python": _named("python") + "x: !!python/object/apply:os.system [touch /tmp/pwn]\n" + TASKS,
    "include": _named("include") + "x: !include /etc/passwd\n" + TASKS,
    "tags": "".join(f"%TAG !a{n}! tag:x\n" for n in range(50_000)) + "---\n" + _named("tags"),
    "nul": _named("nul") + "x: a\0b\n" + TASKS,
    "escapes": _named("escapes") + f"description: {EVIL}\n" + TASKS,
    "newline": f'id: "a\\nb"\nnamespace: {NS}\n' + TASKS,
    "slash": f"id: ../../up\nnamespace: {NS}\n" + TASKS,
    "dots": f"id: ..\nnamespace: {NS}\n" + TASKS,
    "elsewhere": "id: elsewhere\nnamespace: ../../etc\n" + TASKS,
    "upper": "id: upper\nnamespace: COMPANY.\u00c4\n" + TASKS,
    "number": f"id: 1e3\nnamespace: {NS}\n" + TASKS,
    "date": f"id: 2020-01-01\nnamespace: {NS}\n" + TASKS,
    "null": f"id: null\nnamespace: {NS}\n" + TASKS,
    "list": f"id: [a]\nnamespace: {NS}\n" + TASKS,
    "documents": _named("documents") + TASKS + "---\n" + _named("second"),
    "tab": "id:\ttab\nnamespace:\t" + NS + "\n" + TASKS,
    "empty": "",
}
ELSEWHERE = ("elsewhere", "upper")
BYTES = {
    "utf16": flow(NS, "utf16").encode("utf-16"),
    "latin": flow(NS, "latin", "\u00e9").encode("latin-1"),
    "bom": b"\xef\xbb\xbf" + flow(NS, "bom").encode(),
}


def test_hostile_flows_of_git_are_named_and_the_good_ones_land(
    stack: Stack, quiet_log: None, tmp_path: Path
) -> None:
    files: dict[str, bytes | str | None] = {
        f"{NS}/flows/{name}.yaml": text
        for name, text in (BAD | BYTES).items()
        if name not in ELSEWHERE
    }
    stack.push({**files, f"{NS}/flows/good.yaml": flow(NS, "good")})
    outcome = stack.reconcile(onInvalidSyntax="SKIP", whenMissingInSource="KEEP")
    assert outcome["state"] in {"APPLIED", "PARTIAL"}, outcome
    landed = {name for _, name in stack.kestra.flows()}
    assert "good" in landed
    said = json.dumps(outcome["problems"])
    for name in files:
        stem = name.rsplit("/", 1)[1].removesuffix(".yaml")
        assert name in said or stem in landed or {"1e3", "2020-01-01"} & landed, name
    shown = stack.run("runs", "show", outcome["runId"])
    assert visible(shown.stdout + shown.stderr) == shown.stdout + shown.stderr
    assert not Path("/tmp/pwn").exists()


def test_a_text_that_names_another_namespace_is_refused_by_name(
    stack: Stack, quiet_log: None
) -> None:
    stack.push({f"{NS}/flows/{name}.yaml": BAD[name] for name in ELSEWHERE})
    outcome = stack.reconcile(onInvalidSyntax="SKIP", whenMissingInSource="KEEP")
    assert outcome["state"] == "REFUSED"
    assert {one["where"] for one in outcome["problems"]} == {
        f"{NS}/flows/{name}.yaml" for name in ELSEWHERE
    }
    assert stack.kestra.flows() == {}


def test_hostile_texts_and_names_of_kestra_stay_out_of_git(stack: Stack, quiet_log: None) -> None:
    names = [
        *("/../up.txt", "/a/../../b", "/.git/hooks/post-update", "/a\nb", f"/{EVIL}", "/GIT~1/x"),
        *("/x" * 2000, "/" + "y" * 300),
    ]
    files = [{"namespace": NS, "path": name, "text": "x"} for name in (*names, "/good.txt")]
    # Texts without an identity cannot be planted, and no server has stored the others; older ones
    # may hold what the reader of newer ones refuses.
    nameless = {"null", "list", "empty", "tags", "twice", "documents"}
    nameless |= {"elsewhere"}
    flows = [text for name, text in BAD.items() if name not in nameless]
    stack.kestra.seed(
        flows=[*flows, flow(NS, "good")],
        files=files,
        dashboards=[dashboard("good"), dashboard("'a/../../b'"), dashboard('"x\\e[2J"')],
    )
    outcome = stack.export(onInvalidSyntax="WARN")
    assert outcome["state"] in {"APPLIED", "PARTIAL"}, outcome
    tree = stack.tree()
    assert f"{NS}/flows/good.yaml" in tree and f"{NS}/files/good.txt" in tree
    invalid = {one["where"] for one in outcome["problems"] if one["code"] == "INVALID_SYNTAX"}
    for name in ("bomb", "deep"):
        path = f"{NS}/flows/{name}.yaml"
        assert tree[path] == BAD[name].encode()
        assert f"{path} ({NS}/{name})" in invalid
    assert "_global/dashboards/good.yaml" in tree
    assert all(visible(path) == path and ".." not in path.split("/") for path in tree)
    shown = stack.run("runs", "diff", outcome["runId"], "-o", "ion")
    assert visible(shown.stdout) == shown.stdout


# Messages


def _envelope(body: bytes, **changed: Any) -> bytes:
    """A message of the broker as kombu lays it into a list of Redis."""
    job = str(uuid.uuid4())
    headers = {"lang": "py", "task": "tenantsync.tenant_sync", "id": job, "root_id": job,
               "argsrepr": EVIL, "kwargsrepr": "{}", "origin": EVIL}  # fmt: skip
    value = {
        "body": base64.b64encode(body).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers | changed.pop("headers", {}),
        "properties": {
            "correlation_id": job, "delivery_mode": 2, "priority": 0, "body_encoding": "base64",
            "delivery_tag": str(uuid.uuid4()),
            "delivery_info": {"exchange": "", "routing_key": "tenantsync"},
        },
        **changed,
    }  # fmt: skip
    return json.dumps(value).encode()


class Payload:
    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (Path("/tmp/tenantsync-pwn"),))


EMBED = {"callbacks": None, "errbacks": None, "chain": None, "chord": None}


def _body(*args: Any) -> bytes:
    return json.dumps([list(args), {}, EMBED]).encode()


def _messages() -> dict[str, bytes]:
    task = {"sourceOfTruth": "GIT", "branch": "main"}
    messages = {
        "deep body": _envelope(b"[" * 100_000),
        "deep task": _envelope(b'[[{"branch":' + b"[" * 900 + b"]" * 900 + b"}], {}, {}]"),
        "huge": _envelope(_body({**task, "branch": "x" * 5_000_000})),
        "no JSON": _envelope(b"\x80\x04"),
        "no text": _envelope(b"\xff\xfe"),
        "pickle": _envelope(
            pickle.dumps(Payload()), **{"content-type": "application/x-python-serialize",
                                        "content-encoding": "binary"},
        ),
        "yaml": _envelope(b"!!python/object/apply:os.system [x]",
                          **{"content-type": "application/x-yaml"}),
        "unknown job": _envelope(_body(task), headers={"task": "tenantsync.none\n" + EVIL}),
        "no job": _envelope(_body(task), headers={"task": None}),
        "wrong body": _envelope(b'"x"'),
        "wrong arguments": _envelope(b'[7, [], {}]'),
        "digits": _envelope(b"[[" + b"9" * 5000 + b"], {}, {}]"),
    }  # fmt: skip
    wrong: tuple[Any, ...] = (None, 7, [], "x" + EVIL, {EVIL: 1}, {**task, "plan": EVIL}, [[task]])
    for number, value in enumerate(wrong):
        messages[f"wrong task {number}"] = _envelope(_body(value))
    for number, args in enumerate([(), ("none", 1), (EVIL, 10**30), (None, None), ([], {})]):
        for job in ("split", "plan", "gather", "begin", "commit", "write", "finish", "broken",
                    "upserts", "deletions", "cancel"):  # fmt: skip
            name = {"task": f"tenantsync.{job}"}
            messages[f"forged {job} {number}"] = _envelope(_body(*args), headers=name)
    return messages


def test_messages_that_nobody_should_send_are_dropped_and_the_next_run_works(
    stack: Stack,
) -> None:
    stack.kestra.seed(flows=[flow(NS, "good")])
    before = len(log_of(stack))
    for message in _messages().values():
        stack.redis.lpush("tenantsync", message)
    wait_for("all messages are taken", lambda: not stack.redis.llen("tenantsync"), 60)
    assert stack.export()["state"] == "APPLIED"
    wait_for("no message is left", lambda: not stack.redis.hlen("unacked"), 60)
    assert stack.workers[0].poll() is None
    assert not Path("/tmp/tenantsync-pwn").exists()
    added = log_of(stack)[before:]
    assert all(visible(line) == line for line in added.split("\n"))


RAW = {
    "deep": b"[" * 100_000,
    "deep headers": b'{"body": "", "headers": ' + b'{"x":' * 50_000,
    "headers as deep as JSON may be": _envelope(b"[[], {}, {}]", headers={"task": "x"}).replace(
        b'"task": "x"', b'"task": "tenantsync.split", "x": ' + b"[" * 700 + b"]" * 700
    ),
    "no JSON": EVIL.encode(),
    "no text": b"\xff\xfe",
    "digits": b"9" * 5000,
    "a number": b"7",
    "a list": b"[]",
    "nothing": b"{}",
    "no properties": b'{"body": "e30=", "headers": {}}',
    "no tag": b'{"body": "e30=", "headers": {}, "properties": {"delivery_info": {}}}',
    "odd properties": b'{"body": 7, "headers": 7, "properties": 7}',
}


def test_what_is_no_message_at_all_is_dropped_and_no_worker_ends(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "good")])
    before = len(log_of(stack))
    for raw in RAW.values():
        stack.redis.lpush("tenantsync", raw)
        for channel in stack.redis.pubsub_channels("*pidbox*"):
            stack.redis.publish(channel, raw)
    wait_for("all messages are taken", lambda: not stack.redis.llen("tenantsync"), 60)
    assert stack.export()["state"] == "APPLIED"
    wait_for("no message is left", lambda: not stack.redis.hlen("unacked"), 60)
    assert stack.workers[0].poll() is None
    added = log_of(stack)[before:]
    assert "is dropped" in added and " ready." not in added
    assert all(visible(line) == line for line in added.split("\n"))


def test_forged_messages_of_a_finished_run_do_nothing(stack: Stack) -> None:
    stack.kestra.seed(flows=[flow(NS, "good")])
    ended = stack.export()
    commits, record = stack.commits(), stack.records.get(ended["runId"])
    for job in ("split", "gather", "begin", "commit", "finish", "broken", "upserts", "deletions"):
        for epoch in (0, record.epoch, record.epoch + 1, 10**6):
            body = _body(ended["runId"], epoch)
            name = {"task": f"tenantsync.{job}"}
            stack.redis.lpush("tenantsync", _envelope(body, headers=name))
    for args in ((NS, "FLOW"), ("../x", "NONE"), (EVIL, 7)):
        for job in ("plan", "write"):
            body = _body(ended["runId"], record.epoch, *args)
            stack.redis.lpush("tenantsync", _envelope(body, headers={"task": f"tenantsync.{job}"}))
    wait_for("all messages are taken", lambda: not stack.redis.llen("tenantsync"), 60)
    wait_for("no message is left", lambda: not stack.redis.hlen("unacked"), 60)
    assert stack.records.get(ended["runId"]) == record
    assert stack.commits() == commits
    assert stack.export()["state"] == "UNCHANGED"
