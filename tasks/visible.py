"""How is foreign text shown, so that it can neither steer a terminal nor hide in a message?"""

from __future__ import annotations

import unicodedata

#: Control characters, surrogates, and format characters (these turn the direction of text or
#: are not seen at all).
_HIDDEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_KEPT = {"\n", "\t"}


def visible(text: str) -> str:
    """The text with every character that is not seen, LF and TAB aside, written as an escape
    (`\\x1b`, `\\u202e`)."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(one) if _is_hidden(one) else one for one in text)


def visible_line(text: str) -> str:
    """The same on one line: LF and TAB are escaped as well."""
    return visible(text).replace("\n", "\\n").replace("\t", "\\t")


def _is_hidden(one: str) -> bool:
    return one not in _KEPT and unicodedata.category(one) in _HIDDEN


def _escaped(one: str) -> str:
    code = ord(one)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
