"""What the revisions of a real server say of a text that somebody saves just before our write."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tasks.artifacts import Key, Kind, digest
from tasks.connections import KestraConnection, Secret
from tasks.kestra.side import KestraSide, Saved, Sent
from tests.integration.kestra.samples import (
    NAMESPACE,
    file_key,
    flow,
    flow_key,
    free,
    landed,
    put,
    remove,
)
from tests.real.server import RealServer
from tests.real.stack import RealStack

THEIRS = flow("a", message="theirs")


@pytest.fixture
def side(kestra: RealServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[KestraSide]:
    monkeypatch.setenv("KESTRA_PASSWORD", kestra.password)
    login = {"username": kestra.user, "password": Secret(env="KESTRA_PASSWORD")}
    side = KestraSide(KestraConnection.model_validate({"url": kestra.url, **login}))
    kestra.remember([NAMESPACE])
    yield side
    side.close()


def _sent(key: Key, after: bytes | None, before: bytes | None, looked: int) -> Sent:
    def of(content: bytes | None) -> str | None:
        return None if content is None else digest(key.kind, content)

    return Sent(key=key, after=of(after), before=of(before), looked=looked)


def _texts(saved: tuple[Saved, ...]) -> list[bytes | None]:
    return [one.text for one in saved]


@pytest.mark.parametrize("edited", [True, False])
def test_a_flow(kestra: RealServer, side: KestraSide, edited: bool) -> None:
    key, old, new = flow_key("a"), flow("a"), flow("a", message="new")
    theirs = [THEIRS] if edited else []

    def edit() -> None:
        if edited:
            kestra.seed(flows=[THEIRS.decode()])

    assert side.revisions([key]) == {}
    edit()
    assert landed(side.write([put(key, old)], free)) == [True]
    found = side.overtaken([_sent(key, old, None, 0)])
    assert [_texts(one) for one in found.values()] == ([theirs] if edited else [])

    looked = side.revisions([key])[key]
    edit()
    assert landed(side.write([put(key, new), put(key, new)], free)) == [True, True]
    found = side.overtaken([_sent(key, new, old, looked)])
    assert [_texts(one) for one in found.values()] == ([theirs] if edited else [])
    if edited:
        assert found[key][0].revision == looked + 1 and found[key][0].updated

    looked = side.revisions([key])[key]
    edit()
    assert landed(side.write([remove(key)], free)) == [True]
    found = side.overtaken([_sent(key, None, new, looked)])
    assert [_texts(one) for one in found.values()] == ([theirs] if edited else [])

    # What counts on from a deletion is nobody's text.
    assert side.revisions([key]) == {}
    assert landed(side.write([put(key, old)], free)) == [True]
    assert side.overtaken([_sent(key, old, None, 0)]) == {}


@pytest.mark.parametrize("edited", [True, False])
def test_a_file(kestra: RealServer, side: KestraSide, edited: bool) -> None:
    key = file_key("d/a.txt")

    def edit() -> None:
        if edited:
            kestra.write_file(NAMESPACE, "/d/a.txt", b"theirs")

    theirs = [[b"theirs"]] if edited else []
    assert side.revisions([key]) == {}
    edit()
    assert landed(side.write([put(key, b"old")], free)) == [True]
    found = side.overtaken([_sent(key, b"old", None, 0)])
    assert [_texts(one) for one in found.values()] == theirs

    looked = side.revisions([key])[key]
    edit()
    # Equal bytes make a revision as well: our own second write.
    for _ in range(2):
        assert landed(side.write([put(key, b"new")], free)) == [True]
    found = side.overtaken([_sent(key, b"new", b"old", looked)])
    assert [_texts(one) for one in found.values()] == theirs

    looked = side.revisions([key])[key]
    edit()
    assert landed(side.write([remove(key)], free)) == [True]
    found = side.overtaken([_sent(key, None, b"new", looked)])
    assert [_texts(one) for one in found.values()] == ([[None]] if edited else []), "it is lost"

    assert landed(side.write([put(key, b"old")], free)) == [True]
    assert side.overtaken([_sent(key, b"old", None, 0)]) == {}


def test_a_run_tells_and_keeps_what_was_saved_just_before_its_write(stack: RealStack) -> None:
    stack.kestra.seed(flows=[flow("a").decode(), flow("b").decode()])
    assert stack.export()["state"] == "APPLIED"
    path = f"{NAMESPACE}/flows/a.yaml"
    stack.push({path: flow("a", message="git"), f"{NAMESPACE}/flows/b.yaml": None})
    stack.hold("write.before", 1)
    asked = stack.ask(sourceOfTruth="GIT")
    stack.held("write.before", 1)
    stack.kestra.put_flow(THEIRS.decode())
    stack.release("write.before")
    outcome = stack.outcome(asked)
    assert outcome["state"] == "APPLIED", outcome
    assert [one["where"] for one in outcome["problems"]] == [f"{NAMESPACE}/{Kind.FLOW}/a"]
    said = stack.run(
        "runs", "diff", outcome["runId"], "--overtaken", "--key", f"{NAMESPACE}/FLOW/a"
    )
    assert said.stdout == THEIRS.decode()
