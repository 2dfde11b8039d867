"""Texts of flows, dashboards, the configuration, ignore files, addresses, messages and patches."""

from __future__ import annotations

import json
import subprocess
import unicodedata
from pathlib import Path

import pytest
import yaml
from amazon.ion import simpleion
from hypothesis import strategies as st

from tasks.artifacts import Kind, Part
from tasks.commitmessage import commit_message, trailers
from tasks.config import load
from tasks.errors import ConfigError, TaskError, Unsafe
from tasks.identity import (
    _ordinary,
    _parsed,
    body_digest,
    called_flows,
    possible_ids,
    read_identity,
)
from tasks.ignore import Ignore
from tasks.ion import ion_text
from tasks.layout import SyncLayout, check_path, held_name
from tasks.patch import line_counts, patch, shown
from tasks.plan import Action
from tasks.repo.failure import failure
from tasks.repo.hosting import commit_url
from tasks.repo.message import compose
from tasks.repo.url import check_branch, check_url
from tasks.visible import visible, visible_line
from tasks.yamlfile import parse
from tests.fuzz.conftest import Fuzz
from tests.fuzz.made import ANY_TEXT, SPECIAL, TEXT, YAML, YAML_BYTES, harmless
from tests.planmaking import change
from workers.cli.output import Output, rendered

PAIR = Part("team", Kind.FILE)


def test_identities(fuzz: Fuzz) -> None:
    def check(text: bytes) -> None:
        said = read_identity(text)
        assert _ordinary(text) in (None, _parsed(text))
        assert not said.id or said.id.encode()
        assert all(isinstance(one, str) for one in possible_ids(text))
        assert len(body_digest(text)) == 40
        called_flows(text)

    fuzz(YAML_BYTES, check)


def test_yaml_files(fuzz: Fuzz) -> None:
    def check(text: str) -> None:
        document = parse(text)
        assert all(harmless(str(one)) for one in document.mistakes)
        if not document.mistakes:
            again = parse(yaml.safe_dump(document.value, allow_unicode=False))
            assert repr(again.value) == repr(document.value)

    fuzz(YAML, check)


def test_configurations(fuzz: Fuzz, tmp_path: Path) -> None:
    path = tmp_path / "tenantsync.yaml"
    good = (
        "kestra:\n  prod: {url: https://k.example, username: a, password: {env: P}}\n"
        "repositories:\n  flows: {url: https://h.example/x.git, token: {env: T}}\n"
        "syncs:\n  night:\n    sourceOfTruth: GIT\n    branch: main\n    "
    )

    def check(text: bytes) -> None:
        path.write_bytes(text)
        try:
            load(path)
        except ConfigError as error:
            assert all(harmless(line) for line in error.message.splitlines())
            assert str(path) in error.message

    fuzz(YAML_BYTES | YAML.map(lambda text: (good + text).encode()), check)


def test_ignore_files(fuzz: Fuzz) -> None:
    line = st.text("ab/*?[]!\\#. +-^$()|{}\r", max_size=12) | TEXT

    def check(given: tuple[list[str], str]) -> None:
        lines, name = given
        try:
            ignore = Ignore.of("\n".join(lines).encode())
        except Unsafe as error:
            assert harmless(error.message)
        else:
            assert ignore.hidden([name]) <= {name}

    fuzz(st.tuples(st.lists(line, max_size=5), st.text("ab/.*+ -^", max_size=12) | TEXT), check)


def test_addresses(fuzz: Fuzz) -> None:
    piece = st.sampled_from(
        ["https://", "ssh://", "git@", "a.example", ":22", ":", "/", "..", "-o", "x.git", "[::1]",
         "%00", "@", "::", "ext::", "file://", "#", "?", "99999999", "dev.azure.com", "_git"]
    )  # fmt: skip

    def check(text: str) -> None:
        try:
            url = check_url(text, ("https", "ssh"))
        except Unsafe as error:
            assert harmless(error.message)
            return
        assert url.scheme in ("https", "ssh") and not url.host.startswith("-")
        assert url.text.isprintable() and url.text.isascii()
        assert check_url(url.text).canonical == url.canonical
        commit_url(url, "0" * 40, None, None)

    fuzz(st.lists(piece | TEXT, max_size=8).map("".join), check)


def test_branches(fuzz: Fuzz) -> None:
    def check(name: str) -> None:
        try:
            check_branch(name)
        except Unsafe as error:
            assert harmless(error.message)
            return
        command = ("git", "check-ref-format", f"refs/heads/{name}")
        assert subprocess.run(command, check=False).returncode == 0

    fuzz(st.text("ab-./@{~^:?*[\\\x1b ", max_size=8) | ANY_TEXT, check)


