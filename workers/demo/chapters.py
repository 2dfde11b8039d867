"""The story, chapter by chapter: each does something, says what came of it, and proves it."""

from __future__ import annotations

from collections.abc import Iterable

from sandbox.sample import COMPANY
from tasks.outcome import Counts, State
from tasks.problems import Code
from workers.demo.stage import Chapter, Claim, Stage, Typed
from workers.demo.typed import Cut

ORDERS = f"{COMPANY}.sales.orders"
SUPPORT = f"{COMPANY}.customers.support"
TAX = f"{COMPANY}.finance.tax"
#: What Sam writes into a flow, and what it was before.
FIX, BEFORE_FIX = "nothing to publish today (Sam)", "nothing to publish"
#: What is shown of long outputs.
_LAST_LINES = Cut(head=0, since="Plan:", hints=("commit",))
_TO_AGREE = Cut(head=3, since="A person must agree")
_REFUSED = Cut(head=1, since="Problems:")
_HUNK = Cut(head=0, since="+++ ")
#: Calls to Kestra that a run makes besides the one of each namespace, at most.
BESIDES = 5


def export(stage: Stage) -> None:
    """Kestra → Git: a dry run, then for real as one commit."""
    tenant = _artifacts(stage)
    stage.screen.says("The repository is empty. First a dry run, which plans and writes nothing.")
    dry = stage.types("tenantsync sync export --dry-run", Cut(head=4, since="Plan:"))
    stage.proves(
        f"{tenant} artifacts to add; nothing was written",
        *_ended(dry, State.PLANNED, Counts(add=tenant)),
        Claim("branches of the repository", stage.robin.branches(), 0),
    )
    applied = stage.types("tenantsync sync export", _LAST_LINES)
    stage.robin.clones()
    stage.git("git log --shortstat", without=("Date:", "Tenantsync-"))
    stage.proves(
        "one commit, which holds the whole tenant byte for byte",
        *_ended(applied, State.APPLIED, Counts(add=tenant, landed=tenant)),
        Claim("commits", len(stage.robin.commits()), 1),
        Claim("its id", stage.robin.commits()[0], applied.run.commit_id),
        *_equal(stage),
    )


def reconcile(stage: Stage) -> None:
    """Git → Kestra: an edit, a move and a deletion by a person."""
    robin, tenant = stage.robin, _artifacts(stage)
    robin.edits(f"{ORDERS}/flows/load-orders.yaml", lambda text: text.replace("one a", "two a"))
    moved = f"{SUPPORT}/flows/notify-orders.yaml"
    robin.moves(f"{ORDERS}/flows/notify-orders.yaml", moved)
    robin.edits(moved, lambda text: text.replace(ORDERS, SUPPORT))
    robin.removes(f"{COMPANY}.produce.waste/files/data/holidays.csv")
    figures = robin.pushes("Tidy orders")
    stage.screen.says(
        "From now on Git is the truth. Robin edits a flow, moves another to the support team, "
        f"deletes a file, and pushes: {figures}."
    )
    applied = stage.types("tenantsync sync deploy")
    stage.proves(
        f"landed and read back, in {applied.calls} calls to Kestra for {tenant} artifacts",
        *_ended(applied, State.APPLIED, Counts(add=1, update=1, delete=2, landed=4)),
        Claim("few calls", applied.calls < tenant / 10, True),
        *_equal(stage),
    )


def drift(stage: Stage) -> None:
    """An edit in Kestra is overwritten, and kept."""
    stage.screen.says("Sam edits a flow in Kestra. The next run puts it back and keeps Sam's text.")
    stage.sam.edits(TAX, "publish-tax", lambda text: text.replace(BEFORE_FIX, FIX))
    applied = stage.types("tenantsync sync deploy")
    stage.proves(
        "the flow has Git's text again",
        *_ended(applied, State.APPLIED, Counts(update=1, landed=1)),
        *_equal(stage),
    )
    shown = stage.types(f"tenantsync runs diff {applied.run.id}", _HUNK)
    stage.memorable["what Sam wrote, and Git's text"] = f"runs diff {applied.run.id}"
    kept = any(line.startswith("-") and FIX in line for line in shown.said.plain)
    stage.proves(
        "what was overwritten stays in the diff of its run", Claim("Sam's text", kept, True)
    )


def emptied(stage: Stage) -> None:
    """An emptied repository is refused, then repaired."""
    stage.screen.says("Robin commits from a broken checkout: every file is gone from Git.")
    before = stage.servers.kestra.counters()["flow_revisions"], _artifacts(stage)
    stage.robin.removes(".")
    stage.robin.pushes("Oops")
    refused = stage.types("tenantsync sync deploy", _REFUSED, code=3)
    stage.memorable["why the emptied repository was refused"] = f"runs show {refused.run.id}"
    after = stage.servers.kestra.counters()["flow_revisions"], _artifacts(stage)
    stage.proves(
        "refused with exit code 3; Kestra was not touched",
        Claim("state", refused.run.state, State.REFUSED),
        Claim("the problem that refuses it", _fatal(refused), [Code.EMPTY_SOURCE]),
        Claim("revisions and artifacts of Kestra", after, before),
    )
    stage.git("git revert --no-edit HEAD && git push --quiet", without=("Date:", "create mode"))
    equal = stage.types("tenantsync sync deploy")
    stage.proves(
        "repaired: both sides are equal",
        Claim("state", equal.run.state, State.UNCHANGED),
        *_equal(stage),
    )


