"""Repositories that try to leave their directory, run a program, hide or delete what is not
theirs, end to end: refused by name or harmless, and nothing outside the data directory changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.integration.repo.bare import Bare
from tests.sides import in_kestra
from tests.stack import Stack
from tests.texts import dashboard, flow

NS = "company.team"
GOOD = f"{NS}/flows/good.yaml"
LIMIT = 180


@pytest.fixture(scope="module")
def processes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("hostile")
    home = folder / "home"
    home.mkdir()
    payload = folder / "payload"
    payload.write_text(f"#!/bin/sh\ntouch {folder / 'PWN'}\n")
    payload.chmod(0o755)
    (home / "precious").write_text("ours\n")
    (home / ".gitconfig").write_text(
        f'[filter "evil"]\n\tsmudge = {payload}\n\tclean = {payload}\n\tprocess = {payload}\n'
        f'[diff "evil"]\n\ttextconv = {payload}\n\tcommand = {payload}\n'
        f"[core]\n\thooksPath = hooks\n\tfsmonitor = {payload}\n"
    )
    with Stack(folder / "stack", None, HOME=str(home)) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def stack(processes: Stack) -> Iterator[Stack]:
    """A tenant with one flow, file and dashboard; afterwards nothing outside has changed."""
    processes.fresh()
    processes.kestra.seed(
        flows=[flow(NS, "good"), flow(NS, "theirs")],
        files=[{"namespace": NS, "path": "keep.txt", "text": "keep\n"}],
        dashboards=[dashboard("board")],
    )
    before = _outside(processes)
    yield processes
    assert _outside(processes) == before
    assert not (processes.folder.parent / "PWN").exists()


def _outside(stack: Stack) -> Mapping[str, bytes | None]:
    """All files around the stack, and the names in the directory that holds them."""
    around = stack.folder.parent
    found = [path for path in around.rglob("*") if stack.folder not in (path, *path.parents)]
    return {str(path): path.read_bytes() if path.is_file() else None for path in found}


@pytest.fixture
def bare(stack: Stack) -> Bare:
    return Bare(stack.repository)


def payload(stack: Stack) -> Path:
    return stack.folder.parent / "payload"


def synced(stack: Stack, source: str, **task: Any) -> dict[str, Any]:
    task = {"sourceOfTruth": source, "firstContact": "MIRROR", **task}
    outcome: dict[str, Any] = stack.outcome(stack.ask(**task), LIMIT)
    stack.quiet()
    return outcome


def told(outcome: Mapping[str, Any]) -> str:
    return "\n".join(f"{p['code']} {p['where']}: {p['message']}" for p in outcome["problems"])


# Trees that git itself does not let through


NAMES = ["..", ".", ".git", ".GIT", "git~1", ".git ", ".git. .", ".git::$DATA", ".g\u200cit"]


def test_a_tree_that_leads_elsewhere_ends_the_run_by_name(stack: Stack, bare: Bare) -> None:
    before = in_kestra(stack)
    for name in NAMES:
        _leads_elsewhere(stack, bare, name)
    assert in_kestra(stack) == before


def _leads_elsewhere(stack: Stack, bare: Bare, name: str) -> None:
    good = bare.blob(flow(NS, "good", "from Git").encode())
    inner = bare.raw_tree(("100755", "post-checkout", bare.blob(payload(stack).read_bytes())))
    hooks = bare.raw_tree(("40000", "hooks", inner), ("40000", name, inner))
    entries = [
        ("40000", "files", hooks),
        ("40000", "flows", bare.raw_tree(("100644", "good.yaml", good))),
    ]
    bare.point(bare.raw_tree(("40000", NS, bare.raw_tree(*entries))))
    tip = bare.tip()
    for source in ("GIT", "KESTRA"):
        outcome = synced(stack, source)
        assert outcome["state"] == "FAILED", (name, outcome)
        assert "unsafe" in told(outcome), name
    assert bare.tip() == tip


# Trees that git lets through


def odd_tree(bare: Bare, stack: Stack) -> dict[str, str]:
    """Commits names that no rule of git refuses; where → the mode of those never followed."""
    links = {
        f"{NS}/files/passwd": "/etc/passwd",
        f"{NS}/files/dir": "/etc",
        f"{NS}/files/up": "../../../../home/precious",
        f"{NS}/flows/link.yaml": "/etc/passwd",
    }
    refused = {
        f"{NS}/files/a\\..\\..\\x": b"1",
        f"{NS}/files/bell\x07": b"1",
        f"{NS}/files/{'n' * 5000}": b"1",
    }
    bare.commit({**{p: t.encode() for p, t in links.items()}}, modes=dict.fromkeys(links, "120000"))
    bare.commit(refused)
    bare.commit({f"{NS}/files/module": bare_oid(bare).encode()}, modes={})
    bare.commit({f"{NS}/files/module": None})
    gitlink(bare, f"{NS}/files/module")
    return {
        **dict.fromkeys(links, "link"),
        **dict.fromkeys(refused, "name"),
        f"{NS}/files/module": "link",
    }


def bare_oid(bare: Bare) -> str:
    return bare.tip() or "1" * 40


def gitlink(bare: Bare, path: str) -> None:
    """Puts a submodule at a path."""
    old = bare.tip()
    text = f"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\ndata 1\nx\nfrom {old}\n"
    line = f'M 160000 {"1" * 40} "{path}"\n'
    bare.git("fast-import", "--quiet", "--force", stdin=(text + line).encode())


HARMLESS: dict[str, bytes] = {
    GOOD: flow(NS, "good", "from Git").encode(),
    f"{NS}/flows/theirs.yaml": flow(NS, "theirs").encode(),
    f"{NS}/files/keep.txt": b"keep\n",
    "_global/dashboards/board.yaml": dashboard("board").encode(),
    ".gitattributes": b"* filter=evil diff=evil export-ignore export-subst ident\n"
    b"*.utf text working-tree-encoding=UTF-16 eol=crlf\n",
    f"{NS}/files/.gitattributes": b"* filter=evil text eol=crlf ident export-ignore\n",
    f"{NS}/files/id.txt": b"$Id$ $Format:%H$\n",
    f"{NS}/files/plain.utf": "\u00e4\n".encode(),
    f"{NS}/files/A.txt": b"upper\n",
    f"{NS}/files/a.txt": b"lower\n",
    f"{NS}/files/caf\u00e9": b"NFC\n",
    f"{NS}/files/cafe\u0301": b"NFD\n",
    f"{NS}/files/--upload-pack=touch PWN": b"option\n",
    f"{NS}/files/$(touch PWN)": b"shell\n",
    f"{NS}/files/:(glob)*": b"magic\n",
    f"{NS}/files/.git-not": b"near\n",
    "hooks/post-checkout": b"#!/bin/sh\ntouch PWN\n",
    "hooks/reference-transaction": b"#!/bin/sh\ntouch PWN\n",
    "objects/info/alternates": b"/etc\n",
    "refs/heads/main": b"ref: ../../x\n",
    ".gitmodules": b'[submodule "x"]\n\tpath = x\n\turl = https://127.0.0.1:1/x\n\tupdate = none\n',
    "config": b"[core]\n\tfsmonitor = touch PWN\n",
    "HEAD": b"ref: refs/heads/evil\n",
}


def test_odd_names_and_links_are_left_alone_by_name_and_the_rest_lands_byte_for_byte(
    stack: Stack, bare: Bare
) -> None:
    bare.commit(HARMLESS)
    odd = odd_tree(bare, stack)
    outcome = synced(stack, "GIT", onInvalidSyntax="SKIP")
    assert outcome["state"] == "APPLIED", outcome
    said = told(outcome)
    for path in odd:
        assert path.split("/")[-1].replace("\x07", "\\x07") in said, path
    files = {path.removeprefix("/"): text for (_, path), text in stack.kestra.files().items()}
    for path, content in HARMLESS.items():
        name = path.removeprefix(f"{NS}/files/").replace(" ", "+")
        if name != path:
            assert files[name] == content, path
    assert not {"passwd", "dir", "up", "module"} & files.keys()
    assert b"root:" not in b"".join(files.values())
    assert "from Git" in stack.kestra.flows()[NS, "good"]

    new = {"namespace": NS, "id": "good", "source": flow(NS, "good", "from Kestra")}
    stack.kestra.apply({"flows": [new]})
    outcome = synced(stack, "KESTRA", onInvalidSyntax="SKIP")
    assert outcome["state"] == "APPLIED", outcome
    assert bare.read(GOOD) == flow(NS, "good", "from Kestra").encode()
    changed = bare.text("diff", "--name-only", "main~1", "main").split("\n")
    assert changed == [GOOD]


def test_a_name_that_is_no_utf8_is_left_alone_by_name(stack: Stack, bare: Bare) -> None:
    bare.commit(HARMLESS)
    files = bare.text("rev-parse", f"main:{NS}/files")
    listed = bare.git("ls-tree", "-z", files)
    entry = b"100644 blob %s\tx\xff\0" % bare.blob(b"1").encode()
    tree = bare.git("mktree", "-z", stdin=listed + entry).decode().strip()
    flows = bare.text("rev-parse", f"main:{NS}/flows")
    bare.point(
        bare.raw_tree(
            ("40000", NS, bare.raw_tree(("40000", "files", tree), ("40000", "flows", flows)))
        )
    )
    outcome = synced(stack, "GIT")
    assert outcome["state"] == "APPLIED", outcome
    assert "\\udcff" in told(outcome) or "\\xff" in told(outcome)
    assert not [path for _, path in stack.kestra.files() if path.startswith("/x")]


# Links and submodules in the place of what is ours


PLACES = [f"{NS}/flows", f"{NS}/files", NS, "_global", "_global/dashboards"]


@pytest.mark.parametrize(
    ("place", "kind"),
    [*((place, "link") for place in PLACES), *((place, "submodule") for place in PLACES[2:4])],
)
def test_a_link_in_the_place_of_a_folder_deletes_and_writes_nothing_behind_it(
    stack: Stack, bare: Bare, place: str, kind: str
) -> None:
    bare.commit({**HARMLESS, "other.ns/flows/o.yaml": flow("other.ns", "o").encode()})
    gone = [path for path in bare.paths() if path.startswith(f"{place}/")]
    bare.commit(dict.fromkeys(gone))
    if kind == "link":
        bare.commit({place: str(stack.folder.parent / "home").encode()}, modes={place: "120000"})
    else:
        gitlink(bare, place)
    before = in_kestra(stack)
    outcome = synced(stack, "GIT", deletionBudget={"free": 100})
    assert outcome["state"] in {"APPLIED", "PARTIAL"}, outcome
    assert f"UNSAFE_PATH {place}" in told(outcome)
    after = in_kestra(stack)
    behind = {one for one in before if f"{one.path}/".startswith(f"{place}/")}
    assert {one: after.get(one) for one in behind} == {one: before[one] for one in behind}
    outcome = synced(stack, "KESTRA", deletionBudget={"free": 100})
    assert outcome["state"] in {"APPLIED", "UNCHANGED", "PARTIAL"}, outcome
    assert [path for path in bare.paths() if f"{path}/".startswith(f"{place}/")] == [place]


@pytest.mark.parametrize("kind", ["link", "submodule", "file"])
def test_a_git_directory_that_is_no_folder_is_neither_read_nor_written(
    stack: Stack, bare: Bare, kind: str
) -> None:
    bare.commit({"README.md": b"ours\n"})
    if kind == "submodule":
        gitlink(bare, "tenant")
    else:
        mode = {"tenant": "120000" if kind == "link" else "100644"}
        bare.commit({"tenant": str(stack.folder.parent / "home").encode()}, modes=mode)
    before, tip = in_kestra(stack), bare.tip()
    outcome = synced(stack, "GIT", gitDirectory="tenant")
    assert outcome["state"] == "REFUSED" and "EMPTY_SOURCE" in told(outcome), outcome
    outcome = synced(stack, "KESTRA", gitDirectory="tenant")
    assert outcome["state"] == "FAILED" and "tenant" in told(outcome), outcome
    assert in_kestra(stack) == before and bare.tip() == tip


# What a task may name


BRANCHES = [
    "--upload-pack=touch", "-x", "main:refs/heads/x", "refs/heads/main", "HEAD", "@",
    "a..b", "x.lock", "main^{}", "@{-1}", "main~1", ".hidden", "x" * 201, "a//b", "ext::sh",
]  # fmt: skip


def refused(stack: Stack, **task: Any) -> str:
    """Why a task is not taken, or why its run ended without doing anything."""
    try:
        outcome = synced(stack, "KESTRA", **task)
    except Exception as error:  # the asker's Celery makes a class of its own of ours
        return str(error)
    assert outcome["state"] in {"FAILED", "REFUSED"}, (task, outcome)
    return told(outcome)


def test_a_branch_that_is_an_option_refspec_or_revision_is_refused(
    stack: Stack, bare: Bare
) -> None:
    bare.commit(HARMLESS)
    refs, before = bare.text("for-each-ref"), in_kestra(stack)
    for name in BRANCHES:
        assert "branch" in refused(stack, branch=name), name
    assert bare.text("for-each-ref") == refs and in_kestra(stack) == before


DIRECTORIES = [
    "..", "a/../..", "./a", ".git", "a/.GIT", "git~1", ".git.", ".git ", ".g\u200cit", "a\\..\\x",
    "a\x07", "a\nb", "a\x00b", "n" * 256, "a/" * 2100, ".git::$INDEX_ALLOCATION",
]  # fmt: skip


def test_a_git_directory_that_leads_elsewhere_is_refused(stack: Stack, bare: Bare) -> None:
    bare.commit(HARMLESS)
    refs = bare.text("for-each-ref")
    for name in DIRECTORIES:
        said = refused(stack, gitDirectory=name)
        assert "gitDirectory is a plain folder below the root" in said, name
    assert bare.text("for-each-ref") == refs


@pytest.mark.parametrize("name", ["--help", ":(glob)**", "main:x"])
def test_a_git_directory_that_looks_like_an_option_or_pattern_is_a_folder_of_that_name(
    stack: Stack, bare: Bare, name: str
) -> None:
    bare.commit({"README.md": b"ours\n"})
    assert synced(stack, "KESTRA", gitDirectory=name)["state"] == "APPLIED"
    assert f"{name}/{GOOD}" in bare.paths()
    assert synced(stack, "GIT", gitDirectory=name)["state"] == "UNCHANGED"


# Sizes


def test_refs_by_the_hundred_and_refs_that_replace_change_nothing(stack: Stack, bare: Bare) -> None:
    tip = bare.commit(HARMLESS)
    forged = bare.blob(flow(NS, "good", "forged").encode())
    lines = [
        f"create refs/heads/{prefix}{number} {tip}"
        for number in range(150)
        for prefix in ("b/", "x/main")
    ]
    lines += [f"create refs/tags/v{number} {tip}" for number in range(300)]
    lines += [f"create refs/replace/{bare.text('rev-parse', f'main:{GOOD}')} {forged}"]
    lines += [f"create refs/heads/refs/heads/main {tip}", f"create refs/heads/x/HEAD {tip}"]
    bare.git("update-ref", "--stdin", stdin="\n".join(lines).encode() + b"\n")
    assert synced(stack, "GIT")["state"] == "APPLIED"
    assert "from Git" in stack.kestra.flows()[NS, "good"]


def test_a_hundred_thousand_foreign_files_and_deep_folders_are_let_be(
    stack: Stack, bare: Bare, request: pytest.FixtureRequest
) -> None:
    if not request.config.option.all_damages:
        pytest.skip("the largest repositories are tried with --all-damages")
    blob = bare.blob(b"x")
    wide = "".join(f"100644 blob {blob}\tf{number}\0" for number in range(100_000))
    tree = bare.git("mktree", "-z", stdin=wide.encode()).decode().strip()
    deep = bare.raw_tree(("100644", "f", blob))
    for _ in range(2000):
        deep = bare.raw_tree(("40000", "d", deep))
    bare.commit(HARMLESS)
    listed = bare.git("ls-tree", "-z", "main").split(b"\0")[:-1]
    files = bare.text("rev-parse", f"main:{NS}/files")
    inner = bare.git("ls-tree", "-z", files).split(b"\0")[:-1]
    inner.append(b"040000 tree %s\tdeep" % deep.encode())
    files = bare.git("mktree", "-z", stdin=b"\0".join(inner) + b"\0").decode().strip()
    flows = bare.text("rev-parse", f"main:{NS}/flows")
    ours = bare.raw_tree(("40000", "files", files), ("40000", "flows", flows))
    listed = [one for one in listed if not one.endswith(f"\t{NS}".encode())]
    listed += [b"040000 tree %s\t%s" % (ours.encode(), NS.encode())]
    listed += [b"040000 tree %s\tjunk" % tree.encode()]
    bare.plant(b"\0".join(listed) + b"\0")
    outcome = synced(stack, "GIT")
    assert outcome["state"] in {"APPLIED", "PARTIAL"}, outcome
    assert "from Git" in stack.kestra.flows()[NS, "good"]
    stack.kestra.apply(
        {"flows": [{"namespace": NS, "id": "good", "source": flow(NS, "good", "k")}]}
    )
    outcome = synced(stack, "KESTRA")
    assert outcome["state"] in {"APPLIED", "PARTIAL"}, outcome
    assert bare.read(GOOD) == flow(NS, "good", "k").encode()
    assert bare.text("rev-parse", "main:junk") == tree


def _files(stack: Stack) -> dict[str, bytes]:
    return {path.removeprefix("/"): text for (_, path), text in stack.kestra.files().items()}


def test_a_file_over_the_limit_is_left_alone_by_name_and_the_rest_of_its_part_lands(
    stack: Stack, bare: Bare
) -> None:
    huge, big = f"{NS}/files/huge.bin", bytes(100_000_001)
    there = {"namespace": NS, "path": "huge.bin", "text": "small"}
    theirs = {"namespace": NS, "path": "theirs.bin", "text": "x" * 100_000_001}
    stack.kestra.apply({"files": [there, theirs]})
    bare.commit(
        {
            **HARMLESS,
            huge: big,
            f"{NS}/files/new.txt": b"new",
            f"{NS}/files/theirs.bin": b"ours",
            f"{NS}/files/keep.txt": None,
        }
    )
    outcome = synced(stack, "GIT")
    assert outcome["state"] == "APPLIED", outcome
    said = told(outcome)
    assert f"TOO_LARGE {huge}" in said and "100000001 bytes, the limit is 100000000" in said
    assert "TOO_LARGE Kestra" in said and "theirs.bin" in said
    files = _files(stack)
    assert files["huge.bin"] == b"small" and len(files["theirs.bin"]) == 100_000_001
    assert files["new.txt"] == b"new" and "keep.txt" not in files

    stack.kestra.apply(
        {
            "files": [{"namespace": NS, "path": "new.txt", "text": "newer"}],
            "delete_files": [{"namespace": NS, "path": name} for name in ("huge.bin", "id.txt")],
        }
    )
    outcome = synced(stack, "KESTRA")
    assert outcome["state"] == "APPLIED", outcome
    assert told(outcome).count("TOO_LARGE") == 2
    changed = bare.text("diff", "--name-status", "main~1", "main").split("\n")
    assert changed == [f"D\t{NS}/files/id.txt", f"M\t{NS}/files/new.txt"]


def test_an_ignore_file_that_cannot_be_read_leaves_its_part_alone(stack: Stack, bare: Bare) -> None:
    ignore = f"{NS}/files/.kestraignore"
    stack.kestra.apply({"files": [{"namespace": NS, "path": "hidden.txt", "text": "theirs"}]})
    for content, mode in ((b"hidden.txt", "120000"), (b"hidden.txt\n" * 9_100_000, "100644")):
        bare.commit({**HARMLESS, ignore: content}, modes={ignore: mode})
        outcome = synced(stack, "GIT")
        assert outcome["state"] in {"APPLIED", "PARTIAL"}, outcome
        assert "UNREAD" in told(outcome) and ".kestraignore" in told(outcome)
        assert _files(stack)["hidden.txt"] == b"theirs"


def _wide(bare: Bare, count: int, name: str) -> None:
    """Commits a flow and so many files that hold the same, by a pattern of their names."""
    blob, text = bare.blob(b"x"), bare.blob(flow(NS, "good", "from Git").encode())
    listed = "".join(f"100644 blob {blob}\t{name.format(number)}\0" for number in range(count))
    files = bare.git("mktree", "-z", stdin=listed.encode()).decode().strip()
    flows = bare.raw_tree(("100644", "good.yaml", text))
    ours = bare.raw_tree(("40000", "files", files), ("40000", "flows", flows))
    bare.plant(b"40000 tree %s\t%s\0" % (ours.encode(), NS.encode()))


def test_of_twenty_thousand_odd_names_the_run_tells_the_first_and_how_many_more(
    stack: Stack, bare: Bare
) -> None:
    _wide(bare, 20_000, "odd\\{:05}")
    outcome = synced(stack, "GIT", deletionBudget={"free": 100})
    assert outcome["state"] == "APPLIED", outcome
    assert "from Git" in stack.kestra.flows()[NS, "good"]
    odd = [one for one in outcome["problems"] if one["code"] == "UNSAFE_PATH"]
    assert odd[0]["where"].endswith("odd\\00000") and len(odd) == 31
    assert odd[-1]["where"] == "and 19,970 more"
    assert len(stack.plan(outcome["runId"])["problems"]) == 20_000
    every = stack.run("runs", "show", outcome["runId"], "--problems", check=True).stdout
    assert "odd\\19999" in every
    assert len(stack.run("runs", "show", outcome["runId"], check=True).stdout) < 20_000


# Ignore files


IGNORES = {
    "everything": b"*\n",
    "bomb": b"**/" + b"a*" * 60 + b"b\n" + b"*a" * 100 + b"\n",
    "unreadable": b"[z-a]\n",
    "too many": b"x\n" * 1001,
}


@pytest.mark.parametrize("name", IGNORES)
def test_an_ignore_file_hides_at_most_and_deletes_nothing(
    stack: Stack, bare: Bare, name: str
) -> None:
    files = {
        f"{NS}/files/.kestraignore": IGNORES[name],
        f"{NS}/files/{'a/' * 800}{'a' * 200}": b"1",
    }
    bare.commit({**HARMLESS, **files, f"{NS}/files/keep.txt": None})
    outcome = synced(stack, "GIT")
    assert outcome["state"] in {"APPLIED", "PARTIAL"}, outcome
    kept = any(path.removeprefix("/") == "keep.txt" for _, path in stack.kestra.files())
    assert kept == (name != "bomb"), outcome
    assert (outcome["state"] == "PARTIAL") == (name in {"unreadable", "too many"}), outcome
