"""Texts as an attacker may write them, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from tasks.visible import visible_line

#: Characters that steer, hide, end a line, or mean something to a parser.
SPECIAL = st.sampled_from(
    "\x1b\x07\x08\r\n\t\0\x7f\x85\x9b\u202e\u200b\u2028\u2029\ufeff\u00ad\U000e0001"
    "<>&\"'`[]{}()%$#!*?:;,|\\/@=+-~^. \u00e9\u212a\u0130"
)
TEXT = st.text(SPECIAL | st.characters(codec="utf-8"), max_size=60)
#: Also half characters, which no UTF-8 has but JSON and Python can hold.
ANY_TEXT = TEXT | st.text(max_size=40)

#: What stands in YAML, to be put together without sense.
_YAML = st.sampled_from(
    ["id:", "namespace:", " a", "b", "\n", "\n  ", "\r", "- ", "? ", ": ", "{", "}", "[", "]", ",",
     "&a ", "*a", "<<: ", "!!str ", "!!int ", "!!python/object:x ", "!x ", "|\n", ">-\n", "---\n",
     "...\n", "%YAML 1.1\n", "%TAG ! x\n", "#", "'", '"', "\\", "\t", "\0", "\ufeff", "\u2028",
     "\x85", "~", "null", "1e3", "0x_", "1:59", ".inf", "2020-01-01", "flowId: c", "tasks:", "=",
     "url:", "kestra:", "repositories:", "syncs:", "true"]
)  # fmt: skip
YAML = st.lists(_YAML | TEXT, max_size=40).map("".join)
YAML_BYTES = YAML.map(str.encode) | st.binary(max_size=80)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | ANY_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ANY_TEXT, inner, max_size=4),
    max_leaves=12,
)


@st.composite
def spoilt(draw: st.DrawFn, whole: bytes) -> bytes:
    """The bytes with some of them overwritten, cut out or put in."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(0, 4))):
        # As often near the end, where an archive is described, as anywhere.
        at = draw(st.integers(0, len(body)) | st.integers(max(0, len(body) - 120), len(body)))
        piece = draw(
            st.sampled_from([b"", b"\0", b"\xff" * 4, b"\0\0\0\x80", b"PK\5\6"])
            | st.binary(max_size=6)
        )
        body[at : at + draw(st.sampled_from([0, 0, 1, 2, len(piece), 20]))] = piece
    return bytes(body)


def harmless(text: str) -> bool:
    """Whether a text is one line with nothing in it that steers or is not seen."""
    return visible_line(text) == text
