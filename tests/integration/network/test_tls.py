"""Own authorities and client certificates, on both sides, against real TLS servers."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
from pathlib import Path

import pytest

from tasks.errors import ConfigError
from tests.integration.network.conftest import PASSPHRASE, Authority, Reach


def test_the_authority_of_the_connection_is_trusted(reach: Reach, authority: Authority) -> None:
    front = reach.front(authority.server())
    reach.look(front.url, caFile=str(authority.file))
    assert front.taken


def test_another_authority_is_named_with_the_remedy(
    reach: Reach, authority: Authority, stranger: Authority
) -> None:
    front = reach.front(authority.server())
    with pytest.raises(ConfigError, match=r"certificate of 127\.0\.0\.1 is of an authority") as no:
        reach.look(front.url, caFile=str(stranger.file))
    assert f"not in caFile {stranger.file}" in no.value.message
    with pytest.raises(ConfigError, match="not in the system's authorities") as no:
        reach.look(front.url)
    assert "name the PEM file of its authority in caFile" in no.value.message


def test_the_authorities_of_the_environment_count_where_the_connection_names_none(
    reach: Reach, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    front = reach.front(authority.server())
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    reach.look(front.url)
    with pytest.raises(ConfigError, match="not in caFile"):
        reach.look(front.url, caFile=str(stranger.file))


def test_the_file_of_the_connection_takes_the_place_of_the_systems_directory(
    reach: Reach,
    authority: Authority,
    stranger: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    front = reach.front(authority.server())
    directory = tmp_path / "certs"
    directory.mkdir()
    # OpenSSL finds an authority by a hash of its name, GnuTLS reads all files.
    command = ("openssl", "x509", "-noout", "-hash", "-in", str(authority.file))
    if shutil.which("openssl") is None:
        pytest.skip("the program openssl is not installed")
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    shutil.copy(authority.file, directory / f"{found}.0")
    for name in ("GIT_SSL_CAPATH", "SSL_CERT_DIR"):
        monkeypatch.setenv(name, str(directory))
    reach.look(front.url)
    with pytest.raises(ConfigError, match="not in caFile"):
        reach.look(front.url, caFile=str(stranger.file))


def test_a_certificate_that_has_ended_is_named(reach: Reach, authority: Authority) -> None:
    front = reach.front(authority.server(ended=True))
    with pytest.raises(ConfigError, match=r"certificate of 127\.0\.0\.1 has expired; its operator"):
        reach.look(front.url, caFile=str(authority.file))


def test_a_certificate_for_another_host_is_named(reach: Reach, authority: Authority) -> None:
    front = reach.front(authority.server("kestra.acme.org"))
    with pytest.raises(ConfigError, match=r"certificate of 127\.0\.0\.1 is for another host"):
        reach.look(front.url, caFile=str(authority.file))


@pytest.mark.parametrize("passphrase", ["", PASSPHRASE])
def test_a_server_that_wants_a_client_certificate_gets_it(
    reach: Reach, authority: Authority, stranger: Authority, tmp_path: Path, passphrase: str
) -> None:
    front = reach.front(authority.server(clients=stranger))
    shown = {"caFile": str(authority.file), **stranger.client(tmp_path / "c", passphrase)}
    if passphrase:
        shown["clientKeyPassphrase"] = {"env": "KEY_PASSPHRASE"}  # type: ignore[assignment]
    reach.look(front.url, **shown)
    assert front.taken


def test_certificate_and_key_may_be_in_one_file(
    reach: Reach, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    front = reach.front(authority.server(clients=stranger))
    shown = stranger.client(tmp_path / "c")
    both = tmp_path / "both.pem"
    both.write_bytes(b"".join(Path(file).read_bytes() for file in shown.values()))
    reach.look(front.url, caFile=str(authority.file), clientCertificate=str(both))


@pytest.mark.parametrize("newest", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_server_that_wants_a_client_certificate_and_gets_none_is_named(
    reach: Reach, authority: Authority, stranger: Authority, newest: ssl.TLSVersion
) -> None:
    context = authority.server(clients=stranger)
    context.maximum_version = newest
    front = reach.front(context)
    with pytest.raises(ConfigError, match=r"127\.0\.0\.1 wants a certificate of its clients") as no:
        reach.look(front.url, caFile=str(authority.file))
    assert "give clientCertificate and clientKey" in no.value.message


@pytest.mark.parametrize("ended", [False, True])
def test_a_client_certificate_that_is_not_accepted_is_named(
    reach: Reach, authority: Authority, stranger: Authority, tmp_path: Path, ended: bool
) -> None:
    front = reach.front(authority.server(clients=stranger))
    shown = (stranger if ended else authority).client(tmp_path / "c", ended=ended)
    said = "says that clientCertificate .* has ended; renew it" if ended else "does not accept"
    with pytest.raises(ConfigError, match=said) as no:
        reach.look(front.url, caFile=str(authority.file), **shown)
    assert shown["clientCertificate"] in no.value.message


def test_a_file_that_is_wrong_is_named_before_anything_is_sent(
    reach: Reach, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    front = reach.front(authority.server(clients=stranger))
    locked, other = stranger.client(tmp_path / "l", "another"), stranger.client(tmp_path / "o")
    text, none = tmp_path / "text", str(tmp_path / "none")
    text.write_text("no PEM\n")
    passphrase = {"clientKeyPassphrase": {"env": "KEY_PASSPHRASE"}}
    wrong = [
        ({"caFile": none}, f"caFile {none}: No such file"),
        ({"caFile": str(text)}, f"caFile {text}: holds no PEM"),
        ({**other, "clientCertificate": none}, f"clientCertificate {none}: no such file"),
        ({**other, "clientKey": none}, f"clientKey {none}: no such file"),
        ({**other, "clientCertificate": str(text)}, "is no PEM certificate"),
        ({**other, "clientKey": locked["clientKey"]}, "is encrypted; give clientKeyPassphrase"),
        ({**locked, **passphrase}, "clientKeyPassphrase (env KEY_PASSPHRASE) does not open"),
        ({"clientCertificate": other["clientCertificate"],
          "clientKey": stranger.client(tmp_path / "p")["clientKey"]}, "does not belong to"),
    ]  # fmt: skip
    for fields, said in wrong:
        with pytest.raises(ConfigError, match=re.escape(said)) as no:
            reach.look(front.url, **{"caFile": str(authority.file), **fields})
        assert PASSPHRASE not in no.value.message
    assert not front.taken


def test_a_renewed_certificate_is_used_without_a_restart(
    reach: Reach, authority: Authority, stranger: Authority, tmp_path: Path
) -> None:
    if reach.kind == "git":
        pytest.skip("git reads the files for every command")
    front = reach.front(authority.server(clients=stranger))
    old, new = stranger.client(tmp_path / "o", ended=True), stranger.client(tmp_path / "n")
    side = reach.kestra(front.url, caFile=str(authority.file), **old)
    with pytest.raises(ConfigError):
        side.identity()
    for name, file in new.items():
        Path(file).replace(old[name])
    assert side.identity().uuid
