"""`config check`, `schema`, `syncs list`."""

from __future__ import annotations

import json

import yaml

from tests.integration.cli.home import CONFIG, Home


def test_a_configuration_without_mistakes_is_counted(home: Home) -> None:
    said = home.run("config", "check")
    assert said.code == 0
    assert "no mistakes (1 kestra, 1 repositories, 2 syncs, 0 people)" in said.out


def test_every_mistake_is_named_with_its_line(home: Home) -> None:
    home.config.write_text(
        CONFIG.replace("sourceOfTruth: GIT", "sourceOfTruth: SVN\n    brunch: x")
    )
    said = home.run("config", "check")
    assert said.code == 1
    lines = said.err.splitlines()
    assert any("tenantsync.yaml:11: syncs.deploy.sourceOfTruth" in line for line in lines)
    assert any("tenantsync.yaml:12: syncs.deploy.brunch" in line for line in lines)


def test_syncs_that_undo_each_other_are_warned_of(home: Home) -> None:
    home.config.write_text(CONFIG.replace("branch: backup\n    dryRun: true", "branch: main"))
    said = home.run("config", "check")
    assert said.code == 0
    assert said.err.startswith("warning: syncs.deploy and syncs.backup write")


def test_schemas_are_json_and_have_every_field(home: Home) -> None:
    schema = json.loads(home.run("schema", "tenantSync").out)
    assert schema["properties"]["sourceOfTruth"]
    everything = json.loads(home.run("schema").out)
    assert set(everything) == {"tenantSync", "namespaceSync", "configuration", "outcome", "plan"}
    assert yaml.safe_load(home.run("schema", "tenantSync", "-o", "yaml").out) == schema


def test_named_syncs_are_listed(home: Home) -> None:
    said = home.run("syncs", "list")
    assert "deploy" in said.out
    assert "flows main → prod" in said.out
    assert "prod → flows backup (dry run)" in said.out
    assert "*/5 * * * * UTC" in said.out
    rows = json.loads(home.run("syncs", "list", "-o", "json").out)
    assert [row["name"] for row in rows] == ["deploy", "backup"]
