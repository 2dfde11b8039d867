"""Large files through whole runs: they go in groups of bounded size, and what ends one group keeps
the next ones from being sent."""

from __future__ import annotations

import random
from collections.abc import Mapping

from tasks.artifacts import LARGEST
from tests.stack import Stack
from tests.texts import flow

NS = "company.team"
#: Twenty of 2 MiB are three groups: more than eight, or 32 MiB, never go together.
LARGE = 20
#: Names in the order of the plan.
NAMES = [f"large{number:02}.bin" for number in range(LARGE)]


def _files() -> dict[str, bytes]:
    chance = random.Random(1)
    large = {name: chance.randbytes(2 << 20) for name in NAMES}
    small = {f"small{number}.txt": b"%d\n" % number for number in range(30)}
    return {**large, **small, "text.txt": ("\u00e4" * 999 + "\n").encode() * 2000}


def _in_git(files: Mapping[str, bytes]) -> dict[str, bytes | str | None]:
    return {f"{NS}/files/{name}": content for name, content in files.items()}


def _in_kestra(stack: Stack) -> dict[str, bytes]:
    return {path.removeprefix("/"): content for (_, path), content in stack.kestra.files().items()}


def test_large_files_land_byte_for_byte_in_both_directions(stack: Stack) -> None:
    files = _files()
    stack.push({**_in_git(files), f"{NS}/flows/good.yaml": flow(NS, "good")})
    outcome = stack.outcome(stack.ask(sourceOfTruth="GIT", firstContact="MIRROR"), 120)
    assert outcome["state"] == "APPLIED", outcome
    assert _in_kestra(stack) == files
    assert (NS, "good") in stack.kestra.flows()

    stack.kestra.apply(
        {
            "files": [{"namespace": NS, "path": NAMES[3], "text": "small now"}],
            "delete_files": [{"namespace": NS, "path": name} for name in NAMES[:2]],
        }
    )
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), 120)
    assert outcome["state"] == "APPLIED", outcome
    changed = stack.git_out("diff", "--name-status", "main~1", "main").decode().split("\n")
    assert changed[:-1] == [
        *(f"D\t{NS}/files/{name}" for name in NAMES[:2]),
        f"M\t{NS}/files/{NAMES[3]}",
    ]
    assert stack.outcome(stack.ask(sourceOfTruth="GIT"), 120)["state"] == "UNCHANGED"


def test_a_cancelled_run_sends_no_further_group(stack: Stack) -> None:
    files = {name: content for name, content in _files().items() if name in NAMES}
    stack.push({**_in_git(files), f"{NS}/flows/good.yaml": flow(NS, "good")})
    stack.hold("write.after", 1)
    asked = stack.ask(sourceOfTruth="GIT", firstContact="MIRROR")
    stack.held("write.after", 1)
    run = stack.records.newest(1)[0]
    cancel = stack.celery().send_task("tenantsync.cancel", [{"runId": run.id}], queue="tenantsync")
    cancel.get(timeout=60)
    stack.release("write.after")
    outcome = stack.outcome(asked, 120)
    assert outcome["state"] == "CANCELLED", outcome
    assert outcome["counts"]["landed"] == 8
    assert _in_kestra(stack) == {name: files[name] for name in NAMES[:8]}
    assert stack.kestra.flows() == {}
    held = {one["where"] for one in outcome["problems"] if one["code"] == "HELD"}
    assert held == {f"{NS}/FILE/{name}" for name in NAMES[8:]} | {f"{NS}/FLOW/good"}


def test_what_is_as_large_as_may_be_lands(stack: Stack) -> None:
    content = bytes(LARGEST)
    stack.push({f"{NS}/files/huge.bin": content, f"{NS}/flows/good.yaml": flow(NS, "good")})
    outcome = stack.outcome(stack.ask(sourceOfTruth="GIT", firstContact="MIRROR"), 180)
    assert outcome["state"] == "APPLIED", outcome
    assert _in_kestra(stack) == {"huge.bin": content}
