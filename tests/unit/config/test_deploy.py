"""The files that set up an installation: what they name is there."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.config import load
from tasks.overlaps import overlaps
from workers.settings import names

ROOT = Path(__file__).parents[3]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILE = (ROOT / "deploy/Dockerfile").read_text(encoding="utf-8")
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")

every_service = pytest.mark.parametrize("name", SERVICES)


def test_the_services_of_an_installation_are_there() -> None:
    assert set(SERVICES) == {"worker", "beat", "flower", "valkey", "postgres", "kestra", "git"}


@every_service
def test_a_service_is_watched_and_comes_back(name: str) -> None:
    check = SERVICES[name]["healthcheck"]
    assert check["test"][0] in {"CMD", "CMD-SHELL"}
    assert len(check["test"]) > 1
    assert {"interval", "timeout", "retries"} <= set(check)
    assert SERVICES[name]["restart"] == "unless-stopped"


@every_service
def test_a_service_waits_until_what_it_needs_is_healthy(name: str) -> None:
    for needed, how in SERVICES[name].get("depends_on", {}).items():
        assert needed in SERVICES
        assert how == {"condition": "service_healthy"}


@every_service
def test_what_a_service_keeps_lies_in_a_volume_or_a_file_that_is_there(name: str) -> None:
    assert SERVICES[name]["volumes"]
    for volume in SERVICES[name]["volumes"]:
        source = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0]
        assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_no_volume_is_left_over() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service["volumes"]}
    assert set(COMPOSE["volumes"]) <= used


@every_service
def test_a_service_is_reached_from_this_machine_alone(name: str) -> None:
    assert all(port.startswith("127.0.0.1:") for port in SERVICES[name].get("ports", []))


def test_the_example_has_every_variable_and_no_other() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    used = set(re.findall(r"\$\{(\w+)", text))
    needed = set(re.findall(r"\$\{(\w+):\?", text))
    assert set(re.findall(r"^#?([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == used
    assert set(re.findall(r"^([A-Z_]+)=", EXAMPLE, re.MULTILINE)) == needed


def test_defaults_in_the_example_are_those_of_the_services() -> None:
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    defaults = set(re.findall(r"\$\{(\w+):-(.*?)\}", text))
    assert set(re.findall(r"^#([A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)) == defaults


@every_service
def test_every_setting_of_a_service_is_one(name: str) -> None:
    given = [
        each for each in SERVICES[name].get("environment", {}) if each.startswith("TENANTSYNC")
    ]
    assert set(given) <= set(names())


def test_a_worker_ends_softly_and_may_run_beside_others() -> None:
    worker = SERVICES["worker"]
    assert worker["environment"]["REMAP_SIGTERM"] == "SIGQUIT"
    assert worker["init"] is True
    assert int(worker["stop_grace_period"].removesuffix("s")) >= 45
    assert "container_name" not in worker
    assert "ports" not in worker


def test_redis_keeps_what_waits_in_it() -> None:
    command = " ".join(SERVICES["valkey"]["command"])
    assert "--appendonly yes" in command
    assert "--maxmemory-policy noeviction" in command


def test_no_secret_stands_on_a_command_line() -> None:
    for name, service in SERVICES.items():
        line = " ".join([*service.get("entrypoint", []), *service.get("command", [])])
        assert "PASSWORD" not in line, name
        assert "AUTH" not in line, name


def test_kestra_is_configured_by_yaml_with_a_login() -> None:
    text = SERVICES["kestra"]["environment"]["KESTRA_CONFIGURATION"]
    given = yaml.safe_load(re.sub(r"\$\{\w+:[-?](.*?)\}", r"\1", text))
    assert set(given["kestra"]["server"]["basic-auth"]) == {"username", "password"}
    assert given["datasources"]["postgres"]["url"].startswith("jdbc:postgresql://postgres:")


def test_the_configuration_of_the_services_is_read_and_reaches_them() -> None:
    config = load(ROOT / "deploy/config/tenantsync.yaml")
    assert not overlaps(config)
    assert config.kestra_connection().url == "http://kestra:8080"
    user = re.findall(r"^KESTRA_USER=(.*)$", EXAMPLE, re.MULTILINE)
    assert [config.kestra_connection().username] == user
    path = config.repository().url.removeprefix("http://git:8090/").removesuffix(".git")
    assert path in SERVICES["git"]["command"]


def test_the_git_server_takes_the_options_that_it_is_started_with() -> None:
    module = SERVICES["git"]["entrypoint"][1:]
    told = subprocess.run(
        [sys.executable, *module, "--help"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    options = [each for each in SERVICES["git"]["command"] if each.startswith("--")]
    assert [each for each in options if each not in told] == []


def test_the_image_is_built_from_files_that_are_there_and_lets_them_in() -> None:
    ignored = (ROOT / "deploy/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    copied = re.findall(r"^COPY (?!--from)(.*) \S+$", DOCKERFILE, re.MULTILINE)
    for source in " ".join(copied).split():
        assert (ROOT / source).exists(), source
        assert f"!{source}" in ignored


def test_the_image_has_a_folder_for_every_volume_that_its_user_writes() -> None:
    folders = DOCKERFILE.split("install --directory")[1].split("COPY")[0].split()
    for name in ("worker", "beat", "flower", "git"):
        for volume in SERVICES[name]["volumes"]:
            if not volume.endswith(":ro"):
                assert volume.split(":")[1] in folders


def test_every_line_of_the_procfile_is_a_process() -> None:
    text = (ROOT / "Procfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert [line.split(": ")[0] for line in lines] == ["worker", "beat", "flower"]


def test_constraints_pin_every_dependency_and_name_no_host() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()[1:]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", line) for line in lines)
    pinned = {_normal(line.split("==")[0]) for line in lines}
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    asked = re.findall(r'^  "([\w.-]+)(?:\[[\w,]+\])?[><=~]', project, re.MULTILINE)
    assert asked
    assert {_normal(name) for name in asked} <= pinned


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
