"""The Git server refuses, races, lies or goes away, and its branch is rewritten or deleted: every
run ends as both sides stand, and the next one works."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sides import both, in_kestra
from tests.stack import Stack, wait_for
from tests.texts import flow

NS = "company.team"
#: Seconds in which a run ends, its retries included.
LIMIT = 120


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with Stack(tmp_path_factory.mktemp("git")) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def stack(processes: Stack) -> Iterator[Stack]:
    """A flow on both sides, and a server without faults."""
    _heal(processes)
    processes.fresh()
    processes.push({"README.md": "ours\n"})
    processes.kestra.seed(flows=[flow(NS, "one")])
    assert processes.export()["state"] == "APPLIED"
    yield processes
    _heal(processes)


def _heal(stack: Stack) -> None:
    git = stack.git
    git.resume()
    git.token = "git-token"
    git.cut_answers = git.cut_pushes = 0
    git.status = git.status_after_cut = git.redirect_to = git.page = git.meanwhile = None
    git.turn_down.clear()


def edit(stack: Stack, text: str) -> None:
    """Somebody edits the flow in Kestra."""
    stack.kestra.apply({"flows": [{"namespace": NS, "id": "one", "source": flow(NS, "one", text)}]})


def edit_in_git(stack: Stack, text: str) -> str:
    """Somebody edits the flow in Git; the commit."""
    return stack.push({f"{NS}/flows/one.yaml": flow(NS, "one", text)})


def asked_and_held(stack: Stack, point: str, source: str = "KESTRA", **match: str) -> Any:
    """A run whose job is held at a point."""
    stack.hold(point, 1, **match)
    asked = stack.ask(sourceOfTruth=source)
    stack.held(point, 1)
    return asked


def pushes(stack: Stack) -> int:
    """How many pushes the server has executed or turned down."""
    asked = [one for one in stack.git.requests if one.method == "POST"]
    return sum(one.path.endswith("/git-receive-pack") for one in asked)


def equal(stack: Stack) -> None:
    """Both sides hold the same, and the branch is sound."""
    sides = both(stack)
    assert sides["GIT"] == sides["KESTRA"]
    stack.git_out("fsck", "--strict")


def exported(stack: Stack, text: str) -> dict[str, Any]:
    """The next export works: its outcome."""
    edit(stack, text)
    outcome = stack.outcome(stack.ask(sourceOfTruth="KESTRA"), LIMIT)
    assert outcome["state"] == "APPLIED", outcome
    equal(stack)
    return outcome


def messages(outcome: dict[str, Any]) -> str:
    return "\n".join(
        f"{one['code']} {one['where']}: {one['message']}" for one in outcome["problems"]
    )


def codes(outcome: dict[str, Any]) -> set[str]:
    return {one["code"] for one in outcome["problems"]}


# The server says no


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_the_words_of_a_hook_are_shown_and_its_refusal_is_final(stack: Stack, hook: str) -> None:
    before = stack.commits()
    words = "Policy 7: \x1b[31mask\x1b[0m the <b>owner</b>; git-token is no secret here"
    stack.git.refuse(stack._name, words, hook)
    edit(stack, "refused")
    first = pushes(stack)
    outcome = stack.export()
    assert outcome["state"] == "REFUSED", outcome
    assert pushes(stack) == first + 1
    assert stack.commits() == before and "commitId" not in outcome
    shown = stack.run("runs", "show", outcome["runId"]).stdout
    for text in (messages(outcome), shown):
        assert "Policy 7: ask the <b>owner</b>" in " ".join(text.split())
        assert "git-token" not in text and "\x1b" not in text
    stack.git.accept(stack._name)
    exported(stack, "allowed")


def test_a_lost_acknowledgement_gives_one_commit_and_is_told_as_applied(stack: Stack) -> None:
    before = stack.commits()
    edit(stack, "once")
    stack.git.cut_answers = 1
    outcome = stack.export()
    assert outcome["state"] == "APPLIED", outcome
    assert stack.commits() == [outcome["commitId"], *before]
    equal(stack)


def test_a_push_that_landed_is_never_told_as_failed_while_the_server_is_away(stack: Stack) -> None:
    before = stack.commits()
    edit(stack, "landed")
    stack.git.cut_answers, stack.git.status_after_cut = 1, 503
    asked = asked_and_held(stack, "push.before")
    run = stack.records.newest(1)[0]
    stack.release("push.before")
    wait_for(
        "its tries are used up",
        lambda: stack.records.get(run.id).state in {"UNKNOWN", "FAILED"},
        LIMIT,
    )
    assert stack.records.get(run.id).state == "UNKNOWN"
    _heal(stack)
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "APPLIED", outcome
    assert stack.commits() == [outcome["commitId"], *before]
    exported(stack, "next")


WORDS = [
    "fetch first",
    "non-fast-forward",
    "stale info",
    "cannot lock ref 'refs/heads/main': is at 1 but expected 2",
    "incorrect old value provided",
    "reference already exists",
]


def test_every_wording_of_a_race_is_pushed_again_on_the_new_tip(stack: Stack) -> None:
    for number, words in enumerate(WORDS):
        stack.git.turn_down = [words]
        stack.git.meanwhile = lambda number=number: stack.push({"other.md": f"{number}\n"})
        before = pushes(stack)
        outcome = exported(stack, f"after {number}")
        assert pushes(stack) == before + 2, words
        assert stack.tree()["other.md"] == f"{number}\n".encode()
        assert stack.commits()[0] == outcome["commitId"]


def test_a_real_race_between_the_look_and_the_push_lands_on_the_new_tip(stack: Stack) -> None:
    edit(stack, "raced")
    stack.git.meanwhile = lambda: stack.push({"other.md": "first\n"})
    outcome = stack.export()
    assert outcome["state"] == "APPLIED", outcome
    assert stack.tree()["other.md"] == b"first\n"
    equal(stack)


# The branch is rewritten, deleted or renamed


def rewrite(stack: Stack, *, collect: bool = False) -> str:
    """Somebody force-pushes a branch without the synced commits; its tip."""
    tree = stack.git_out("rev-parse", "main^{tree}").decode().strip()
    who = ("-c", "user.name=Pat", "-c", "user.email=pat@example.org")
    oid = stack.git_out(*who, "commit-tree", tree, "-m", "rewritten").decode().strip()
    stack.git_out("update-ref", "refs/heads/main", oid)
    if collect:
        stack.git_out("reflog", "expire", "--expire=now", "--all")
        stack.git_out("gc", "--quiet", "--prune=now")
    return oid


@pytest.mark.parametrize("source", ["KESTRA", "GIT"])
@pytest.mark.parametrize("collect", [False, True])
def test_a_branch_rewritten_before_a_run_refuses_it(
    stack: Stack, source: str, collect: bool
) -> None:
    last = stack.commits()[0]
    tip = rewrite(stack, collect=collect)
    edit(stack, "in Kestra")
    kestra = in_kestra(stack)
    outcome = stack.sync(sourceOfTruth=source)
    assert outcome["state"] == "REFUSED" and codes(outcome) == {"HISTORY_REWRITTEN"}, outcome
    assert last[:10] in messages(outcome) and tip[:10] in messages(outcome)
    assert stack.commits() == [tip] and in_kestra(stack) == kestra
    assert stack.export(branch="fresh", baseBranch="main")["state"] == "APPLIED"


def test_a_branch_rewritten_between_plan_and_push_is_not_pushed_to(stack: Stack) -> None:
    edit(stack, "late")
    asked = asked_and_held(stack, "push.before")
    tip = rewrite(stack, collect=True)
    stack.release("push.before")
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "STALE" and "HISTORY_REWRITTEN" in codes(outcome), outcome
    stack.quiet()
    assert stack.commits() == [tip]
    assert stack.records.get(outcome["followedBy"]).state == "REFUSED"


def test_a_branch_rewritten_between_plan_and_write_writes_nothing_to_kestra(stack: Stack) -> None:
    edit_in_git(stack, "in Git")
    before = in_kestra(stack)
    asked = asked_and_held(stack, "leased", "GIT")
    rewrite(stack)
    stack.release("leased")
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "STALE" and "HISTORY_REWRITTEN" in codes(outcome), outcome
    stack.quiet()
    assert in_kestra(stack) == before


def test_a_branch_deleted_between_plan_and_push_is_made_again_by_the_follower_only(
    stack: Stack,
) -> None:
    edit(stack, "late")
    asked = asked_and_held(stack, "push.before")
    stack.git_out("update-ref", "-d", "refs/heads/main")
    stack.release("push.before")
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "STALE" and "was deleted" in messages(outcome), outcome
    stack.quiet()
    follower = stack.records.get(outcome["followedBy"])
    assert follower.state == "APPLIED"
    assert stack.plan(follower.id)["newBranch"] is True
    equal(stack)


def test_a_branch_deleted_between_plan_and_write_deletes_nothing_in_kestra(stack: Stack) -> None:
    edit_in_git(stack, "in Git")
    before = in_kestra(stack)
    asked = asked_and_held(stack, "leased", "GIT")
    stack.git_out("update-ref", "-d", "refs/heads/main")
    stack.release("leased")
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "STALE" and "is gone" in messages(outcome), outcome
    stack.quiet()
    assert in_kestra(stack) == before


def test_a_reconcile_from_a_branch_that_was_deleted_or_renamed_names_it(stack: Stack) -> None:
    before = in_kestra(stack)
    stack.git_out("branch", "-m", "main", "mainline")
    outcome = stack.reconcile()
    assert outcome["state"] == "REFUSED" and codes(outcome) == {"NO_BRANCH"}, outcome
    assert "did you mean mainline" in messages(outcome)
    assert in_kestra(stack) == before
    stack.git_out("update-ref", "-d", "refs/heads/mainline")
    outcome = stack.reconcile()
    assert outcome["state"] == "REFUSED" and codes(outcome) == {"NO_BRANCH"}, outcome
    assert in_kestra(stack) == before


def test_an_export_to_a_renamed_default_branch_says_that_it_makes_a_branch(stack: Stack) -> None:
    stack.git_out("branch", "-m", "main", "trunk")
    edit(stack, "new")
    outcome = stack.export()
    assert outcome["state"] == "APPLIED", outcome
    assert stack.plan(outcome["runId"])["newBranch"] is True
    assert stack.commits()[1:] == stack.commits("trunk")
    equal(stack)


def test_an_empty_repository_that_gets_its_first_branch_meanwhile_keeps_it(stack: Stack) -> None:
    stack.fresh()
    stack.kestra.seed(flows=[flow(NS, "one")])
    asked = asked_and_held(stack, "push.before")
    first = stack.push({"README.md": "first\n", f"{NS}/flows/one.yaml": flow(NS, "one", "theirs")})
    stack.release("push.before")
    outcome = stack.outcome(asked, LIMIT)
    stack.quiet()
    assert outcome["state"] == "STALE", outcome
    assert stack.commits()[-1] == first
    assert stack.tree()["README.md"] == b"first\n"
    assert stack.records.get(outcome["followedBy"]).state == "APPLIED"
    equal(stack)


# The server is away, or not itself


@pytest.mark.parametrize("point", ["surveyed", "leased", "push.before"])
def test_a_server_away_in_the_middle_of_a_run_is_waited_for(stack: Stack, point: str) -> None:
    edit(stack, "patience")
    asked = asked_and_held(stack, point)
    stack.git.status = 503
    seen = len(stack.git.requests)
    stack.release(point)
    wait_for("it is asked and does not serve", lambda: len(stack.git.requests) > seen, LIMIT)
    _heal(stack)
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "APPLIED", outcome
    equal(stack)


ODD = [
    ("status", 500, "does not serve now"),
    ("status", 404, "no such repository"),
    ("page", b"<html>\n<b>Sign in</b>\n</html>\n", "check the url"),
    ("page", b"<html><b>Sign in</b></html>", "no Git server"),
    ("page", b"", "no Git server"),
    ("redirect_to", "http://127.0.0.1:9", "redirects, which is never followed"),
    ("token", "another", "does not accept the login"),
]
ODD_IDS = ["500", "404", "login page", "page of one line", "empty page", "redirect", "revoked"]


@pytest.mark.parametrize(
    ("source", "fault", "value", "words"),
    [("GIT", *ODD[0]), *(("KESTRA", *one) for one in ODD[1:]), ("GIT", *ODD[3])],
    ids=[*ODD_IDS, "page for a reconcile"],
)
def test_a_server_that_is_not_itself_ends_the_run_and_reads_as_nothing_missing(
    stack: Stack, source: str, fault: str, value: object, words: str
) -> None:
    edit(stack, "kept")
    before, commits = in_kestra(stack), stack.commits()
    setattr(stack.git, fault, value)
    outcome = stack.outcome(stack.ask(sourceOfTruth=source), LIMIT)
    assert outcome["state"] == "FAILED" and words in messages(outcome), outcome
    assert "git-token" not in messages(outcome)
    assert in_kestra(stack) == before and stack.commits() == commits
    _heal(stack)
    exported(stack, "next")


@pytest.mark.parametrize(("fault", "value", "words"), ODD[3:], ids=ODD_IDS[3:])
def test_a_server_that_changes_before_the_push_ends_the_run_truly(
    stack: Stack, fault: str, value: object, words: str
) -> None:
    edit(stack, "not pushed")
    commits = stack.commits()
    asked = asked_and_held(stack, "push.before")
    setattr(stack.git, fault, value)
    stack.release("push.before")
    run = stack.records.newest(1)[0]
    wait_for("the push has ended", lambda: not stack.records.get(run.id).state.in_motion, LIMIT)
    assert stack.commits() == commits
    _heal(stack)
    outcome = stack.outcome(asked, LIMIT)
    assert outcome["state"] == "FAILED" and words in messages(outcome), outcome
    exported(stack, "next")


def plant(stack: Stack, parent: str, entry: bytes, oid: bytes) -> str:
    """A commit on `parent` whose tree has one entry that no check has seen."""
    file = stack.folder / "planted"
    file.write_bytes(entry + bytes.fromhex(oid.decode().strip()))
    place = ("hash-object", "-t", "tree", "-w", "--literally", str(file))
    tree = stack.git_out(*place).decode().strip()
    who = ("-c", "user.name=Pat", "-c", "user.email=pat@example.org")
    made = stack.git_out(*who, "commit-tree", tree, "-p", parent, "-m", "planted")
    return made.decode().strip()


def test_a_history_with_an_unsafe_object_is_not_taken_and_named(stack: Stack) -> None:
    edit(stack, "kept")
    before = in_kestra(stack)
    good = stack.commits()[0]
    oid = plant(stack, good, b"40000 .git\0", stack.git_out("rev-parse", "main^{tree}"))
    stack.git_out("update-ref", "refs/heads/main", oid)
    for source in ("KESTRA", "GIT"):
        outcome = stack.sync(sourceOfTruth=source)
        assert outcome["state"] == "FAILED", outcome
        assert "git refuses as unsafe" in messages(outcome)
    assert in_kestra(stack) == before
    stack.git_out("update-ref", "refs/heads/main", good)
    stack.git_out("reflog", "expire", "--expire=now", "--all")
    stack.git_out("prune", "--expire=now")
    exported(stack, "mended")
