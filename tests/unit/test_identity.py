"""Who a text says that it is, whatever is done to it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.artifacts import Key, Kind
from tasks.identity import (
    Identity,
    _ordinary,
    _parsed,
    body_digest,
    called_flows,
    ordered,
    possible_ids,
    read_identity,
)
from tests.texts import flow

AB = Identity(id="a", namespace="b")
NONE = Identity(id=None, namespace=None)


@pytest.mark.parametrize(
    "text",
    [
        b"id: a\nnamespace: b\n",
        b"namespace: b\nid: a\ntasks: []\n",
        b"id: a\r\nnamespace: b\r\ntasks: []\r\n",
        b"\xef\xbb\xbfid: a\nnamespace: b\n",
        b"---\nid: a\nnamespace: b\n",
        b"# c\n\n  # d\nid: a   # e\n\nnamespace: b\t# f\ntasks:\n- id: c\n  namespace: d\n",
        b"id: 'a'\nnamespace: \"b\"\n",
        b"\"id\": a\n'namespace': b\n",
        b"{id: a, namespace: b}",
        b"tasks:\n  - id: c\n    namespace: d\nid: a\nnamespace: b",
        b"description: |\n  id: c\n  namespace: d\nid: a\nnamespace: b\n",
        b'description: "x\nid: c\nnamespace: d"\nid: a\nnamespace: b\n',
        b"? id\n: a\nnamespace: b\n",
        b"id: &x a\nnamespace: !!str b\n",
        b"id: a\nnamespace: b\n---\nid: c\nnamespace: d\n",
        b"id: a\nnamespace: b\n...\nid: c\n",
        b"%YAML 1.1\n---\nid: a\nnamespace: b\n",
    ],
)
def test_id_and_namespace_are_read_from_every_form_of_yaml(text) -> None:
    assert read_identity(text) == AB


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", NONE),
        (b"- id: a\n- namespace: b\n", NONE),
        (b"just words", NONE),
        (b"id: null\nnamespace: ~\n", NONE),
        (b"id: null\nnamespace: b\n", Identity(id=None, namespace="b")),
        (b"id: Null # c\nnamespace: b\n", Identity(id=None, namespace="b")),
        (b"id: nullable\nnamespace: b\n", Identity(id="nullable", namespace="b")),
        (b"id:\nnamespace: ''\n", NONE),
        (b"id: [a]\nnamespace: {b: c}\n", NONE),
        (b"x: &x a\nid: *x\nnamespace: *x\n", NONE),
        (b"id: !!binary a\nnamespace: b\n", Identity(id=None, namespace="b")),
        (b"id: a\nnamespace: b\nid: c\n", Identity(id=None, namespace="b")),
        (b'id: a\nnamespace: b\n"id": a\n', Identity(id=None, namespace="b")),
        (b'id: a\nnamespace: b\n"\\x69d": c\n', Identity(id=None, namespace="b")),
        (b"id: a\nnamespace: b\n? id\n: c\n", Identity(id=None, namespace="b")),
        (b"id: a\nnamespace: b\nx: 1 # \rid: c\n", Identity(id=None, namespace="b")),
        (b"id: a\n  c\nnamespace: b\n", Identity(id="a c", namespace="b")),
        (b"id: a\nnamespace: b\n\n  c\n", Identity(id="a", namespace="b\nc")),
        (b"id: a#b\nnamespace: b\n", Identity(id="a#b", namespace="b")),
        (b"id: 007\nnamespace: true\n", Identity(id="007", namespace="true")),
        (b"id: 'null'\nnamespace: b\n", Identity(id="null", namespace="b")),
        (b"--- |\nid: a\nnamespace: b\n", NONE),
        (b"ID: a\nNamespace: b\n", NONE),
    ],
)
def test_what_names_nothing_twice_or_in_another_way_is_read_as_yaml_says(text, expected) -> None:
    assert read_identity(text) == expected


def test_a_text_with_an_error_tells_what_stands_above_it() -> None:
    assert read_identity(b"id: a\nnamespace: b\nx: [\n") == AB
    assert read_identity(b"{id: a, namespace: b, x: ") == AB
    assert read_identity(b"x: ]\nid: a\nnamespace: b\n") == NONE


def test_invalid_utf8_is_read_as_the_server_reads_it() -> None:
    assert read_identity(b"id: a\nnamespace: b\nx: \xff\xfe\n") == AB
    assert read_identity(b"id: a\xff\nnamespace: b\n").id == "a\ufffd"


_LINES = st.sampled_from(
    [
        "id: a",
        "id: 'b'",
        '"id": c',
        "namespace: n",
        "namespace: m # x",
        "",
        "# id: z",
        "x: |",
        "  id: i",
        " y",
        "- id: q",
        "---",
        "...",
        'z: "',
        'id: "',
        "{",
        "}",
        "? id",
        ": v",
        "\t",
        "k: 1\rid: r",
        "id: null",
        "id: [a",
        "]",
        "x: 'id: ",
        "&a id: b",
        "!t id: c",
        "id:\td",
    ]
)


@given(st.lists(_LINES, max_size=7), st.sampled_from(["\n", "\r\n"]))
def test_the_fast_way_never_says_anything_but_what_the_parser_says(lines, end) -> None:
    text = end.join(lines).encode()
    fast = _ordinary(text)
    assert fast is None or fast == _parsed(text)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 200_000,
        b"{a: " * 200_000,
        b"? " * 200_000,
        b"- " * 200_000,
        b"a: &a [x, x]\n" + b"".join(b"a%d: &a%d [*a%d, *a%d]\n" % (i, i, i, i) for i in range(99)),
        b"x: y\n" * 2_000_000,
        b"!" * 200_000,
        b'id: "' + b'\\"' * 500_000,
        b" " * 11_000_000,
        b"".join(b"%%TAG !a%d! tag:x\n" % number for number in range(200_000)),
        b"--- !!map\n%TAG ! x\n" * 400_000,
    ],
    ids=[
        "lists",
        "maps",
        "keys",
        "entries",
        "bomb",
        "long",
        "tags",
        "quote",
        "blank",
        "directives",
        "documents",
    ],
)
def test_a_text_made_to_exhaust_a_parser_is_read_within_seconds(text) -> None:
    started = time.monotonic()
    assert read_identity(text).namespace is None
    assert called_flows(text + b"\nflowId: x") == frozenset()
    assert time.monotonic() - started < 20


def test_ids_of_a_broken_text_are_guessed_widely() -> None:
    assert possible_ids(b"x: ]\n id: 'a'\nid: b # c\n\"id\": d\n      id: far\n") == {"a", "b", "d"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (flow("a", "x").encode(), flow("b", "y").encode()),
        (flow("a", "x").encode(), flow("b", "y").replace("\n", "\r\n").encode() + b"\n\n"),
        (b"id: x # c\nnamespace: a\nt: 1\n", b"namespace: 'b'\n\"id\": y\nt: 1\n"),
        (b"t: 1\nid: x\nnamespace: a", b"t: 1\nid: y\nnamespace: b"),
    ],
)
def test_bodies_are_equal_when_only_the_id_and_namespace_lines_differ(one, other) -> None:
    assert body_digest(one) == body_digest(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (flow("a", "x", "one").encode(), flow("a", "x", "two").encode()),
        (b"{id: x, namespace: a, t: 1}", b"{id: x, namespace: a, t: 2}"),
        (b"{\nid: x, t: 1,\nnamespace: a}", b"{\nid: x, t: 2,\nnamespace: a}"),
        (b"id: x\nnamespace: a\nt:\n  id: q\n", b"id: x\nnamespace: a\nt:\n  id: r\n"),
        (b"id: x\nnamespace: a\nt: |\n id: q\n", b"id: x\nnamespace: a\nt: |\n id: r\n"),
        (b't: "\nid: q"\nid: x\nnamespace: a\n', b't: "\nid: r"\nid: x\nnamespace: a\n'),
    ],
)
def test_bodies_differ_when_anything_else_differs(one, other) -> None:
    assert body_digest(one) != body_digest(other)


def test_calls_are_read_wherever_tasks_lie_but_not_from_triggers_or_expressions() -> None:
    text = b"""
