"""What is wrong with a value that a person wrote, and what should they do? Says it in their words,
with the key path, and never repeats a value: it could be a secret."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from tasks.names import advice, nearest
from tasks.schema import Schema, choices
from tasks.yamlfile import KeyPath

_PLAIN_SECRET = (
    "a secret stands here in plain text; write {env: NAME} or {file: PATH} in its place,"
    " and change the secret if others have seen this file"
)
_EMPTY = "is empty; give it a value or leave the key out"
#: What a name of the configuration looks like; other fields with a form have theirs below.
_NAME = "is no name; use letters, digits, and . _ - after the first"
_ADDRESS = "is no such address; write http:// or https:// and a host, no user, password or query"
_FORMS = {
    "url": _ADDRESS,
    "webUrl": _ADDRESS,
    "kestra": _NAME,
    "repository": _NAME,
    "proxy": "is no such address; write http://HOST:PORT or https://HOST:PORT, and the login as"
    " proxyUsername and proxyPassword",
    "sshJump": "is no such address; write user@host or user@host:port",
    "apiUrl": "is no such address; write https:// and a host, of a server of your own with /api/v3",
    "appId": "is no ID of an App; write its client ID or, in quotes, its App ID",
    "tenant": "is no tenant; use lower-case letters, digits, - and _",
    "namespace": "is no namespace; use lower-case letters, digits, and . _ - after the first",
    "namespaces": "is no namespace; use lower-case letters, digits, and . _ - after the first",
    "branch": "is no branch; no blanks, none of ~ ^ : ? * [ \\, and no - at the start",
    "baseBranch": "is no branch; no blanks, none of ~ ^ : ? * [ \\, and no - at the start",
    "tokenSha256": "is no digest; write the 64 hex digits that `printf %s TOKEN | sha256sum` shows",
}
#: By pydantic's name of the error; the braces are its own figures.
_TEXTS = {
    "missing": "is missing; add it",
    "none_required": "belongs to a single asking; leave it out of the configuration",
    "string_too_short": _EMPTY,
    "string_too_long": "is too long; write at most {max_length} characters",
    "too_short": _EMPTY,
    "greater_than": "is too small; write more than {gt}",
    "greater_than_equal": "is too small; write {ge} or more",
    "less_than": "is too large; write less than {lt}",
    "less_than_equal": "is too large; write {le} or less",
    "model_type": "has keys of its own; write them below it",
    "dict_type": "has keys of its own; write them below it",
    "tuple_type": "is a list; write [a, b] or one `- a` a line",
    "list_type": "is a list; write [a, b] or one `- a` a line",
    "int_type": "is no whole number; write one",
    "int_parsing": "is no whole number; write one",
    "int_from_float": "is no whole number; write one",
    "float_type": "is no number; write one",
    "float_parsing": "is no number; write one",
    "finite_number": "is no number; write one",
    "bool_type": "is neither true nor false; write one of them",
    "bool_parsing": "is neither true nor false; write one of them",
}


def explain(error: ValidationError, value: object, schema: Schema) -> list[tuple[KeyPath, str]]:
    """Every mistake of a value as key path and `what; remedy`, in the order of the fields.

    `schema` is the JSON schema that the value was checked against.
    """
    spots = [_spot(each, value, schema) for each in error.errors(include_url=False)]
    found = [(spot.path, spot.text()) for spot in spots if not spot.overruled(spots)]
    return list(dict.fromkeys(found))


@dataclass(slots=True, kw_only=True)
class _Spot:
    """One error with the place in the value that it is about."""

    detail: ErrorDetails
    path: KeyPath = ()
    value: object = None
    #: The schemas that may hold at `path`, and those of what holds it.
    here: list[Schema] = field(default_factory=list)
    around: list[Schema] = field(default_factory=list)
    is_key: bool = False

    @property
    def kind(self) -> str:
        return self.detail["type"]

    def overruled(self, others: Sequence[_Spot]) -> bool:
        """Whether another error tells more: one further below, where this one says that the value
        is no alternative of a union or a list too short; or that of the words of a union."""
        if self.kind in {"literal_error", "too_short"}:
            length = len(self.path)
            return any(s.path[:length] == self.path and len(s.path) > length for s in others)
        words = any(s.path == self.path and s.kind == "literal_error" for s in others)
        return words and self.kind == "model_type"

    def text(self) -> str:
        if _titled(self.here, "Secret"):
            return self._secret()
        if self.kind == "extra_forbidden":
            known = [name for each in self.around for name in each.get("properties", {})]
            return f"unknown key; {advice(str(self.path[-1]), known)}"
        if self.kind == "value_error":
            return str(self.detail["ctx"]["error"])
        if self.kind in {"enum", "literal_error", "union_tag_invalid", "literal_mismatch"}:
            return self._choice()
        if self.value is None and self.kind.endswith("_type"):
            return _EMPTY
        if self.kind == "string_type":
            return self._quotes()
        if self.kind == "string_pattern_mismatch":
            names = [step for step in self.path if isinstance(step, str)]
            return _NAME if self.is_key else _FORMS.get(names[-1], self.detail["msg"])
        text = _TEXTS.get(self.kind, self.detail["msg"])
        return text.format(**self.detail.get("ctx", {})) if self.kind in _TEXTS else text

    def _secret(self) -> str:
        if self.value is None and self.kind == "model_type":
            return _EMPTY
        return str(self.detail["ctx"]["error"]) if self.kind == "value_error" else _PLAIN_SECRET

    def _choice(self) -> str:
        """What may stand here; a value is repeated only as the known word that it comes near to."""
        if self.kind == "union_tag_invalid":
            words = [_tag(each) for each in self.here]
        else:
            words = [str(word) for each in self.here for word in each.get("enum", ())]
        words = list(dict.fromkeys(word for word in words if word))
        given = self.path[-1] if self.is_key else self.value
        close = nearest(given, words) if isinstance(given, str) else ""
        also = "" if self.kind == "union_tag_invalid" else self._or_keys()
        hint = f"; did you mean {close}?" if close else ""
        return f"must be one of {', '.join(words)}{also}{hint}"

    def _or_keys(self) -> str:
        keys = [name for each in self.here for name in each.get("properties", ())]
        return f", or a mapping of {', '.join(keys)}" if keys else ""

    def _quotes(self) -> str:
        if isinstance(self.value, bool | int | float):
            return "is no text; write it in quotes"
        return "must be one text; write it on the line of its key"


def _spot(detail: ErrorDetails, value: object, root: Schema) -> _Spot:
    """Follow the place that pydantic gives through the value; steps that the value does not have
    name an alternative of a union or a key that is missing."""
    spot = _Spot(detail=detail, value=value, here=list(choices(root, root)))
    for step in detail["loc"]:
        if _titled(spot.here, "Secret"):
            return spot
        if step == "[key]":
            spot.is_key = True
            spot.here = [
                choice
                for each in spot.around
                for choice in choices(each.get("propertyNames", {}), root)
            ]
        elif _has(spot.value, step) or _lacks(spot, step):
            spot.path = (*spot.path, step)
            spot.value = _at(spot.value, step)
            spot.around, spot.here = spot.here, _below(spot.here, step, root)
        else:
            meant = [each for each in spot.here if step in {_tag(each), each.get("title")}]
            spot.here = meant or spot.here
    if spot.kind == "union_tag_invalid":
        spot.path = (*spot.path, "type")
        spot.value = _at(spot.value, "type")
    return spot


def _at(value: object, step: str | int) -> object:
    return value[step] if _has(value, step) else None  # type: ignore[index]


def _lacks(spot: _Spot, step: str | int) -> bool:
    """Whether a step is a key that may stand in the mapping here but does not."""
    known = any(step in each.get("properties", {}) for each in spot.here)
    return known and isinstance(spot.value, Mapping)


def _has(value: object, step: str | int) -> bool:
    if isinstance(value, Mapping):
        return step in value
    return isinstance(value, list) and isinstance(step, int) and step < len(value)


def _below(schemas: list[Schema], step: str | int, root: Schema) -> list[Schema]:
    found: list[Schema] = []
    for each in schemas:
        below = [each.get("properties", {}).get(step)]
        if below == [None]:
            below = [each.get("items"), each.get("additionalProperties")]
            below += each.get("patternProperties", {}).values()
        for schema in below:
            if isinstance(schema, Mapping):
                found += choices(schema, root)
    return found


def _tag(schema: Schema) -> str:
    return str(schema.get("properties", {}).get("type", {}).get("const", ""))


def _titled(schemas: list[Schema], title: str) -> bool:
    return any(each.get("title") == title for each in schemas)