def budget(stage: Stage) -> None:
    """Deletions over the budget wait for a person, who repeats their number."""
    flows = len(stage.servers.kestra.flows())
    stage.robin.removes("*/flows/archive-*.yaml")
    stage.robin.pushes("The archive flows are retired")
    stage.screen.says(
        "Robin retires the archive flow of every team. That is meant, but it is more than "
        "goes without a person, who has to repeat the figure."
    )
    waiting = stage.types("tenantsync sync deploy", _TO_AGREE)
    figure = waiting.run.deletions or 0
    stage.proves(
        "nothing was deleted yet",
        Claim("state", waiting.run.state, State.WAITING),
        Claim("the problem to agree on", _problems(waiting), [Code.DELETION_BUDGET]),
        Claim("flows in Kestra", len(stage.servers.kestra.flows()), flows),
    )
    applied = stage.types(_approval(waiting.said.plain), _LAST_LINES)
    stage.proves(
        f"{figure} flows are deleted, and nothing else",
        *_ended(applied, State.APPLIED, Counts(delete=figure, landed=figure)),
        Claim("the run", applied.run.id, waiting.run.id),
        Claim("flows in Kestra", len(stage.servers.kestra.flows()), flows - figure),
        *_equal(stage),
    )


def unchanged(stage: Stage) -> None:
    """A run that changes nothing, and what it costs."""
    kestra, tenant = stage.servers.kestra, _artifacts(stage)
    namespaces, before, commits = len(_namespaces(stage)), kestra.counters(), stage.robin.commits()
    stage.screen.says("Nothing has changed since. What does the next run cost?")
    equal = stage.types("tenantsync sync deploy --exit-code")
    after = kestra.counters()
    stage.proves(
        f"{equal.calls} calls for {tenant} artifacts: about one for each of {namespaces} "
        "namespaces, parents included; no revision, no commit",
        Claim("state", equal.run.state, State.UNCHANGED),
        Claim("about one call a namespace", equal.calls <= namespaces + BESIDES, True),
        Claim("flow revisions", after["flow_revisions"], before["flow_revisions"]),
        Claim("stored objects", after["storage_objects"], before["storage_objects"]),
        Claim("commits", stage.robin.commits(), commits),
    )


CHAPTERS = (
    Chapter("A tenant goes to Git", export),
    Chapter("Git goes to Kestra", reconcile),
    Chapter("A quick fix in Kestra", drift),
    Chapter("An emptied repository", emptied),
    Chapter("Many deletions", budget),
    Chapter("Nothing to do", unchanged),
)


def _ended(typed: Typed, state: State, counts: Counts) -> Iterable[Claim]:
    return Claim("state", typed.run.state, state), Claim("counts", typed.run.counts, counts)


def _problems(typed: Typed) -> list[Code]:
    return [problem.code for problem in typed.run.problems]


def _fatal(typed: Typed) -> list[Code]:
    return [problem.code for problem in typed.run.problems if problem.fatal]


def _approval(lines: Iterable[str]) -> str:
    """The command that a waiting run asks for."""
    hints = (line.partition("approve:")[2].strip() for line in lines)
    return next(filter(None, hints), "tenantsync approve last")


def _artifacts(stage: Stage) -> int:
    kestra = stage.servers.kestra
    return len(kestra.flows()) + len(kestra.files()) + len(kestra.dashboards())


def _namespaces(stage: Stage) -> set[str]:
    """All that Kestra shows: the namespaces of flows, their parents, and `system`."""
    shown = {"system"}
    for namespace, _ in stage.servers.kestra.flows():
        words = namespace.split(".")
        shown |= {".".join(words[: end + 1]) for end in range(len(words))}
    return shown


def _equal(stage: Stage) -> Iterable[Claim]:
    """That the tip of the branch and Kestra hold the same bytes."""
    kestra = stage.servers.kestra
    texts = {f"{space}/flows/{name}.yaml": text for (space, name), text in kestra.flows().items()}
    texts |= {f"_global/dashboards/{name}.yaml": text for name, text in kestra.dashboards().items()}
    held = {path: text.encode() for path, text in texts.items()}
    held |= {f"{space}/files{path}": content for (space, path), content in kestra.files().items()}
    differing = sorted(path for path, _ in held.items() ^ stage.robin.holds().items())
    return (Claim("paths at which Git and Kestra differ", differing, []),)
