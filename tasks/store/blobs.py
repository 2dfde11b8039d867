"""Where do the bytes of contents lie? In a folder, or in the bucket of an object store."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import fsspec

from tasks.errors import ConfigError, Unreachable
from tasks.hiding import forms, hidden, without_login

#: Seconds to connect to an object store, and to wait for one answer.
_CONNECT, _ANSWER = 5, 30
#: How often botocore itself tries a call again; jobs are tried again as well.
_TRIES = 2
#: Names of the errors of botocore that say that no login was found.
_NO_LOGIN = {
    "NoCredentialsError",
    "PartialCredentialsError",
    "CredentialRetrievalError",
    "ProfileNotFound",
}


#: Variables of which an error may hold the value.
_SECRETS = ("AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


class Blobs(Protocol):
    """Immutable blobs by path (`ab/abcdef...`). `read`, `size` and `modified` raise
    FileNotFoundError for a blob that is not there, the others nothing."""

    def read(self, path: str) -> bytes:
        """The bytes of a blob."""

    def size(self, path: str) -> int:
        """The bytes of a blob, without reading it."""

    def put(self, path: str, content: bytes) -> None:
        """Stores a blob, so that nobody sees half of it; one that is there gets a new time."""

    def all(self) -> Iterator[tuple[str, float]]:
        """Every blob and when it was last put: the path, and seconds since 1970."""

    def modified(self, path: str) -> float:
        """When a blob was last put, in seconds since 1970."""

    def remove(self, path: str) -> None:
        """Removes a blob."""


def blobs(url: str) -> Blobs:
    """The blobs at a path or fsspec URL (`file:///...`, `s3://bucket/prefix`)."""
    protocol, path = fsspec.core.split_protocol(url)
    return Folder(Path(path).absolute()) if protocol in {None, "file", "local"} else Bucket(url)


class Folder:
    """Blobs as files; each is written under another name and renamed."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def read(self, path: str) -> bytes:
        with self._explained():
            return (self._root / path).read_bytes()

    def size(self, path: str) -> int:
        with self._explained():
            return (self._root / path).stat().st_size

    def put(self, path: str, content: bytes) -> None:
        place = self._root / path
        with self._explained():
            try:
                os.utime(place)
            except FileNotFoundError:
                place.parent.mkdir(parents=True, exist_ok=True)
                aside = place.with_name(f"{place.name}.{secrets.token_hex(4)}")
                aside.write_bytes(content)
                aside.replace(place)

    def all(self) -> Iterator[tuple[str, float]]:
        with self._explained():
            for place in self._root.glob("*/*"):
                yield str(place.relative_to(self._root)), place.stat().st_mtime

    def modified(self, path: str) -> float:
        with self._explained():
            return (self._root / path).stat().st_mtime

    def remove(self, path: str) -> None:
        with self._explained():
            (self._root / path).unlink(missing_ok=True)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unreachable(f"contents store {self._root}: {error.strerror or error}") from error


class Bucket:
    """Blobs as objects, which are whole or not there; one that is put again has a new time.

    For `s3://` endpoint, region and login come from the `AWS_*` variables and files, as botocore
    reads them.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            self._files, self._root = fsspec.core.url_to_fs(url, **_options(url))
        except (ImportError, ValueError) as error:
            raise ConfigError(f"contents store {url}: {error}; {_extra(url)}") from None

    def read(self, path: str) -> bytes:
        with self._explained():
            return bytes(self._files.cat_file(self._at(path)))

    def size(self, path: str) -> int:
        with self._explained():
            return int(self._files.size(self._at(path)))

    def put(self, path: str, content: bytes) -> None:
        with self._explained():
            self._files.pipe_file(self._at(path), content)

    def all(self) -> Iterator[tuple[str, float]]:
        with self._explained():
            found: dict[str, Any] = self._files.find(self._root, detail=True)
        for path, told in found.items():
            yield path.removeprefix(f"{self._root}/"), _time(told)

    def modified(self, path: str) -> float:
        with self._explained():
            return _time(self._files.info(self._at(path)))

    def remove(self, path: str) -> None:
        with self._explained():
            self._files.rm_file(self._at(path))

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            told = _told(error, self._url)
            if told is None:
                raise
            raise told from None  # what it says itself may hold a login


def _options(url: str) -> dict[str, Any]:
    if not url.startswith(("s3:", "s3a:")):
        return {}
    calls = {
        "connect_timeout": _CONNECT,
        "read_timeout": _ANSWER,
        "retries": {"max_attempts": _TRIES},
    }
    # A listing that was kept would show blobs that other processes have removed since, and a client
    # that was kept the login of before.
    return {"config_kwargs": calls, "use_listings_cache": False, "skip_instance_cache": True}


def _extra(url: str) -> str:
    if url.startswith(("s3:", "s3a:")):
        return "pip install 'tenantsync[s3]'"
    return "install the package of fsspec that knows this kind of address"


def _time(told: dict[str, Any]) -> float:
    # Stores name it differently: S3, Google Cloud Storage, Azure, others.
    names = ("LastModified", "mtime", "updated", "last_modified", "created")
    found = next(told[name] for name in names if name in told)
    return float(found.timestamp() if hasattr(found, "timestamp") else found)


def _words(error: Exception) -> str:
    """What an error says, without the logins that stand in addresses or that a store says back."""
    secrets = [form for name in _SECRETS for form in forms(os.environ.get(name, ""))]
    return hidden(without_login(str(error)), secrets)


def _told(error: Exception, url: str) -> Exception | None:
    """What an error of an object store means; None for one that says so itself."""
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if "NoSuchBucket" in repr(error.__cause__) or "NoSuchBucket" in kinds:
        return ConfigError(f"contents store {url}: there is no such bucket; make it first")
    if isinstance(error, FileNotFoundError):
        return None
    if isinstance(error, PermissionError):
        return ConfigError(
            f"contents store {url}: access denied ({_words(error)}); see that the login "
            "(AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role) may list, get, put and "
            "delete there"
        )
    if kinds & _NO_LOGIN:
        return ConfigError(
            f"contents store {url}: no login was found; set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, for every process"
        )
    if kinds & {"OSError", "BotoCoreError"}:
        return Unreachable(
            f"contents store {url}: {_words(error)}; see that it runs and that "
            "AWS_ENDPOINT_URL_S3 is right"
        )
    return None
