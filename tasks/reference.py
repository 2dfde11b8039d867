"""Which fields do the tasks and the configuration take? The answer as JSON schemas and as Markdown
tables, both made from the models."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Any, get_args

from tasks.configured import Config
from tasks.errors import UserError
from tasks.names import advice
from tasks.record import Record
from tasks.requests import Task
from tasks.schema import Schema, choices, json_schema

#: What has a schema: every type of task, and the configuration file.
KINDS: dict[str, type[Record]] = {
    **{model.model_fields["type"].default: model for model in get_args(Task)},
    "config": Config,
}

_BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
_WORDS = {"string": "text", "boolean": "true or false", "integer": "whole number"}


def schema(kind: str) -> dict[str, Any]:
    """The JSON schema of a type of task, or of the configuration file (`config`).

    Raises UserError naming the kinds for an unknown one.
    """
    if kind not in KINDS:
        raise UserError(f"there is no schema {kind}; {advice(kind, KINDS)}")
    return json_schema(KINDS[kind])


def filled(text: str, roots: Iterable[Schema], spelt: Callable[[str, str], str]) -> str:
    """A Markdown text with the tables between `<!-- table: TITLE -->` and `<!-- end -->` made anew.

    A table is of the model of that title in one of the schemas; `spelt(title, field)` is how its
    first column names a field. Raises UserError for a title that no schema has.
    """
    models = {}
    for root in roots:
        found = {**root.get("$defs", {}), root["title"]: root}
        models.update({title: (model, root) for title, model in found.items()})

    def made(block: re.Match[str]) -> str:
        title = block[2]
        if title not in models:
            raise UserError(f"there is no model {title}; {advice(title, models)}")
        return block[1] + table(*models[title], spelt=lambda name: spelt(title, name)) + block[3]

    return _BLOCK.sub(made, text)


def table(model: Schema, root: Schema, spelt: Callable[[str], str] = str) -> str:
    """The fields of a model as a Markdown table: name, type, default, meaning."""
    required = model.get("required", [])
    rows = ["| field | type | default | meaning |", "| --- | --- | --- | --- |"]
    for name, field in model["properties"].items():
        if field.get("type") == "null":
            continue
        default = "required" if name in required else _default(field.get("default"))
        cells = [f"`{spelt(name)}`", _type(field, root), default, _meaning(field, root)]
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(rows) + "\n"


def _default(value: object) -> str:
    if value in (None, "", [], {}):
        return ""
    return f"`{value if isinstance(value, str) else json.dumps(value)}`"


def _type(field: Schema, root: Schema) -> str:
    names = [_name(each, root) for each in choices(field, root) if each.get("type") != "null"]
    return " or ".join(dict.fromkeys(names))


def _name(plain: Schema, root: Schema) -> str:
    """What a person writes for one plain schema."""
    if "const" in plain:
        return f"`{plain['const']}`"
    if "enum" in plain:
        return ", ".join(f"`{word}`" for word in plain["enum"])
    if "properties" in plain:
        return f"[{plain['title']}](#{plain['title'].lower()})"
    if plain["type"] == "array":
        return f"list of {_type(plain['items'], root)}"
    if plain["type"] == "object":
        return f"names, each with {' or '.join(_type(each, root) for each in _values(plain))}"
    bounds = [f"{sign} {plain[key]:g}" for key, sign in _BOUNDS.items() if key in plain]
    word = _WORDS.get(plain["type"], str(plain["type"]))
    return f"{word} ({', '.join(bounds)})" if bounds else word


def _values(plain: Schema) -> list[Schema]:
    """The schemas of the values of a mapping."""
    return [*plain.get("patternProperties", {}).values()] or [plain["additionalProperties"]]


def _meaning(field: Schema, root: Schema) -> str:
    """The field's own description, else its type's; with what each word of an enum means."""
    plain = [*choices(field, root)]
    plain += [each for outer in plain for each in choices(outer.get("items", {}), root)]
    enums = [each["description"] for each in plain if "enum" in each and "title" in each]
    about, *lines = (enums[0] if enums else "").split("\n")
    text = " ".join(str(field.get("description") or about).split())
    return "<br>".join([text, *(line.removeprefix("- ") for line in lines)])