id: a
namespace: b
tasks:
  - id: one
    type: io.kestra.plugin.core.flow.Subflow
    namespace: n
    flowId: f
  - id: each
    tasks:
      - {flowId: g, namespace: "n.m", type: io.kestra.plugin.core.flow.ForEachItem}
      - namespace: n
        flowId: "{{ inputs.flow }}"
      - flowId: lonely
errors:
  - {namespace: e, flowId: h}
triggers:
  - conditions:
      - {namespace: t, flowId: i}
"""
    assert called_flows(text) == {("n", "f"), ("n.m", "g"), ("e", "h")}


def _texts(**calls: str) -> dict[Key, bytes]:
    return {
        Key("n", Kind.FLOW, name): b"tasks:\n"
        + b"".join(b"- {namespace: n, flowId: %s}\n" % one.encode() for one in called.split())
        for name, called in calls.items()
    }


def _names(keys) -> str:
    return " ".join(key.name for key in keys)


def test_called_flows_come_before_their_callers_else_sorted() -> None:
    assert _names(ordered(_texts(a="c b", b="d", c="", d="", e="elsewhere"))) == "d b c a e"


def test_cycles_are_cut_and_the_order_is_the_same_each_time() -> None:
    texts = _texts(a="b", b="c", c="a", d="a d")
    assert _names(ordered(texts)) == "c b a d"
    assert ordered(dict(reversed(texts.items()))) == ordered(texts)


def test_a_long_chain_of_calls_is_no_recursion() -> None:
    texts = _texts(**{f"f{at:05}": f"f{at + 1:05}" for at in range(3000)})
    assert _names(ordered(texts)).split()[0] == "f02999"
