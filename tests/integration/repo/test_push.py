from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.git_server import GitServer
from tasks.errors import LoginRefused, MirrorCorrupt, Unreachable, Unsafe
from tasks.repo.push import Wish, _judged, _Said
from tasks.repo.side import RepoSide
from tests.integration.repo.bare import Bare
from tests.integration.repo.conftest import NAME, TOKEN, MakeSide
from tests.integration.repo.parts import commit, made


@pytest.fixture
def base(bare: Bare, side: RepoSide) -> str:
    bare.commit({"a": b"1"})
    return side.fetch("run-1", "main")


def test_a_push_lands_and_a_repeated_one_changes_nothing(
    bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    first, second = side.push("main", new, base), side.push("main", new, base)
    assert (first.result, first.tip) == ("LANDED", new)
    assert (second.result, second.tip) == ("NO_OP", new)
    assert bare.tip() == new


def test_a_new_branch_is_created_and_never_taken_over(
    bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    assert side.push("feature/new", new, None).result == "LANDED"
    other = made(commit(side, base, {"a": b"3"}))
    assert side.push("feature/new", other, None).result == "RACED"
    assert bare.tip("feature/new") == new


def test_a_branch_that_moved_is_never_overwritten(bare: Bare, side: RepoSide, base: str) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    moved = bare.commit({"b": b"human"})
    push = side.push("main", new, base)
    assert (push.result, push.tip) == ("RACED", moved)
    assert moved in push.message and "stale info" in push.message
    assert bare.tip() == moved


def test_a_branch_that_was_deleted_meanwhile_is_not_created_again(
    bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    bare.git("update-ref", "-d", "refs/heads/main")
    push = side.push("main", new, base)
    assert (push.result, push.tip) == ("RACED", None)
    assert bare.tip() is None


def test_a_push_that_would_rewrite_history_is_never_sent(
    bare: Bare, side: RepoSide, base: str
) -> None:
    rootless = made(commit(side, None, {"a": b"2"}))
    with pytest.raises(Unsafe, match="does not descend"):
        side.push("main", rootless, base)
    with pytest.raises(MirrorCorrupt, match="not in the mirror"):
        side.push("main", "1" * 40, base)
    assert bare.tip() == base


def test_a_refusal_shows_the_servers_words_without_its_escapes(
    server: GitServer, bare: Bare, side: RepoSide, base: str
) -> None:
    server.refuse(NAME, "GL-HOOK: \x1b[31mmain is protected\x1b[0m, ask the owners\u202e")
    new = made(commit(side, base, {"a": b"2"}))
    push = side.push("main", new, base)
    assert (push.result, push.tip) == ("REFUSED", base)
    assert "pre-receive hook declined" in push.message
    assert "GL-HOOK: main is protected, ask the owners" in push.message
    assert push.message.isprintable() or "\n" in push.message
    assert "\x1b" not in push.message and "\u202e" not in push.message
    server.accept(NAME)
    assert side.push("main", new, base).result == "LANDED"


def test_a_lost_acknowledgement_is_settled_by_reading_the_remote(
    server: GitServer, bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    server.cut_answers = 1
    push = side.push("main", new, base)
    assert server.cut_answers == 0, "the fault was not met"
    assert (push.result, push.tip) == ("LANDED", new)
    assert bare.tip() == new


def test_a_lost_acknowledgement_lands_even_when_others_committed_on_top(
    server: GitServer, bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    hook = bare.path / "hooks/post-receive"
    hook.write_text(
        "#!/bin/sh\n"
        "export GIT_AUTHOR_NAME=x GIT_AUTHOR_EMAIL=x GIT_COMMITTER_NAME=x GIT_COMMITTER_EMAIL=x\n"
        "c=$(git commit-tree -m later -p main main^{tree}) && git update-ref refs/heads/main $c\n"
    )
    hook.chmod(0o755)
    server.cut_answers = 1
    push = side.push("main", new, base)
    assert server.cut_answers == 0, "the fault was not met"
    assert push.result == "LANDED" and push.tip not in {new, base}
    assert push.tip == bare.tip()


def test_a_push_cut_before_it_ran_is_unknown_and_may_be_repeated(
    server: GitServer, bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    server.cut_pushes = 1
    push = side.push("main", new, base)
    assert server.cut_pushes == 0, "the fault was not met"
    assert (push.result, push.tip) == ("UNKNOWN", base)
    assert side.push("main", new, base).result == "LANDED"


def test_a_cut_push_to_a_branch_that_moved_meanwhile_did_not_land() -> None:
    wish = Wish(url="", branch="main", new="b" * 40, expected="a" * 40)
    said = _Said(error=Unreachable("cut"))
    moved = _judged(wish, lambda: "c" * 40, lambda tip, oid: False, said)
    assert moved.result == "RACED" and "c" * 40 in moved.message
    still = _judged(wish, lambda: "a" * 40, lambda tip, oid: False, said)
    assert (still.result, still.message) == ("UNKNOWN", "cut")
    gone = _judged(wish, lambda: None, lambda tip, oid: False, _Said())
    assert gone.result == "RACED"


def test_a_push_that_the_server_took_but_does_not_show_is_unknown() -> None:
    wish = Wish(url="", branch="main", new="b" * 40, expected="a" * 40)
    push = _judged(wish, lambda: "a" * 40, lambda tip, oid: False, _Said(flag=" ", summary="a..b"))
    assert push.result == "UNKNOWN" and "does not show" in push.message


def test_a_push_is_unknown_while_the_remote_cannot_be_read(
    server: GitServer, bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    server.cut_answers, server.status_after_cut = 1, 503
    push = side.push("main", new, base)
    assert (push.result, push.tip) == ("UNKNOWN", None)
    assert "cannot be read" in push.message
    server.status = server.status_after_cut = None
    assert side.push("main", new, base).result == "NO_OP"


def test_a_push_that_hangs_ends_in_time_and_is_unknown(
    server: GitServer, bare: Bare, make_side: MakeSide, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    patient = make_side(timeout=1)
    server.hanging = True
    push = patient.push("main", new, base)
    assert (push.result, push.tip) == ("UNKNOWN", None)
    assert "did not end within 1 s" in push.message
    server.resume()


def test_a_login_that_may_not_push_is_an_error_and_no_race(
    bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    bare.git("config", "http.receivepack", "false")
    with pytest.raises(LoginRefused, match="right to read or write"):
        side.push("main", new, base)


def test_a_lock_that_another_push_holds_on_the_server_is_a_race(
    bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    lock = bare.path / "refs/heads/main.lock"
    lock.touch()
    assert side.push("main", new, base).result == "RACED"
    lock.unlink()
    assert side.push("main", new, base).result == "LANDED"


def test_a_branch_that_stands_in_the_way_is_a_refusal(
    bare: Bare, side: RepoSide, base: str
) -> None:
    new = made(commit(side, base, {"a": b"2"}))
    push = side.push("main/x", new, None)
    assert push.result == "REFUSED"
    assert "'refs/heads/main' exists" in push.message


@pytest.mark.parametrize(
    "words",
    [
        "[rejected] (fetch first)",
        "[rejected] (non-fast-forward)",
        "[rejected] (stale info)",
        "[remote rejected] (cannot lock ref 'refs/heads/main': is at 1 but expected 2)",
        "[remote rejected] (incorrect old value provided)",
        "[remote rejected] (reference already exists)",
        "[remote rejected] (failed to update ref)",
        "[remote rejected] (atomic transaction failed)",
    ],
)
def test_every_wording_of_a_race_is_known(words: str) -> None:
    said = _Said(flag="!", summary=words)
    assert said.race and not said.refused


@pytest.mark.parametrize(
    "words",
    [
        "[remote rejected] (pre-receive hook declined)",
        "[remote rejected] (protected branch hook declined)",
        "[remote rejected] (hook declined)",
        "[remote rejected] (push declined due to repository rule violations)",
        "[remote rejected] (permission denied)",
        "[remote rejected] (branch is currently checked out)",
        "[remote rejected] (unpacker error)",
    ],
)
def test_a_refusal_is_no_race(words: str) -> None:
    said = _Said(flag="!", summary=words)
    assert said.refused and not said.race


@pytest.mark.parametrize("shared", [True, False])
def test_eight_writers_of_one_branch_lose_no_commit(
    bare: Bare, make_side: MakeSide, shared: bool
) -> None:
    bare.commit({"a": b"1"})
    races = threading.Semaphore(0)

    def write(number: int) -> None:
        side = make_side("one" if shared else f"host{number}")
        for turn in range(2):
            path = f"w{number}/{turn}"
            for attempt in range(60):
                run_id = f"r{number}-{turn}-{attempt}"
                base = side.fetch(run_id, "main")
                new = made(commit(side, base, {path: b"x"}, run_id))
                push = side.push("main", new, base)
                side.release(run_id)
                if push.result == "LANDED":
                    break
                assert push.result == "RACED", push
                races.release()
            else:
                raise AssertionError("never landed")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(8)))
    assert set(bare.paths()) == {"a", *(f"w{n}/{turn}" for n in range(8) for turn in range(2))}
    assert int(bare.text("rev-list", "--count", "main")) == 17
    assert bare.text("fsck", "--strict", "--no-dangling") == ""
    assert races.acquire(blocking=False), "nobody met a race"


def test_no_message_of_a_push_holds_the_token(
    server: GitServer, bare: Bare, side: RepoSide, base: str
) -> None:
    server.refuse(NAME, f"you sent {TOKEN}")
    new = made(commit(side, base, {"a": b"2"}))
    push = side.push("main", new, base)
    assert "you sent ***" in push.message and TOKEN not in push.message
