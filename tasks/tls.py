"""Which certificates are trusted and shown, and what does a failed handshake mean?"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx

from tasks.errors import ConfigError
from tasks.network import Network

#: What OpenSSL says of the server's certificate → what is wrong and what to do.
_SERVER = (
    ("has expired", "has expired; its operator has to renew it"),
    ("not yet valid", "is not valid yet; check the clocks of both machines"),
    ("ismatch", "is for another host; use the name in the url that it is for"),
    ("revoked", "was revoked; its operator has to replace it"),
)
#: Alerts by which a server turns a client away (RFC 8446, 6.2; RFC 5246, 7.2.2).
_WANTS_ONE = ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE")
_NOT_THIS_ONE = ("UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "ACCESS_DENIED",
                 "DECRYPT_ERROR", "UNSUPPORTED_CERTIFICATE")  # fmt: skip
_OLD_ONE = ("CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED")


def context(network: Network) -> ssl.SSLContext:
    """What a connection trusts and shows. Takes about 20 ms; the files are read now.

    Raises ConfigError naming the file that is missing or is no PEM, and a key that does not open.
    """
    made = trusting(network)
    if network.client_certificate is not None:
        _show(made, network, network.client_certificate)
    return made


def trusting(network: Network) -> ssl.SSLContext:
    """What a connection trusts alone, for a proxy, which is shown no certificate."""
    if network.ca_file is None:
        made = httpx.create_ssl_context()
        made.load_default_certs()
        return made
    try:
        return ssl.create_default_context(cafile=network.ca_file)
    except OSError as error:  # ssl.SSLError is one
        why = "holds no PEM certificate" if isinstance(error, ssl.SSLError) else error.strerror
        raise ConfigError(f"caFile {network.ca_file}: {why}; name a PEM file") from None


def stamp(network: Network) -> tuple[int | None, ...]:
    """Times of the files behind a context: another stamp means that it must be made anew."""
    files = (network.ca_file, network.client_certificate, network.client_key)
    return tuple(None if file is None else _time(Path(file)) for file in files)


def _time(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _show(made: ssl.SSLContext, network: Network, certificate: str) -> None:
    asked = []
    secret = network.client_key_passphrase

    def passphrase() -> str:
        asked.append(True)
        return secret.line() if secret is not None else ""

    for name, file in (("clientCertificate", certificate), ("clientKey", network.client_key)):
        if file is not None and not Path(file).is_file():
            raise ConfigError(f"{name} {file}: no such file, or the worker may not read it")
    try:
        made.load_cert_chain(certificate, network.client_key, passphrase)
    except OSError as error:
        raise ConfigError(_unusable(network, certificate, error, bool(asked))) from None


def _unusable(network: Network, certificate: str, error: OSError, locked: bool) -> str:
    key = network.client_key or certificate
    if not isinstance(error, ssl.SSLError):
        return f"clientCertificate {certificate} or its key cannot be read: {error.strerror}"
    if error.reason == "KEY_VALUES_MISMATCH":
        return f"the private key in {key} does not belong to clientCertificate {certificate}"
    if locked and network.client_key_passphrase is None:
        return f"the private key in {key} is encrypted; give clientKeyPassphrase"
    if locked:
        return f"clientKeyPassphrase ({network.client_key_passphrase}) does not open the key {key}"
    return (
        f"clientCertificate {certificate} with the key in {key} is no PEM certificate with its "
        "private key; name the file of the key in clientKey where it is another"
    )


def explained(error: BaseException, network: Network, host: str) -> ConfigError | None:
    """The error that a failed handshake with a host is; None for another failure."""
    cause = next((each for each in _chain(error) if isinstance(each, ssl.SSLError)), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return ConfigError(_of_server(cause, network, host))
    reason = (cause.reason or "") if cause is not None else ""
    shown = network.client_certificate
    if reason.endswith(_WANTS_ONE) and shown is None:
        return ConfigError(
            f"{host} wants a certificate of its clients [{reason}]; "
            "give clientCertificate and clientKey"
        )
    if reason.endswith(_OLD_ONE):
        return ConfigError(f"{host} says that clientCertificate {shown} has ended; renew it")
    if reason.endswith((*_WANTS_ONE, *_NOT_THIS_ONE)):
        return ConfigError(
            f"{host} does not accept clientCertificate {shown} [{reason}]; use one of an "
            "authority that it trusts, the chain up to it in the same file"
        )
    return None


def _of_server(error: ssl.SSLCertVerificationError, network: Network, host: str) -> str:
    said = error.verify_message
    for words, what in _SERVER:
        if words in said:
            return f"the certificate of {host} {what} [{said}]"
    trusted = f"caFile {network.ca_file}" if network.ca_file else "the system's authorities"
    return (
        f"the certificate of {host} is of an authority that is not in {trusted} [{said}]; "
        "name the PEM file of its authority in caFile"
    )


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__
