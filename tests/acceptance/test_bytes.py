"""What arrives is what was sent, byte for byte, in both directions."""

from __future__ import annotations

import base64

from tests.stack import Stack
from tests.texts import flow

NS = "company.team"
PLAIN = flow(NS, "x")


def _named(name: str, text: str) -> str:
    return text.replace("id: x\n", f"id: {name}\n", 1).replace("id: x\r\n", f"id: {name}\r\n", 1)


FLOWS = {
    "comments": _named("comments", "# first\n" + PLAIN + "# --- a divider ---\n# last\n"),
    "dashes": _named("dashes", "---\n" + PLAIN),
    "windows": _named("windows", PLAIN.replace("\n", "\r\n")),
    "no-final-newline": _named("no-final-newline", PLAIN.rstrip("\n")),
    "many-final-newlines": _named("many-final-newlines", PLAIN + "\n\n\n"),
    "unicode": _named("unicode", PLAIN.replace("hello", "grüße 🚢 日本語")),
    "dotted.id.v2": _named("dotted.id.v2", PLAIN),
    "quoted": PLAIN.replace("id: x\n", 'id: "quoted"\n', 1),
}
FILES = {
    "empty.txt": b"",
    "nul.bin": b"a\0b\0\xff\xfe",
    "bom.txt": b"\xef\xbb\xbfhello\n",
    "crlf.txt": b"a\r\nb\r\n",
    "no-newline.txt": b"no newline",
    "deep/er/still/leaf.txt": b"leaf\n",
    "with+space.txt": b"a space in Git is a plus in Kestra\n",
    "docs/übersicht.md": "ü\n".encode(),
    "docs/日本語.txt": b"x\n",
    "docs/emoji-\U0001f6a2.txt": b"ship\n",
    "all-bytes.bin": bytes(range(256)) * 40,
}


def test_an_export_puts_the_stored_bytes_into_git(stack: Stack) -> None:
    stack.kestra.seed(
        flows=list(FLOWS.values()),
        files=[
            {"namespace": NS, "path": f"/{path}", "base64": base64.b64encode(content).decode()}
            for path, content in FILES.items()
        ],
    )
    outcome = stack.export()
    assert outcome["state"] == "APPLIED", outcome
    tree = stack.tree()
    stored = stack.kestra.flows()
    for name in FLOWS:
        assert tree[f"{NS}/flows/{name}.yaml"] == stored[NS, name].encode(), name
    for path, content in FILES.items():
        assert tree[f"{NS}/files/{path}"] == content, path
    assert stack.export()["state"] == "UNCHANGED"
    assert stack.reconcile()["state"] == "UNCHANGED"


def test_a_reconcile_puts_the_bytes_of_git_into_kestra(stack: Stack) -> None:
    stack.push(
        {
            **{f"{NS}/flows/{name}.yaml": text.encode() for name, text in FLOWS.items()},
            **{f"{NS}/files/{path}": content for path, content in FILES.items()},
            f"{NS}/files/a file.txt": b"blank\n",
        }
    )
    outcome = stack.reconcile()
    assert outcome["state"] == "APPLIED", outcome
    assert stack.kestra.flows() == {(NS, name): text for name, text in FLOWS.items()}
    expected = {(NS, f"/{path}"): content for path, content in FILES.items()}
    assert stack.kestra.files() == expected | {(NS, "/a+file.txt"): b"blank\n"}
    assert stack.reconcile()["state"] == "UNCHANGED"
    assert stack.export()["state"] == "UNCHANGED"


def test_an_edit_of_a_newline_alone_is_never_written(stack: Stack) -> None:
    stack.kestra.seed(flows=[FLOWS["comments"]])
    assert stack.export()["state"] == "APPLIED"
    path = f"{NS}/flows/comments.yaml"
    stack.push({path: FLOWS["comments"].replace("\n", "\r\n") + "\n\n"})
    assert stack.reconcile()["state"] == "UNCHANGED"
    assert stack.export()["state"] == "UNCHANGED"


def test_a_file_keeps_its_name_and_its_executable_bit(stack: Stack) -> None:
    stack.push({f"{NS}/flows/other-name.yml": flow(NS, "one"), f"{NS}/files/run.sh": "echo 1\n"})
    _make_executable(stack, f"{NS}/files/run.sh")
    assert stack.reconcile()["state"] == "APPLIED"
    stack.kestra.apply(
        {
            "flows": [{"namespace": NS, "id": "one", "source": flow(NS, "one", "new")}],
            "files": [{"namespace": NS, "path": "/run.sh", "text": "echo 2\n"}],
        }
    )
    assert stack.export()["state"] == "APPLIED"
    listed = stack.git_out("ls-tree", "-r", "main").decode()
    assert (
        f"100755 blob {stack.git_out('rev-parse', f'main:{NS}/files/run.sh').decode()[:40]}"
        in listed
    )
    assert stack.tree()[f"{NS}/flows/other-name.yml"] == flow(NS, "one", "new").encode()
    assert f"{NS}/flows/one.yaml" not in stack.tree()


def _make_executable(stack: Stack, path: str) -> None:
    """A commit of another writer that sets the executable bit."""
    oid = stack.git_out("rev-parse", f"main:{path}").decode().strip()
    stack.git_out("read-tree", "main")
    stack.git_out("update-index", "--add", "--cacheinfo", f"100755,{oid},{path}")
    tree = stack.git_out("write-tree").decode().strip()
    person = ("-c", "user.name=Pat", "-c", "user.email=pat@example.org")
    commit = stack.git_out(*person, "commit-tree", tree, "-p", "main", "-m", "run it")
    stack.git_out("update-ref", "refs/heads/main", commit.decode().strip())
