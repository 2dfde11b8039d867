"""Answers of Kestra and git, and tasks that come by the broker."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator

import pytest
from hypothesis import strategies as st

from tasks import jsontext
from tasks.connections import KestraConnection
from tasks.errors import Doubtful, NotFound, Refused, TaskError, TenantSyncError, Unsupported
from tasks.kestra.answers import moment_of, refusal, retry_after
from tasks.kestra.archives import folded, unfolded
from tasks.kestra.side import KestraSide
from tasks.repo.tree import parse as entries
from tasks.visible import visible
from tests.fuzz.conftest import Fuzz
from tests.fuzz.made import ANY_TEXT, JSON, TEXT, harmless, spoilt
from tests.liar import Answer, Liar, liar
from workers.producer import MODELS, parse

ENTRIES = [("a/one.yml", b"id: one\n" * 20), ("b", b""), ("\u00e9", b"x")]
COUNTS = {"results", "total", "id", "namespace", "sourceCode", "uuid", "version", "revision",
          "constraints", "index", "message", "_embedded", "errors", "path"}  # fmt: skip
#: JSON with the fields that Kestra's answers have.
LIKE_KESTRA = st.recursive(
    JSON,
    lambda inner: (
        st.dictionaries(st.sampled_from(sorted(COUNTS)), inner, max_size=4)
        | st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)


def test_json(fuzz: Fuzz) -> None:
    def check(body: bytes) -> None:
        try:
            value = jsontext.parse(body)
        except ValueError:
            return
        assert jsontext.parse(json.dumps(value, allow_nan=False).encode()) == value
        json.dumps(value, ensure_ascii=False).encode()

    pieces = st.sampled_from([*'[]{}":,\\ 0123.eE+-u', "true", "null", "NaN", "\\ud800"])
    made = st.lists(pieces, max_size=20).map("".join).map(str.encode)
    fuzz(made | st.binary(max_size=40) | JSON.map(lambda value: json.dumps(value).encode()), check)


def _archive() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in ENTRIES:
            with archive.open(name, "w", force_zip64=True) as entry:
                entry.write(content)
        archive.comment = b"hello"
    return target.getvalue()


@pytest.mark.parametrize("whole", [folded(ENTRIES), _archive()], ids=["small", "large"])
def test_archives(fuzz: Fuzz, whole: bytes) -> None:
    contents = {content for _, content in ENTRIES}

    def check(body: bytes) -> None:
        try:
            found = unfolded(body, "the export")
        except Doubtful as error:
            assert harmless(error.message)
            return
        # Names have no checksum, contents have.
        assert {content for _, content in found} <= contents | {b""}

    fuzz(spoilt(whole) | st.binary(max_size=60), check)


@pytest.fixture
def kestra(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Liar, KestraSide]]:
    with liar(lambda _: Answer()) as server:
        side = KestraSide(KestraConnection(url=server.url))
        yield server, side
        side.close()


@pytest.mark.parametrize("what", ["identity", "namespaces", "flows", "dashboards", "files"])
def test_lists_of_kestra(fuzz: Fuzz, kestra: tuple[Liar, KestraSide], what: str) -> None:
    server, side = kestra
    known = b'{"uuid": "u", "version": "2.0.0"}'

    def check(value: object) -> None:
        body = json.dumps(value).encode()

        def answers(path: str) -> Answer:
            if "configs" in path and what != "identity":
                return Answer(body=[known])
            if "export" in path:
                return Answer(body=[folded([])])
            return Answer(body=[body])

        server.answers = answers
        try:
            getattr(side, what)(*(["team"] if what == "files" else []))
        except (Doubtful, Unsupported, NotFound, Refused) as error:
            assert harmless(error.message)

    fuzz(LIKE_KESTRA, check)


def test_errors_of_kestra(fuzz: Fuzz) -> None:
    def check(given: tuple[int, object, str]) -> None:
        status, value, header = given
        body = json.dumps(value).encode()
        error = refusal(asked="Kestra", status=status, body=body, after=header, login="robot")
        assert isinstance(error, TenantSyncError)
        assert visible(error.message) == error.message
        assert len(error.message) < 3000

    fuzz(st.tuples(st.integers(400, 599), LIKE_KESTRA, TEXT), check)


def test_headers_of_time(fuzz: Fuzz) -> None:
    word = st.sampled_from(["Tue,", "1", "Jan", "2020", "00:00:00", "GMT", "+9999", "-", "1e999"])

    def check(header: str) -> None:
        after = retry_after(header)
        assert after is None or 0 <= after < float("inf")
        moment = moment_of(header)
        assert moment is None or moment.tzinfo is not None

    text = st.lists(word | st.integers().map(str) | ANY_TEXT, max_size=7).map(" ".join)
    fuzz(text, check)


def test_listings_of_git(fuzz: Fuzz) -> None:
    good = b"100644 blob %s\ta b\n\xff\0040000 tree %s\td\0" % (b"1" * 40, b"2" * 40)

    def check(output: bytes) -> None:
        try:
            found = list(entries(output))
        except Doubtful:
            return
        assert len(found) == output.count(b"\0")

    fuzz(spoilt(good) | st.binary(max_size=40), check)


@pytest.mark.parametrize("name", MODELS)
def test_tasks(fuzz: Fuzz, name: str) -> None:
    fields = st.sampled_from(
        [field.alias or key for key, field in MODELS[name].model_fields.items()]
    )
    good = {"sourceOfTruth": "GIT", "branch": "main", "namespace": "team"}

    def check(value: object) -> None:
        try:
            task = parse(name, value)
        except TaskError as error:
            assert harmless(error.message)
            assert len(error.message) < 20_000
        else:
            assert parse(name, json.loads(json.dumps(task.to_dict()))) == task

    given = st.dictionaries(fields, JSON, max_size=5)
    fuzz(JSON | given | given.map(lambda more: {**good, **more}), check)
