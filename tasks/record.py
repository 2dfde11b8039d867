"""The base of every value that crosses a queue, a file or an API: frozen, strict, camelCase."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Record(BaseModel):
    """A frozen value with camelCase names outside and snake_case names inside.

    Unknown fields are refused, so that a misspelt option never passes silently.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        populate_by_name=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
    )

    def to_json(self) -> str:
        """The record as compact JSON with camelCase names; fields that are None are left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True)

    def to_dict(self) -> dict[str, object]:
        """The record as JSON-ready values with camelCase names; fields that are None left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
