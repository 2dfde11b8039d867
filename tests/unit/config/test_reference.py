"""The schemas and the tables of the docs."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest
import yaml

from docs.tables import with_tables
from tasks.config import load
from tasks.errors import ConfigError, UserError
from tasks.reference import KINDS, filled, schema
from tasks.schema import json_schema, meanings
from workers.settings import names

DOCS = Path(__file__).parents[3] / "docs"
CONFIGURATION = (DOCS / "configuration.md").read_text(encoding="utf-8")


class Colour(StrEnum):
    """Two colours."""

    #: As blood,
    #: and as roses.
    RED = "red"
    BLUE = "blue"


def test_there_is_a_schema_of_every_task_and_of_the_configuration() -> None:
    assert set(KINDS) >= {"tenantSync", "namespaceSync", "config"}
    with pytest.raises(UserError, match=r"no schema tenant_sync; did you mean tenantSync\?"):
        schema("tenant_sync")


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_every_schema_says_what_it_means(kind: str) -> None:
    root = schema(kind)
    for name, model in {kind: root, **root["$defs"]}.items():
        for field, about in model.get("properties", {}).items():
            assert "_" not in field
            told = about.get("description") or "$ref" in about or about["type"] == "null"
            assert told, f"{name}.{field} has no description: write one below it in the model"


def test_the_words_of_an_enum_are_told_with_their_meaning() -> None:
    assert meanings(Colour) == {"red": "As blood, and as roses."}
    described = schema("tenantSync")["$defs"]["WhenMissing"]["description"]
    assert "\n- `KEEP`: It stays." in described


def test_a_sync_of_the_file_has_its_schedule_in_the_schema() -> None:
    configured = json_schema(KINDS["config"])["$defs"]["ConfiguredTenantSync"]["properties"]
    assert {"type": "string"} in configured["schedule"]["anyOf"]
    assert configured["plan"]["type"] == "null"


@pytest.mark.parametrize("path", sorted(DOCS.glob("*.md")), ids=lambda path: path.name)
def test_the_tables_of_the_docs_are_those_of_the_models(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert with_tables(text) == text, "run `make docs`"


def test_the_docs_have_every_setting_and_every_section_that_they_point_at() -> None:
    for name in names():
        assert f"| `{name}` |" in CONFIGURATION
    headings = {line.lstrip("# ").lower() for line in CONFIGURATION.splitlines() if "#" in line[:1]}
    for anchor in re.findall(r"\]\(#([\w-]+)\)", CONFIGURATION):
        assert anchor.replace("-", " ") in headings


def test_the_example_of_the_docs_is_read(tmp_path: Path) -> None:
    example = re.findall(r"```yaml\n(.*?)```", CONFIGURATION, re.DOTALL)[0]
    path = tmp_path / "tenantsync.yaml"
    path.write_text(example, encoding="utf-8")
    config = load(path)
    assert set(config.syncs) == set(yaml.safe_load(example)["syncs"])
    assert all(config.sync(name) for name in config.syncs)


def test_the_mistakes_of_the_docs_are_told_as_they_stand_there(tmp_path: Path) -> None:
    blocks = re.findall(r"```(?:yaml)?\n(.*?)```", CONFIGURATION, re.DOTALL)
    spoilt = blocks[0].replace("{env: KESTRA_PASSWORD}", "Secret-1", 1)
    spoilt = spoilt.replace("sourceOfTruth: GIT", "sourceOfTruth: GITT", 1)
    spoilt = re.sub(r"review: .*", "onConflct: SKIP", spoilt, count=1)
    path = tmp_path / "tenantsync.yaml"
    path.write_text(spoilt, encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert str(caught.value).replace(f"{tmp_path}/", "") == blocks[1].strip()


def test_a_table_of_a_model_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UserError, match=r"no model Persn; did you mean Person\?"):
        filled("<!-- table: Persn -->\n<!-- end -->", [schema("config")], lambda _, name: name)
