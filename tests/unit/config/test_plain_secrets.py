"""Secrets written where a reference, an address or a path is expected: refused, and not shown."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tasks.config import load
from tasks.errors import ConfigError, TaskError, UserError
from tasks.secret import Secret
from tests.unit.config.test_config import GOOD, loaded
from workers.producer import parse

SECRET = "Wr1tten/0penly+x"
PEM = f"-----BEGIN OPENSSH PRIVATE KEY-----\n{SECRET}\n-----END OPENSSH PRIVATE KEY-----\n"
KESTRA = {"url": "https://kestra.example.com"}
FLOWS = {"url": "https://github.com/example/flows.git"}
APP = {"appId": "a", "installationId": 1, "privateKey": {"env": "KEY"}}

#: Where the secret is written: the section, what the connection holds, and the key that is named.
WRITTEN: list[tuple[str, dict[str, Any], str]] = [
    ("kestra", {**KESTRA, "username": "a", "password": SECRET}, "password"),
    ("kestra", {**KESTRA, "username": "a", "password": {"env": SECRET}}, "password"),
    ("kestra", {**KESTRA, "username": "a", "password": {"file": PEM}}, "password"),
    ("kestra", {**KESTRA, "username": "a", "password": {"file": PEM.replace("\n", " ")}}, "pass"),
    ("kestra", {**KESTRA, "token": {"value": SECRET}}, "token"),
    ("kestra", {**KESTRA, "token": [SECRET]}, "token"),
    ("kestra", {**KESTRA, "apiToken": SECRET}, "apiToken"),
    ("kestra", {"url": f"https://a:{SECRET}@kestra.example.com"}, "url"),
    ("kestra", {"url": "https://kestra.example.com/?key=Wr1tten"}, "url"),
    ("kestra", {**KESTRA, "proxy": f"http://a:{SECRET}@proxy:8080"}, "proxy"),
    ("kestra", {**KESTRA, "proxyUsername": "a", "proxyPassword": SECRET}, "proxyPassword"),
    ("kestra", {**KESTRA, "caFile": PEM}, "caFile"),
    ("kestra", {**KESTRA, "clientCertificate": PEM}, "clientCertificate"),
    ("kestra", {**KESTRA, "clientCertificate": "c", "clientKey": PEM}, "clientKey"),
    ("repositories", {**FLOWS, "token": SECRET}, "token"),
    ("repositories", {**FLOWS, "token": {"file": PEM}}, "token"),
    ("repositories", {"url": f"https://a:{SECRET}@github.com/example/flows.git"}, "url"),
    ("repositories", {"url": "https://Wr1tten@github.com/example/flows.git"}, "url"),
    ("repositories", {"url": "https://dev.azure.com/a/b/_git/c?key=Wr1tten"}, "url"),
    ("repositories", {"url": "https://Wr1tten@dev.azure.com/a/b/_git/c"}, "url"),
    ("repositories", {"url": "ssh://git:Wr1tten@github.com/example/flows.git"}, "url"),
    ("repositories", {"url": "git:Wr1tten@github.com:example/flows.git"}, "url"),
    ("repositories", {"url": "git:Wr1tten@github.com/example/flows.git"}, "url"),
    ("repositories", {**FLOWS, "webUrl": f"https://a:{SECRET}@github.com/example/flows"}, "webUrl"),
    ("repositories", {**FLOWS, "webUrl": f"https://github.com/example?key={SECRET}"}, "webUrl"),
    ("repositories", {"url": "git@h:a/b", "sshKey": PEM}, "sshKey"),
    ("repositories", {"url": "git@h:a/b", "sshKey": PEM.replace("\n", " ")}, "sshKey"),
    ("repositories", {"url": "git@h:a/b", "sshKey": "k", "sshPassphrase": SECRET}, "sshPassphrase"),
    ("repositories", {"url": "git@h:a/b", "knownHosts": f"h ssh-rsa A\n{SECRET}"}, "knownHosts"),
    ("repositories", {"url": "git@h:a/b", "sshJump": "a:Wr1tten@jump"}, "sshJump"),
    ("repositories", {**FLOWS, "githubApp": {**APP, "privateKey": PEM}}, "privateKey"),
    ("repositories", {**FLOWS, "githubApp": {**APP, "apiUrl": "https://a:Wr1tten@h"}}, "apiUrl"),
    ("access", {"roles": ["read"], "tokenSha256": SECRET}, "tokenSha256"),
    ("syncs", {"sourceOfTruth": "GIT", "repository": f"https://a:{SECRET}@h/r"}, "repository"),
    ("syncs", {"sourceOfTruth": "GIT", "kestra": f"https://a:{SECRET}@h"}, "kestra"),
    ("syncs", {"sourceOfTruth": "GIT", "url": f"https://a:{SECRET}@h/r"}, "url"),
]  # fmt: skip


@pytest.mark.parametrize(("section", "entry", "key"), WRITTEN)
def test_a_secret_in_the_configuration_is_refused_by_its_key_and_not_shown(
    tmp_path: Path, section: str, entry: dict[str, Any], key: str
) -> None:
    path = tmp_path / "tenantsync.yaml"
    # JSON is YAML; the entry stands on line 2.
    path.write_text(f"{section}:\n  one: {json.dumps(entry)}\n")
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert f"{path}:2: {section}.one." in caught.value.message
    assert key in caught.value.message
    assert not _shown(caught.value)


@pytest.mark.parametrize(
    "line",
    [f'password: "{SECRET}', f"password: *{SECRET}", f"password: {{env: {SECRET}", f"%{SECRET}: x"],
)
def test_a_secret_in_a_line_that_is_no_yaml_is_not_shown(tmp_path: Path, line: str) -> None:
    with pytest.raises(ConfigError, match=r"tenantsync.yaml:\d") as caught:
        loaded(tmp_path, GOOD + f"{line}\n")
    assert not _shown(caught.value)


@pytest.mark.parametrize("field", ["kestra", "repository", "url", "password", "branch"])
def test_a_secret_in_a_task_is_refused_and_not_shown(tmp_path: Path, field: str) -> None:
    config = loaded(tmp_path, GOOD)
    value = {"sourceOfTruth": "GIT", "branch": "main", field: f"https://a:{SECRET}@h r/"}
    with pytest.raises(UserError) as caught:
        config.resolve_task(parse("tenant_sync", value))
    assert isinstance(caught.value, TaskError)
    assert field in caught.value.message
    assert not _shown(caught.value)


def test_an_address_of_azure_devops_may_name_its_organization(tmp_path: Path) -> None:
    url = "https://acme@dev.azure.com/acme/project/_git/flows"
    text = f"repositories: {{flows: {{url: {json.dumps(url)}, token: {{env: TOKEN}}}}}}\n"
    assert loaded(tmp_path, text).repository().url == url


def test_a_secret_that_is_no_utf8_is_named_by_its_place_and_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    octets = SECRET.encode() + b"\xff"
    (tmp_path / "secret").write_bytes(octets)
    monkeypatch.setenv("A_SECRET", os.fsdecode(octets))
    for secret in (Secret(env="A_SECRET"), Secret(file=str(tmp_path / "secret"))):
        with pytest.raises(ConfigError, match=r"(A_SECRET|secret) is no UTF-8 text") as caught:
            secret.resolve()
        assert not _shown(caught.value)


def _shown(error: UserError) -> bool:
    return "Wr1tten" in f"{error} {error!r} {error.__cause__!r}"
