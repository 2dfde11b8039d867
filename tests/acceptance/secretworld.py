"""A whole TenantSync in which every place that takes a secret holds one, with servers that want
them and servers that say them back."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self
from urllib.error import HTTPError
from urllib.parse import quote

import redis
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.settings import DEFAULT_USER, Login, Settings
from tests.integration.network.conftest import Authority
from tests.integration.network.front import Front
from tests.integration.network.proxy import Proxy
from tests.integration.repo.test_ssh import Ssh, keygen
from tests.planting import ODD, Planted
from tests.ports import free_port
from tests.reflector import Reflector
from tests.stack import ROOT, Stack
from tests.waiting import wait_for

#: What is wrong with each sync, or "" where it goes well: the connections, and how it ends.
SYNCS: dict[str, tuple[dict[str, str], str]] = {
    "token": ({"kestra": "robot"}, "PLANNED"),
    "secure": ({"kestra": "secure", "repository": "secure"}, "PLANNED"),
    "ssh": ({"repository": "ssh"}, "PLANNED"),
    "wrong-proxy": ({"kestra": "wrong-proxy"}, "FAILED"),
    "by-variable": ({"kestra": "by-variable"}, "FAILED"),
    "hostile": ({"kestra": "hostile"}, "FAILED"),
    "hostile-token": ({"kestra": "hostile-token"}, "FAILED"),
    "away": ({"kestra": "away"}, "FAILED"),
    "locked": ({"kestra": "locked"}, "FAILED"),
    "hostile-git": ({"repository": "hostile"}, "FAILED"),
    "redirected": ({"repository": "redirected"}, "FAILED"),
    "wrong-key": ({"repository": "wrong-key"}, "FAILED"),
    "app": ({"repository": "app"}, "FAILED"),
}
_LOGIN = {"username": DEFAULT_USER, "timeout": 10}
#: Programs whose arguments are noted.
_NOTED = ("git", "ssh", "ssh-keygen")
_NOTE = """#!/bin/sh
printf '%s\\n' "$0" "$@" >>'{log}'
exec '{program}' "$@"
"""


class World(AbstractContextManager["World"]):
    """The stack; `planted` are its secrets, `kept` the one folder where they may stand, `said` the
    folder of all that was said: by commands, pages, messages and arguments."""

    def __init__(self, folder: Path, server: Ssh) -> None:
        self.folder, self.planted = folder, Planted()
        self.kept, self.said = folder / "kept", folder / "said"
        for each in (self.kept, self.said, folder / "tmp", folder / "bin"):
            each.mkdir()
        self._ssh, self._exits = server, ExitStack()
        self.variables: dict[str, str] = {}
        self._commands = 0

    def __enter__(self) -> Self:
        enter = self._exits.enter_context
        login = self.new("KESTRA_PASSWORD", "kestra.password")
        robot = self.file("robot", "kestra.token", odd="/+%\"'=")
        token = self.new("GIT_TOKEN", "repositories.token")
        who = (Login(name=DEFAULT_USER, password=login), Login(name="robot", token=robot))
        self.stack = enter(Stack(self.folder, Settings(logins=who)))
        self.stack.git.token = token
        self.git, self.kestra = enter(Reflector()), enter(Reflector())
        self.redirecting = enter(Reflector())
        self.redirecting.redirect = self.kestra.url
        self._network(enter)
        self._services()
        self._note_arguments()
        environment = self.stack.environment
        environment.update(self.variables, TMPDIR=str(self.folder / "tmp"))
        self.config = self._config()
        self.write()
        enter(_Listening(self.stack.redis, self.said / "published"))
        enter(_Looking(self.said / "processes"))
        return self

    def __exit__(self, *error: object) -> None:
        self._exits.close()

    # -- planting -------------------------------------------------------------------------------

    def new(self, variable: str, place: str, odd: str = ODD) -> str:
        """A secret of a place, in an environment variable."""
        self.variables[variable] = self.planted.new(f"{place} ({variable})", odd)
        return self.variables[variable]

    def file(self, name: str, place: str, odd: str = ODD) -> str:
        """A secret of a place, in a file."""
        text = self.planted.new(f"{place} (file {name})", odd)
        (self.kept / name).write_text(text + "\n")
        return text

    def at(self, name: str) -> str:
        """The path of a file of secrets."""
        return str(self.kept / name)

    def _network(self, enter: Any) -> None:
        """Both servers behind TLS, which want a certificate, and a proxy, which wants a login."""
        authority, ours = self._authority("servers"), self._authority("clients")
        self.authority = authority
        context = authority.server(clients=ours)
        self.secure_kestra = enter(Front(self.stack.kestra.url, context))
        self.secure_git = enter(Front(self.stack.git.origin, context))
        self.secure_app = enter(Front(self.kestra.url, authority.server()))
        # curl reads a percent sign in a login at a proxy otherwise.
        password = self.file("proxy", "kestra.proxyPassword", odd="/+\"'&")
        self.planted.cores["repositories.proxyPassword"] = self.planted.cores[
            "kestra.proxyPassword (file proxy)"
        ]
        self.file("wrong-proxy", "kestra.proxyPassword", odd="/+\"'&")
        self.proxy = enter(Proxy(("sync", password)))
        phrase = self.new("KEY_PASSPHRASE", "kestra.clientKeyPassphrase")
        self.new("WRONG_PASSPHRASE", "kestra.clientKeyPassphrase")
        self.certificate = ours.client(self.kept / "client", phrase)
        self.planted.text("kestra.clientKey", Path(self.certificate["clientKey"]).read_text())
        by_variable = quote(self.planted.new("HTTPS_PROXY", "/+&"), safe="")
        self.variables["HTTPS_PROXY"] = self.proxy.url.replace("://", f"://sync:{by_variable}@")
        self.variables["NO_PROXY"] = ""

    def _authority(self, name: str) -> Authority:
        file, made = self.folder / f"{name}.pem", trustme.CA()
        made.cert_pem.write_to_path(file)
        return Authority(file, made)

    def _services(self) -> None:
        """The logins of Redis, a database, a bucket, an App and ssh."""
        password = self.planted.new("TENANTSYNC_REDIS_URL")
        self.stack.redis.config_set("requirepass", password)
        place = self.stack.redis_url.partition("://")[2]
        self.stack.redis_url = f"redis://:{quote(password, safe='')}@{place}"
        self.variables["TENANTSYNC_REDIS_URL"] = self.stack.redis_url
        self.stack.redis = redis.Redis.from_url(self.stack.redis_url, decode_responses=True)
        self._exits.callback(self.stack.redis.close)
        away = quote(self.planted.new("TENANTSYNC_DATABASE_URL"), safe="")
        self.away_database = f"postgresql://sync:{away}@127.0.0.1:{free_port()}/records"
        gone = quote(self.planted.new("TENANTSYNC_REDIS_URL (away)"), safe="")
        self.away_redis = f"redis://:{gone}@127.0.0.1:{free_port()}/0"
        self.new("AWS_ACCESS_KEY_ID", "TENANTSYNC_CONTENTS_URL", odd="")
        self.new("AWS_SECRET_ACCESS_KEY", "TENANTSYNC_CONTENTS_URL", odd="/+=")
        self.new("AWS_SESSION_TOKEN", "TENANTSYNC_CONTENTS_URL", odd="/+=")
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        place_of_app = "repositories.githubApp.privateKey"
        self.variables["APP_KEY"] = self.planted.text(place_of_app, key.decode())
        self._key("key", self.new("SSH_PASSPHRASE", "repositories.sshPassphrase", odd="/+'"))
        self.new("WRONG_SSH_PASSPHRASE", "repositories.sshPassphrase")

    def _key(self, name: str, passphrase: str) -> None:
        key = keygen(self.kept / name, passphrase)
        self.planted.text("repositories.sshKey", key.read_text())
        with (self._ssh.root / "authorized").open("a") as authorized:
            authorized.write(Path(f"{key}.pub").read_text())

    def _note_arguments(self) -> None:
        folder = self.folder / "bin"
        for name in _NOTED:
            found = subprocess.run(["which", name], capture_output=True, text=True, check=True)
            text = _NOTE.format(log=self.said / "arguments", program=found.stdout.strip())
            (folder / name).write_text(text)
            (folder / name).chmod(0o755)
        self.variables["PATH"] = f"{folder}:{os.environ['PATH']}"

    # -- the configuration ----------------------------------------------------------------------

    def _config(self) -> dict[str, Any]:
        stack, name = self.stack, "tenant0"
        network = {
            "caFile": str(self.authority.file),
            **self.certificate,
            "clientKeyPassphrase": {"env": "KEY_PASSPHRASE"},
            "proxy": self.proxy.url,
            "proxyUsername": "sync",
            "proxyPassword": {"file": self.at("proxy")},
        }
        login = {**_LOGIN, "password": {"env": "KESTRA_PASSWORD"}}
        plain = {"caFile": str(self.authority.file), **self.certificate}
        secure = {"url": self.secure_kestra.url, **login, **network}
        hostile = {"url": self.kestra.url, "timeout": 10}
        token = {"token": {"env": "GIT_TOKEN"}}
        ssh = {
            "url": self._ssh.url(stack.repository),
            "sshKey": self.at("key"),
            "knownHosts": str(self._ssh.known_hosts),
        }
        app = {
            "appId": "Iv1",
            "installationId": 1,
            "privateKey": {"env": "APP_KEY"},
            "apiUrl": f"{self.secure_app.url}/api/v3",
        }
        return {
            "kestra": {
                "main": {"url": stack.kestra.url, **login, "timeout": 4},
                "robot": {"url": stack.kestra.url, "token": {"file": self.at("robot")}},
                "secure": secure,
                "wrong-proxy": {**secure, "proxyPassword": {"file": self.at("wrong-proxy")}},
                "by-variable": {
                    "url": self.secure_kestra.url, **login, **plain,
                    "clientKeyPassphrase": {"env": "KEY_PASSPHRASE"},
                },
                "hostile": {**hostile, **_LOGIN, "password": {"env": "KESTRA_PASSWORD"}},
                "hostile-token": {**hostile, "token": {"file": self.at("robot")}},
                "away": {**login, "url": f"http://127.0.0.1:{free_port()}"},
                "locked": {**secure, "clientKeyPassphrase": {"env": "WRONG_PASSPHRASE"}},
            },
            "repositories": {
                "main": {
                    **token, "url": stack.git.url(name), "forge": "gitea",
                    "webUrl": f"{self.kestra.url}/acme/flows",
                },
                "secure": {**token, **network, "url": f"{self.secure_git.url}/{name}.git"},
                "hostile": {**token, "url": f"{self.git.url}/acme/flows.git"},
                "redirected": {**token, "url": f"{self.redirecting.url}/acme/flows.git"},
                "ssh": {**ssh, "sshPassphrase": {"env": "SSH_PASSPHRASE"}},
                "wrong-key": {**ssh, "sshPassphrase": {"env": "WRONG_SSH_PASSPHRASE"}},
                "app": {
                    "url": "https://127.0.0.1/acme/flows.git", "githubApp": app,
                    "noProxy": ["*"], "caFile": str(self.authority.file),
                },
            },
            "access": {"root": {"os": getpass.getuser(), "roles": ["read", "ask", "approve"]}},
            "syncs": {
                name: {"sourceOfTruth": "KESTRA", "branch": "main", "kestra": "main",
                       "repository": "main", **given, "dryRun": True}
                for name, (given, _) in SYNCS.items()
            },
        }  # fmt: skip

    def write(self, **sections: Any) -> None:
        """Writes the configuration file, with other sections in place of its own."""
        text = yaml.safe_dump({**self.config, **sections}, sort_keys=False)
        self.stack.config.write_text(text)

    # -- what is said ---------------------------------------------------------------------------

    def keep(self, name: str, text: str) -> None:
        """Notes what somebody said."""
        with (self.said / name).open("a") as file:
            file.write(text + "\n")

    def command(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """One command line with other variables; all that it says is noted."""
        before = self.stack.environment
        self.stack.environment = {**before, **variables}
        try:
            done = self.stack.run(*arguments)
        finally:
            self.stack.environment = before
        self._commands += 1
        told = f"$ {' '.join(arguments)}\n{done.stdout}\n{done.stderr}\n{done.returncode}"
        self.keep(f"command-{self._commands}", told)
        return done

    @contextmanager
    def flower(self) -> Iterator[int]:
        """Flower at work; its port."""
        port = free_port()
        with (self.folder / "flower.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "workers.cli.flower", str(port)],
                env={**self.stack.environment, "FLOWER_UNAUTHENTICATED_API": "true"},
                cwd=ROOT, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            wait_for("Flower knows a worker", lambda: _workers(port), 120)
            yield port
        finally:
            process.terminate()
            process.wait()

    def pages(self, port: int, jobs: list[str]) -> None:
        """Flower's pages and API, of these jobs and all workers, noted."""
        paths = ["api/tasks?limit=10000", "tasks", "workers", "broker", "metrics"]
        paths += [f"worker/{quote(one)}" for one in _workers(port)]
        paths += [f"{kind}/{job}" for job in jobs for kind in ("task", "api/task/info")]
        paths += [f"api/task/result/{job}" for job in jobs]
        for path in ["api/workers?refresh=true", *paths]:
            code, text = _get(port, f"/{path}")
            self.keep("flower", f"{path} {code}\n{text}")


