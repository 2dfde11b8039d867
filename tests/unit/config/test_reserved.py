"""Names of syncs that the command line takes for its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tasks.config import load
from tasks.errors import ConfigError


@pytest.mark.parametrize("name", ["tenant", "namespace"])
def test_a_sync_that_no_command_could_ask_for_is_refused(tmp_path: Path, name: str) -> None:
    file = tmp_path / "tenantsync.yaml"
    file.write_text(
        "kestra: {k: {url: 'http://k:8080'}}\nrepositories: {r: {url: 'https://g/x.git'}}\n"
        f"syncs:\n  {name}: {{sourceOfTruth: GIT, branch: main}}\n"
    )
    with pytest.raises(ConfigError, match=f"{name} is a command"):
        load(file)
