"""The settings: defaults, checks across them, and names that are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tasks.errors import ConfigError
from workers.settings import load, names, settings


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("TENANTSYNC_"):
            monkeypatch.delenv(name)
    settings.cache_clear()


def test_everything_has_a_default_beside_the_configuration_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TENANTSYNC_CONFIG", str(tmp_path / "our.yaml"))
    found = load()
    assert found.data == tmp_path / ".tenantsync"
    assert found.database == f"sqlite:///{tmp_path}/.tenantsync/tenantsync.db"
    assert found.contents == f"{tmp_path}/.tenantsync/contents"
    assert found.redis_url is None
    assert (found.heartbeat, found.visibility, found.lease, found.janitor) == (5, 30, 30, 15)
    assert found.attempts == 3
    assert found.git_protocols == {"https", "ssh"}


def test_relative_paths_are_those_of_the_directory_of_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    found = load()
    monkeypatch.chdir("/")
    assert found.config == tmp_path / "tenantsync.yaml"
    assert found.data == tmp_path / ".tenantsync"


def test_an_unknown_variable_is_refused_with_its_nearest_known_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TENANTSYNC_VISIBILTY", "60")
    monkeypatch.setenv("TENANTSYNC_XYZ", "1")
    with pytest.raises(ConfigError) as caught:
        load()
    assert "VISIBILTY: no such setting: did you mean TENANTSYNC_VISIBILITY?" in str(caught.value)
    assert "TENANTSYNC_XYZ: no such setting: known: TENANTSYNC_ATTEMPTS, " in str(caught.value)


def test_the_variable_of_the_points_is_no_setting_and_no_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("TENANTSYNC_POINTS", "/nowhere")
    load()
    assert "TENANTSYNC_POINTS" not in names()


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"HEARTBEAT": "10"}, "HEARTBEAT (10 s) must be less than a third of TENANTSYNC_VISIB"),
        ({"SHUTDOWN": "26"}, "SHUTDOWN (26 s) and TENANTSYNC_HEARTBEAT (5 s) together must be"),
        ({"TIME_LIMIT": "60"}, "SOFT_TIME_LIMIT (3540 s) must be less than TENANTSYNC_TIME_LI"),
        ({"LEASE": "0"}, "LEASE: Input should be greater than 0"),
        ({"ATTEMPTS": "many"}, "ATTEMPTS: Input should be a valid integer"),
        ({"GIT_PROTOCOLS": "https,ftp"}, "GIT_PROTOCOLS: Input should be"),
        ({"GIT_PROTOCOLS": ","}, "GIT_PROTOCOLS must name one protocol at least"),
        ({"DATABASE_URL": "mysql://me:hunter2@there"}, "DATABASE_URL: String should match pat"),
        ({"REDIS_URL": "amqp://me:hunter2@there"}, "REDIS_URL: String should match pattern"),
    ],
)
def test_settings_that_do_not_fit_are_named_with_the_variable_and_without_its_value(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"TENANTSYNC_{name}", value)
    with pytest.raises(ConfigError) as caught:
        load()
    assert f"TENANTSYNC_{message}" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_operator_may_add_protocols(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANTSYNC_GIT_PROTOCOLS", "https, SSH,file")
    assert load().git_protocols == {"https", "ssh", "file"}


def test_no_password_shows_in_the_settings_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANTSYNC_REDIS_URL", "redis://:hunter2@localhost/0")
    monkeypatch.setenv("TENANTSYNC_DATABASE_URL", "postgresql+psycopg://me:hunter2@localhost/t")
    found = load()
    assert "hunter2" not in f"{found!r} {found}"
    assert found.database.endswith("hunter2@localhost/t")


@pytest.mark.parametrize(
    "url",
    [
        "redis://:hunter/2@localhost:6379/0",
        "redis://:1/hunter2@localhost:6379/0",
        "redis://:hunter?2@localhost/0",
        "redis://me:1#hunter2@localhost/0",
        "redis://localhost/0?password=hunter2",
        "redis://localhost:hunter/0",
        "redis://:hunter2@",
    ],
)
def test_an_address_of_redis_of_which_the_password_is_no_whole_part_is_refused_unread(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TENANTSYNC_REDIS_URL", url)
    with pytest.raises(ConfigError, match=r"TENANTSYNC_REDIS_URL: .* %40 for @") as caught:
        load()
    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://:p%40s%2Fs@127.0.0.1:6379/0",
        "redis://me:p+s$s:s@[::1]:6379/15",
        "redis://me:p@ss@localhost/0",
        "rediss://h.example.org/0?ssl_cert_reqs=required&ssl_ca_certs=/etc/ssl/ca.pem",
    ],
)
def test_an_address_of_redis_that_is_whole_is_taken(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TENANTSYNC_REDIS_URL", url)
    assert load().redis_url == url


@pytest.mark.parametrize("url", ["s3://key:hunter2@bucket/p", "s3://bucket/p?secret=hunter2"])
def test_a_login_in_the_address_of_the_contents_is_refused_unread(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    monkeypatch.setenv("TENANTSYNC_CONTENTS_URL", url)
    with pytest.raises(
        ConfigError, match=r"TENANTSYNC_CONTENTS_URL: .* AWS_SECRET_ACCESS"
    ) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_the_settings_of_a_process_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    first = settings()
    monkeypatch.setenv("TENANTSYNC_ATTEMPTS", "9")
    assert settings() is first
    settings.cache_clear()
    assert settings().attempts == 9
    settings.cache_clear()