def test_paths(fuzz: Fuzz) -> None:
    layout = SyncLayout("tenants")

    def check(name: str) -> None:
        held_name(name)
        for make in (layout.file_path, layout.flow_path):
            try:
                path = make("team", name)
            except Unsafe as error:
                assert harmless(error.message)
            else:
                assert check_path(path) is None and path.startswith("tenants/team/")
                assert not {"", ".", ".."} & set(path.split("/")) and "\0" not in path
        layout.place(name)
        layout.hidden_parts(name)

    fuzz(st.text(SPECIAL | st.sampled_from("ab.git/"), max_size=12) | ANY_TEXT, check)


def test_commit_messages(fuzz: Fuzz) -> None:
    """git finds exactly our trailers in a message, whatever the configured text and the names are,
    and nothing else that reads as one of ours."""
    line = st.sampled_from(
        ["Tenantsync-Run: x", "\nTenantsync-Run: x", "Reviewed-by: y", "Signed-off-by: z", "\n\n",
         "---\n", "--- 8< ---", "# x", "{counts}", "{executionId}", "{", "\v", "\x85", "\u2028"]
    )  # fmt: skip
    given = st.tuples(st.lists(line | TEXT, max_size=6).map("\n".join), TEXT, TEXT)

    def check(given: tuple[str, str, str]) -> None:
        template, execution, reviewer = given
        ours = trailers("run-1", "d" * 64, execution_id=execution, reviewers=[reviewer])
        try:
            message = commit_message(
                template, [], run="run-1", source="tenant main", execution_id=execution
            )
        except TaskError as error:
            assert harmless(error.message)
            return
        whole = compose(message, ours)
        command = ("git", "interpret-trailers", "--parse", "--no-divider")
        read = subprocess.run(command, input=whole.encode(), capture_output=True, check=True)
        found = read.stdout.decode().splitlines()
        assert [one for one in found if one.startswith("Tenantsync-")] == [
            "Tenantsync-Run: run-1", f"Tenantsync-Plan: {'d' * 64}",
        ]  # fmt: skip
        assert len(found) <= len(ours)

    fuzz(given, check)


def test_ion(fuzz: Fuzz) -> None:
    def check(text: str) -> None:
        said = ion_text({"a": text, text: [text]})
        assert visible(said) == said
        (read,) = simpleion.loads(said, single_value=False)
        assert {str(key): value for key, value in read.items()} == {"a": text, text: [text]}

    # The library refuses half characters; none comes in, since JSON and paths with them are not.
    fuzz(st.text(SPECIAL | st.characters(codec="utf-8"), min_size=2, max_size=60), check)


@pytest.mark.parametrize("form", [Output.JSON, Output.YAML])
def test_results_for_programs(fuzz: Fuzz, form: Output) -> None:
    def check(text: str) -> None:
        said = rendered({"a": text}, form)
        assert visible(said) == said
        read = json.loads if form is Output.JSON else yaml.safe_load
        assert read(said) == {"a": text}

    fuzz(TEXT, check)


def test_patches(fuzz: Fuzz) -> None:
    def check(given: tuple[str, bytes, bytes]) -> None:
        name, before, after = given
        one = change(Action.UPDATE, "x", path=f"team/files/{name}")
        made = patch(one, before, after)
        assert made.split(b"\n")[0].decode("ascii").isprintable()
        assert visible(shown(made)) == shown(made)
        added, deleted = line_counts(before, after)
        assert (added is None) == (deleted is None)

    body = st.binary(max_size=40) | TEXT.map(str.encode)
    fuzz(st.tuples(TEXT, body, body), check)


def test_words_of_git(fuzz: Fuzz) -> None:
    piece = st.sampled_from(
        ["remote: ", "fatal: ", "hint: ", "error: ", "403", "HTTP 500", "early EOF", "://a:b@c",
         "Host key verification failed", "known for [x]:99999 and", "SHA256:abc", "\x1b[31m"]
    )  # fmt: skip

    def check(given: tuple[str, int]) -> None:
        error = failure("fetch", given[1], given[0], "https://h.example/x")
        assert visible(error.message) == error.message and len(error.message) < 2000
        assert "a:b@" not in error.message

    fuzz(
        st.tuples(st.lists(piece | ANY_TEXT, max_size=8).map("".join), st.integers(-9, 255)), check
    )


def test_shown_texts(fuzz: Fuzz) -> None:
    def check(text: str) -> None:
        shown_line = visible_line(text)
        assert not {unicodedata.category(one) for one in shown_line} & {"Cc", "Cf", "Cs"}
        assert visible(visible(text)) == visible(text)

    fuzz(ANY_TEXT, check)
