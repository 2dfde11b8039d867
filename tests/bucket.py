"""An object store for tests that speaks S3: SeaweedFS, from its wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sysconfig
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import fsspec

from tests.ports import free_port
from tests.waiting import wait_for

#: The bucket that tests use, and the login that may use it and make no other.
BUCKET = "contents"
KEY, SECRET = "sync-key", "sync-secret"
_OWNER = {"key": "owner-key", "secret": "owner-secret"}
_PORTS = ("master", "volume", "filer", "s3")


class NoServer(Exception):
    """The server program is not here."""


class ObjectStore:
    """A running object store with the bucket `BUCKET`."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}"
        self._prefixes = 0

    @property
    def environment(self) -> Mapping[str, str]:
        """The variables by which a process finds it and logs in."""
        return {
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def create(self) -> str:
        """The URL of an empty place in the bucket."""
        self._prefixes += 1
        return f"s3://{BUCKET}/place{self._prefixes}"


@contextmanager
def object_store(home: Path) -> Iterator[ObjectStore]:
    """A server of its own in an empty folder. Raises NoServer."""
    program = shutil.which("weed", path=sysconfig.get_path("scripts")) or shutil.which("weed")
    if program is None:
        raise NoServer("SeaweedFS (weed) is neither installed as a wheel nor on the PATH")
    logins = home / "logins.json"
    logins.write_text(json.dumps({"identities": _identities()}))
    ports = {name: free_port() for name in _PORTS}
    flags = [
        *(f"-{name}.port={port}" for name, port in ports.items()),
        *(f"-{name}.port.grpc={free_port()}" for name in _PORTS),
    ]
    command = [
        *(program, "server", f"-dir={home}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", *flags),
        *("-filer", "-s3", f"-s3.config={logins}", "-s3.iam=false"),
        *("-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=50", "-master.electionTimeout=1s"),
    ]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, stdout=log, stderr=log, cwd=home)
    try:
        _make_bucket(f"http://127.0.0.1:{ports['s3']}", server, home / "log")
        yield ObjectStore(ports["s3"])
    finally:
        server.kill()
        server.wait()


def _identities() -> list[dict[str, object]]:
    actions = [f"{action}:{BUCKET}" for action in ("Read", "Write", "List")]
    login = {"accessKey": KEY, "secretKey": SECRET}
    owner = {"accessKey": _OWNER["key"], "secretKey": _OWNER["secret"]}
    return [
        {"name": "sync", "credentials": [login], "actions": actions},
        {"name": "owner", "credentials": [owner], "actions": ["Admin"]},
    ]


def _make_bucket(endpoint: str, server: subprocess.Popen[bytes], log: Path) -> None:
    region = os.environ.get("AWS_DEFAULT_REGION", "us-east-1")
    files = fsspec.filesystem(
        "s3", **_OWNER, endpoint_url=endpoint, client_kwargs={"region_name": region}
    )

    def look() -> bool:
        assert server.poll() is None, log.read_text(errors="replace")[-2000:]
        try:
            # A volume is there only once something was written.
            files.pipe_file(f"{BUCKET}/ready", b"")
            files.rm_file(f"{BUCKET}/ready")
        except OSError:
            return False
        return True

    wait_for(f"the object store takes a blob ({log})", look, 60)
