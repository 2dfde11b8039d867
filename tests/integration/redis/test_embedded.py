"""The embedded server: one per data directory, for as long as somebody needs it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest
import redis

from tasks.errors import ConfigError, Unreachable
from tests.integration.redis.conftest import until
from workers.embedded import LINGER, Place, embedded, hold

ROOT = Path(__file__).parent.parent.parent.parent
#: Longer than the server lingers and takes to stop, on a loaded machine.
GONE = 60.0

#: A command: says which server it has got, and ends when its input ends.
COMMAND = """
import sys
from pathlib import Path
from redis import Redis
from workers.embedded import embedded
with embedded(Path(sys.argv[1]), Path(sys.argv[2])) as url:
    with Redis.from_url(url) as client:
        print(client.info("server")["process_id"], flush=True)
    sys.stdin.read()
"""


class Command:
    def __init__(self, data: Path, config: Path) -> None:
        self.running = subprocess.Popen(
            [sys.executable, "-c", COMMAND, str(data), str(config)],
            cwd=ROOT,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def server(self) -> int:
        """The process id of the server that it has got."""
        return int(_pipe(self.running.stdout).readline())

    def end(self) -> None:
        self.running.communicate(timeout=20)

    def kill(self) -> None:
        self.running.kill()
        self.running.communicate()


@pytest.fixture
def data(tmp_path: Path) -> Iterator[Path]:
    """A data directory; the server has ended before it is taken away."""
    data = tmp_path / "with blank" / "data"
    yield data
    if Place(data).holders.exists():
        until(lambda: not Place(data).url.exists(), GONE)


@pytest.fixture
def command(data: Path) -> Iterator[Callable[..., Command]]:
    started: list[Command] = []

    def start(config: str = "our.yaml") -> Command:
        started.append(Command(data, Path(config)))
        return started[-1]

    yield start
    for one in started:
        if one.running.poll() is None:
            one.kill()


def test_ten_commands_at_once_get_one_server_which_ends_after_the_last(
    command: Callable[..., Command], data: Path
) -> None:
    commands = [command() for _ in range(10)]
    servers = {one.server() for one in commands}
    assert len(servers) == 1
    server = servers.pop()
    for one in commands[1:]:
        one.end()
    with redis.Redis.from_url(Place(data).url.read_text()) as client:
        assert client.ping()
    commands[0].end()
    until(lambda: not _runs(server), GONE)
    until(lambda: not Place(data).url.exists(), GONE)


def test_a_second_command_soon_after_the_first_gets_the_same_server(
    command: Callable[..., Command],
) -> None:
    first = command()
    server = first.server()
    first.end()
    assert command().server() == server


def test_a_command_that_is_killed_holds_the_server_no_longer(
    command: Callable[..., Command],
) -> None:
    one = command()
    server = one.server()
    one.kill()
    until(lambda: not _runs(server), GONE)


def test_a_child_that_outlives_its_command_may_hold_the_server_too(
    command: Callable[..., Command], data: Path
) -> None:
    one = command()
    server = one.server()
    with hold(data):
        one.kill()
        begin = time.monotonic()
        until(lambda: time.monotonic() > begin + LINGER + 2, GONE)
        assert _runs(server)
    until(lambda: not _runs(server), GONE)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(ConfigError, match=r"file/data: Not a directory; .* TENANTSYNC_DATA"),
        embedded(tmp_path / "file" / "data", tmp_path / "our.yaml"),
    ):
        pass


def test_the_server_keeps_what_it_was_told_over_an_end_and_a_start(data: Path) -> None:
    config = data / "our.yaml"
    with embedded(data, config) as url, redis.Redis.from_url(url) as client:
        client.set("kept", "yes")
    until(lambda: not Place(data).url.exists(), GONE)
    with embedded(data, config) as url, redis.Redis.from_url(url) as client:
        assert client.get("kept") == b"yes"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
        assert client.config_get("appendonly") == {"appendonly": "yes"}


def test_a_server_that_was_killed_comes_back_at_its_address_with_its_memory(data: Path) -> None:
    with embedded(data, data / "our.yaml") as url, redis.Redis.from_url(url) as client:
        server = client.info("server")["process_id"]
        client.set("kept", "yes")
        client.execute_command("WAITAOF", 1, 0, 5000)
        os.kill(server, signal.SIGKILL)
        until(lambda: _answers(url), GONE)
        assert client.get("kept") == b"yes"
        assert client.info("server")["process_id"] != server


def test_without_its_keeper_the_next_command_brings_one_which_ends_the_server(
    command: Callable[..., Command], data: Path
) -> None:
    first = command()
    server = first.server()
    os.kill(_keeper(data), signal.SIGKILL)
    second = command()
    assert second.server() == server
    first.end()
    second.end()
    until(lambda: not _runs(server), GONE)


def test_what_lies_about_after_server_keeper_and_command_were_killed_is_no_hindrance(
    command: Callable[..., Command], data: Path
) -> None:
    first = command()
    server = first.server()
    os.kill(_keeper(data), signal.SIGKILL)
    os.kill(server, signal.SIGKILL)
    first.kill()
    assert Place(data).url.exists()
    assert command("another.yaml").server() != server


def test_a_command_with_another_configuration_file_is_refused_by_name(
    data: Path, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.yaml", tmp_path / "two.yaml"
    with embedded(data, one), pytest.raises(ConfigError) as caught, embedded(data, two):
        pass
    assert f"configuration file {one}; this one has {two}" in str(caught.value)
    assert "TENANTSYNC_DATA" in str(caught.value)
    with embedded(data, two):
        pass


def test_neither_server_nor_keeper_sees_the_secrets_of_who_starts_them(
    data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KESTRA_PASSWORD", "s3cret-of-a-command")
    with embedded(data, data / "our.yaml") as url, redis.Redis.from_url(url) as client:
        server = int(client.info("server")["process_id"])
        keeper = int(Path(f"/proc/{server}/stat").read_text().rpartition(")")[2].split()[1])
        assert b"workers.embedded" in Path(f"/proc/{keeper}/cmdline").read_bytes()
        seen = {one: Path(f"/proc/{one}/environ").read_bytes() for one in (server, keeper)}
        assert b"PATH=" in seen[keeper]  # the server writes its title over its own
        assert not [one for one, environment in seen.items() if b"s3cret" in environment]


def test_the_password_is_in_a_file_of_its_owner_and_in_no_argument(data: Path) -> None:
    with embedded(data, data / "our.yaml") as url, redis.Redis.from_url(url) as client:
        place = Place(data)
        assert place.url.read_text() == url
        assert stat.S_IMODE(place.url.stat().st_mode) == 0o600
        password = url.partition("@")[0].rpartition(":")[2]
        assert len(password) >= 32
        process = Path("/proc") / str(client.info("server")["process_id"])
        assert password not in (process / "cmdline").read_text()
        assert password not in (process / "environ").read_text()
        assert password not in place.log.read_text()
        with (
            redis.Redis(port=client.connection_pool.connection_kwargs["port"]) as stranger,
            pytest.raises(redis.AuthenticationError),
        ):
            stranger.ping()


def _keeper(data: Path) -> int:
    wanted = ["keep", str(data)]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            arguments = (process / "cmdline").read_text().split("\0")
        except OSError:
            continue
        if arguments[-3:-1] == wanted:
            return int(process.name)
    raise AssertionError("there is no keeper")


def _runs(process: int) -> bool:
    try:
        state = (Path("/proc") / str(process) / "stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def _answers(url: str) -> bool:
    try:
        with redis.Redis.from_url(url) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _pipe(pipe: IO[str] | None) -> IO[str]:
    assert pipe is not None
    return pipe


def test_a_server_that_cannot_start_is_named_with_the_end_of_its_log(data: Path) -> None:
    log = Place(data).server / "appendonlydir" / "appendonly.aof.manifest"
    log.parent.mkdir(parents=True)
    log.write_text("this is no manifest\n")
    with (
        pytest.raises(Unreachable, match=r"does not start; see .*/server/log: "),
        embedded(data, data / "our.yaml"),
    ):
        pass
    Place(data).url.unlink()
