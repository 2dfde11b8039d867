"""What doctor says of Redis, each time of a real server that is really set up so."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import redis

from tests.integration.doctor.patient import Patient, Told, valkey
from tests.ports import free_port
from tests.wire import between, shifted

AOF = ("--appendonly", "yes")


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey(tmp_path_factory.mktemp("valkey"), *AOF) as url:
        yield url


def ask(patient: Patient, url: str, **more: str) -> Told:
    return patient.told(TENANTSYNC_REDIS_URL=url, **more)


def port(url: str) -> int:
    found = urlsplit(url).port
    assert found is not None
    return found


def test_a_good_server_is_not_complained_of(patient: Patient, good: str) -> None:
    told = ask(patient, good)
    assert [one.check for one in told.bad] == ["workers"]
    told.has("warning", "workers", "none answers", "tenantsync worker")
    for check in ("redis", "redis-disk", "redis-eviction", "redis-clock"):
        told.has("ok", check)
    assert told.code == 0


def test_a_server_that_is_away(patient: Patient) -> None:
    told = ask(patient, "redis://:hunter2@127.0.0.1:9/0")
    told.has("broken", "redis", "Connection refused", "TENANTSYNC_REDIS_URL")
    told.has("note", "workers", "cannot be asked")
    told.has("ok", "contents")
    assert told.code == 1
    assert "hunter2" not in str(told)


@pytest.mark.parametrize("login", ["", ":wrong-one@", "nobody:wrong-one@"])
def test_a_wrong_password(patient: Patient, tmp_path: Path, login: str) -> None:
    with valkey(tmp_path / "valkey", *AOF, password="right-one") as url:
        told = ask(patient, f"redis://{login}127.0.0.1:{port(url)}/0")
    told.has("broken", "redis", "does not accept the login", "redis://USER:PASSWORD@")
    assert "wrong-one" not in str(told)


def test_a_login_that_may_do_little(patient: Patient, tmp_path: Path) -> None:
    with valkey(tmp_path / "valkey", *AOF) as url, redis.Redis.from_url(url) as client:
        client.acl_setuser("sync", enabled=True, passwords=["+secret-one"], commands=["+ping"])
        told = ask(patient, f"redis://sync:secret-one@127.0.0.1:{port(url)}/0")
    told.has("broken", "redis", "no permissions", "give the login all commands")


def test_nothing_kept_on_disk(patient: Patient, tmp_path: Path) -> None:
    with valkey(tmp_path / "valkey") as url:
        told = ask(patient, url)
    told.has("warning", "redis-disk", "appendonly yes")
    assert told.code == 0


def test_a_policy_that_evicts(patient: Patient, tmp_path: Path) -> None:
    lru = ("--maxmemory-policy", "allkeys-lru")
    with valkey(tmp_path / "a", *AOF, *lru) as url:
        ask(patient, url).has("warning", "redis-eviction", "`allkeys-lru` drops", "noeviction")
    with valkey(tmp_path / "b", *AOF, *lru, "--maxmemory", "500mb") as url:
        told = ask(patient, url)
    told.has("broken", "redis-eviction", "`allkeys-lru` drops", "noeviction")
    told.has("ok", "redis-memory", "500 MiB")
    assert told.code == 1


@pytest.mark.parametrize(("share", "level"), [(0.9, "warning"), (1.05, "broken")])
def test_memory_that_is_nearly_used(
    patient: Patient, tmp_path: Path, share: float, level: str
) -> None:
    with valkey(tmp_path / "valkey", *AOF) as url, redis.Redis.from_url(url) as client:
        for number in range(40):
            client.set(f"filling {number}", b"x" * (1 << 20))
        client.config_set("maxmemory", int(client.info("memory")["used_memory"] / share))
        told = ask(patient, url)
    told.has(level, "redis-memory", "of maxmemory", "raise maxmemory")
    if level == "broken":
        told.has("broken", "redis", "takes no writes", "memory is full")


def test_a_replica(patient: Patient, tmp_path: Path, good: str) -> None:
    primary = ("--replicaof", f"127.0.0.1 {port(good)}")
    with valkey(tmp_path / "valkey", *AOF, *primary) as url:
        told = ask(patient, url)
    told.has("broken", "redis-role", f"replica of 127.0.0.1:{port(good)}", "name the primary")
    told.has("broken", "redis", "takes no writes", "read-only replica")


def test_cluster_mode(patient: Patient, tmp_path: Path) -> None:
    # By default the port of its bus is its own and 10,000, which may be too high or taken.
    cluster = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    with valkey(tmp_path / "valkey", *AOF, *cluster) as url:
        told = ask(patient, url)
    told.has("broken", "redis-role", "cluster mode", "cluster-enabled")


def test_a_version_that_is_too_old(patient: Patient, good: str) -> None:
    def older(answer: bytes) -> bytes:
        return answer.replace(b"redis_version:7.2.4", b"redis_version:5.0.7")

    with between(port(good), older) as other:
        told = ask(patient, f"redis://127.0.0.1:{other}/0")
    told.has("broken", "redis-version", "too old", "6.2")


@pytest.mark.parametrize(
    ("seconds", "level", "words"),
    [(60, "broken", "behind the clock"), (-60, "broken", "ahead of"), (-5, "warning", "5 s apart")],
)
def test_a_clock_that_is_off(
    patient: Patient, good: str, seconds: int, level: str, words: str
) -> None:
    with between(port(good), shifted(seconds)) as other:
        told = ask(patient, f"redis://127.0.0.1:{other}/0")
    told.has(level, "redis-clock", words, "NTP")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ssl.SSLContext]:
    """A certificate that is its own authority, and a server's context with it."""
    folder = tmp_path_factory.mktemp("tls")
    command = [
        *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"),
        *("-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem")),
    ]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("needs the program openssl")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return folder / "cert.pem", context


def test_tls(patient: Patient, good: str, authority: tuple[Path, ssl.SSLContext]) -> None:
    file, context = authority
    with between(port(good), tls=context) as other:
        place = f"127.0.0.1:{other}/0"
        told = ask(patient, f"rediss://{place}?ssl_cert_reqs=required&ssl_ca_certs={file}")
        assert [one.check for one in told.bad] == ["workers"]
        told = ask(patient, f"rediss://{place}?ssl_ca_certs={file}")
        told.has("broken", "redis", "workers do not start", "ssl_cert_reqs=required")
        told = ask(patient, f"rediss://{place}?ssl_cert_reqs=required")
        told.has("broken", "redis", "certificate is not trusted", "ssl_ca_certs=FILE")
        told = ask(patient, f"redis://{place}")
        told.has("broken", "redis", "rediss://")


def test_tls_where_the_server_has_none(patient: Patient, good: str) -> None:
    told = ask(patient, f"rediss://127.0.0.1:{port(good)}/0?ssl_cert_reqs=required")
    told.has("broken", "redis", "a server that speaks no TLS wants redis://")
