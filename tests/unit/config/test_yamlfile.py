"""What a YAML file says, where, and what is refused in it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from tasks.yamlfile import MAX_BYTES, MAX_DEPTH, dotted, parse, read

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


class Undated(yaml.CSafeLoader):
    """PyYAML's own reading, but for dates and a lone `=`, which stay text (it finds no value for
    the latter)."""


Undated.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if not tag.endswith(("timestamp", "value"))
    ]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def only(text: str) -> str:
    (mistake,) = parse(text).mistakes
    return str(mistake)


@given(VALUES)
def test_what_was_dumped_is_read_back(value: object) -> None:
    document = parse(yaml.safe_dump({"value": value}))
    assert not document.mistakes
    assert document.value == {"value": value}


@example("=")
@given(st.text() | st.text("abc:-[]{}&*!<,?#|>'\"%@` \n\t0.~", max_size=60))
def test_any_text_is_either_read_as_yaml_reads_it_or_a_mistake(text: str) -> None:
    document = parse(text)
    try:
        expected = yaml.load(text, Loader=Undated)
    except yaml.YAMLError:
        assert document.mistakes
        return
    assert document.mistakes or repr(document.value) == repr(expected)


def test_every_key_and_list_place_has_its_line() -> None:
    document = parse("a:\n  b: 1\n  c:\n    - x\n    - d: 2\n\nlast: {e: 3,\n  f: 4}\n")
    assert {dotted(path): line for path, line in document.lines.items()} == {
        "": 1,
        "a": 1,
        "a.b": 2,
        "a.c": 3,
        "a.c[0]": 4,
        "a.c[1]": 5,
        "a.c[1].d": 5,
        "last": 7,
        "last.e": 7,
        "last.f": 8,
    }


def test_a_missing_key_has_the_line_of_what_should_hold_it() -> None:
    document = parse("x: 1\na:\n  b: {}\n")
    assert document.line(("a", "b", "c", 0)) == 3
    assert document.line(("nothing",)) == 1


def test_merged_keys_have_the_line_where_they_stand_and_give_way_to_own_ones() -> None:
    document = parse("base: &base\n  x: 1\n  y: 2\nmine:\n  <<: *base\n  y: 3\n")
    assert document.value == {"base": {"x": 1, "y": 2}, "mine": {"x": 1, "y": 3}}
    assert document.line(("mine", "x")) == 2
    assert document.line(("mine", "y")) == 6
    assert not document.mistakes


def test_of_several_merged_mappings_the_first_wins() -> None:
    document = parse("a: &a {x: 1}\nb: &b {x: 2, y: 2}\nc: {<<: [*a, *b]}\n")
    assert document.value == {"a": {"x": 1}, "b": {"x": 2, "y": 2}, "c": {"x": 1, "y": 2}}


def test_a_date_is_text() -> None:
    assert parse("branch: 2026-11-24").value == {"branch": "2026-11-24"}


def test_a_key_that_stands_twice_is_told_with_both_lines() -> None:
    text = "a:\n  k: 1\n  other: 2\n  k: 3\n"
    assert only(text) == "4: a.k: this key stands twice, in lines 2 and 4; keep one"


def test_every_twofold_key_is_told() -> None:
    assert len(parse("a: 1\nb: 1\na: 2\nb: 2\n").mistakes) == 2


@pytest.mark.parametrize(
    ("text", "line", "part"),
    [
        ("a: *hunter2", 1, "begins with * needs quotes"),
        ("a: 1\nb: &hunter2 1\nc: &hunter2 2", 3, "begins with & needs quotes"),
        ("a: !hunter2 x", 1, "begins with ! needs quotes"),
        ("\na: !!python/object/apply:os.system [hunter2]", 2, "begins with ! needs quotes"),
        ("a: !!binary aHVudGVyMg==", 1, "a tag"),
        ("a: !!int hunter2", 1, "write it in quotes"),
        ("a: !!int ''", 1, "write it in quotes"),
        ("a: !!float ''", 1, "write it in quotes"),
        ("a: !!bool hunter2", 1, "write it in quotes"),
        ("a: !!str [hunter2]", 1, "a tag"),
        ("a: !!int {hunter2: 1}", 1, "a tag"),
        ("a: 0x" + "f" * 900_000, 1, "write it in quotes"),
        ("a: 1" + ":59" * 300_000, 1, "write it in quotes"),
        ("x: 1\na: hunter2: 3", 2, "mapping values are not allowed"),
        ("x: 1\ny: 2\n---\na: hunter2", 3, "a second document"),
        ("x: 1\ny: 'hunter2", 2, "mend the syntax"),
        ("x: 1\nx\x01hunter2: 2", 2, "control character"),
        ("x: 1\n1: hunter2", 2, "a key is a name"),
        ("x: 1\n? [hunter2]\n: 1", 2, "a key is a name"),
        ("x: 1\n<<: hunter2", 2, "<< takes"),
    ],
)
def test_what_cannot_be_read_is_told_by_line_and_never_repeated(
    text: str, line: int, part: str
) -> None:
    told = only(text)
    assert told.startswith(f"{line}: ")
    assert part in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    "text",
    [
        "[" * 10_000,
        "[" * 100_000 + "]" * 100_000,  # unchecked, libyaml overruns the C stack
        "a: " * 2 + "{" * (MAX_DEPTH + 2),
        "- x\n" * 150_000,
        "\n".join(
            ["a0: &a0 [x, x]"] + [f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9}]" for n in range(1, 9)]
        ),
        "\n".join(["a0: &a0 {x: 1}"] + [f"a{n}: &a{n} {{k: *a{n - 1}}}" for n in range(1, 100)]),
        "\n".join(
            ["a0: &a0 {x: 1}"]
            + [f"a{n}: &a{n} {{<<: [{', '.join([f'*a{n - 1}'] * 9)}]}}" for n in range(1, 9)]
        ),
        "a: &a [*a]",
        "a: &a {b: *a}",
        "a: &a {<<: *a}",
        "".join(f"%TAG !a{number}! tag:x\n" for number in range(60_000)),
    ],
    ids=[
        "open",
        "closed",
        "deep",
        "long",
        "bomb",
        "chain",
        "merge-bomb",
        "loop",
        "map-loop",
        "merge-loop",
        "directives",
    ],
)
def test_what_would_blow_up_is_refused(text: str) -> None:
    assert parse(text).value is None
    assert len(parse(text).mistakes) == 1


def test_a_huge_file_is_not_parsed(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "larger than" in str(read(path).mistakes[0])


def test_a_file_that_is_not_utf8_is_told_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.yaml"
    path.write_bytes(b"a: 1\nb: \xe9\n")
    assert str(read(path).mistakes[0]) == "2: this is no UTF-8 text; save the file as UTF-8"


def test_a_byte_order_mark_is_read_over(tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes("a: ü\n".encode("utf-8-sig"))
    assert read(path).value == {"a": "ü"}


def test_names_with_escapes_are_shown_without_them() -> None:
    told = only('"\\e[31mred": {b: 1, b: 2}')
    assert "\x1b" not in told
    assert r"\x1b[31mred.b" in told