def _workers(port: int) -> Mapping[str, Any]:
    code, text = _get(port, "/api/workers?refresh=true")
    found: Mapping[str, Any] = json.loads(text) if code == 200 else {}
    return found


def _get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=30) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


class _Threaded(AbstractContextManager["_Threaded"]):
    """Something that is done over and over until the block ends."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _work(self) -> None:
        raise NotImplementedError


class _Listening(_Threaded):
    """Everything that is published on Redis: events, control commands and their answers, which
    no key ever holds."""

    def __init__(self, client: redis.Redis, file: Path) -> None:
        super().__init__()
        self._published, self._file = client.pubsub(), file
        self._published.psubscribe("*")

    def _work(self) -> None:
        with self._file.open("w") as file:
            while not self._ended.is_set():
                if message := self._published.get_message(timeout=0.2):
                    file.write(f"{message}\n")
        self._published.close()


class _Looking(_Threaded):
    """The arguments of every process of this machine, those of git's own helpers among them."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file, self._seen = file, set[bytes]()

    def _work(self) -> None:
        while not self._ended.wait(0.05):
            for entry in Path("/proc").iterdir():
                if entry.name.isdigit():
                    with suppress(OSError):
                        self._seen.add((entry / "cmdline").read_bytes())
            self._file.write_bytes(b"\n".join(sorted(self._seen)))
