"""What may a model's value hold? Its JSON schema, with the meaning of every field and word."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Any, cast

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

#: A JSON schema or a part of one.
Schema = Mapping[str, Any]

#: Holds the meanings of words until pydantic has written its own description.
_MEANINGS = "x-meanings"


def json_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON schema (2020-12) of what a model reads: camelCase names, descriptions, defaults."""
    schema = model.model_json_schema(by_alias=True, schema_generator=_Schemas)
    return {"$schema": GenerateJsonSchema.schema_dialect, **schema}


def meanings(words: type[Enum]) -> dict[str, str]:
    """The words of an enum with their `#:` lines; a word without one is left out."""
    found: dict[str, str] = {}
    comment: list[str] = []
    for line in inspect.getsource(words).splitlines():
        text = line.strip()
        if text.startswith("#:"):
            comment.append(text[2:].strip())
            continue
        name = text.partition(" =")[0]
        if comment and name in words.__members__:
            found[str(words[name].value)] = " ".join(comment)
        comment = []
    return found


def choices(schema: Schema, root: Schema) -> Iterator[Schema]:
    """The plain schemas that a schema stands for: references followed, alternatives in a row."""
    if reference := schema.get("$ref"):
        yield from choices(root["$defs"][str(reference).rsplit("/", 1)[-1]], root)
    elif alternatives := schema.get("anyOf") or schema.get("oneOf"):
        for each in alternatives:
            yield from choices(each, root)
    else:
        yield schema


class _Schemas(GenerateJsonSchema):
    """Without made-up titles of fields, and with what each word of an enum means."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def enum_schema(self, schema: core_schema.EnumSchema) -> JsonSchemaValue:
        words = cast("type[Enum]", schema["cls"])
        return {**super().enum_schema(schema), _MEANINGS: meanings(words)}

    def generate(
        self, schema: core_schema.CoreSchema, mode: JsonSchemaMode = "validation"
    ) -> JsonSchemaValue:
        result = super().generate(schema, mode)
        for each in result.get("$defs", {}).values():
            texts = each.pop(_MEANINGS, {})
            lines = [f"- `{word}`: {texts[word]}" for word in each.get("enum", ()) if word in texts]
            if lines:
                each["description"] = "\n".join([each["description"], *lines])
        return result
