"""Secrets: one is planted in every place that takes one, every kind of task and failure is run, and
none is found anywhere but where it was written."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from sqlalchemy import create_engine, inspect, text

from sandbox.settings import DEFAULT_USER, Login, Settings
from tasks.points import Fault, hits, release
from tasks.store.blobs import blobs
from tests.acceptance.secretworld import SYNCS, World
from tests.bucket import SECRET, ObjectStore
from tests.integration.repo.bare import Bare
from tests.integration.repo.test_ssh import Ssh, ssh  # noqa: F401
from tests.planting import Planted, files, places, written
from tests.reflector import Reflector
from tests.stack import ROOT, Stack
from tests.texts import flow

#: All that runs before the first test takes its time on a busy machine.
pytestmark = pytest.mark.timeout(900)

NS = "company.team"
_FORMS = ("table", "json", "yaml", "ion")


@dataclass(frozen=True)
class Seen:
    """How the runs of the world ended: by the name of their sync, and those of `main`."""

    world: World
    told: dict[str, dict[str, Any]]
    main: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory, ssh: Ssh) -> Iterator[Seen]:  # noqa: F811
    with World(tmp_path_factory.mktemp("secrets"), ssh) as world:
        stack = world.stack
        worker = stack.worker(level="DEBUG")
        stack.kestra.seed(flows=[flow(NS, "one"), flow(NS, "two")])
        with world.flower() as port:
            asked = {
                name: stack.ask(**{**world.config["syncs"][name], "dryRun": True}) for name in SYNCS
            }
            main = _of_main(world)
            told = {name: stack.outcome(one, 150) for name, one in asked.items()}
            _commands(world, main["export"]["runId"])
            _away(world)
            world.pages(port, [str(one.id) for one in asked.values()])
        os.kill(worker.pid, signal.SIGTERM)
        worker.wait(60)
        yield Seen(world, told, main)


def _of_main(world: World) -> dict[str, dict[str, Any]]:
    """Runs in which all goes well, which a person decides on, or which die."""
    stack, task = world.stack, {"kestra": "main", "repository": "main"}
    export = {**task, "sourceOfTruth": "KESTRA"}
    found = {"export": stack.sync(**export)}
    stack.push({f"{NS}/flows/three.yaml": flow(NS, "three")})
    found["reconcile"] = stack.sync(**task, sourceOfTruth="GIT")
    found["namespace"] = stack.sync("namespace_sync", **export, namespace=NS)
    for name, job in (("four", "approve"), ("five", "reject"), ("six", "cancel")):
        stack.kestra.seed(flows=[flow(NS, name)])
        waits = stack.sync(**export, review="always")
        found[job] = {"runId": waits["runId"], "state": _decided(world, job, waits)}
    stack.kestra.seed(flows=[flow(NS, "seven")])
    stack.git.refuse("tenant0", f"no push with {stack.git.token} ({quote(stack.git.token)})")
    found["refused"] = stack.sync(**export)
    stack.git.accept("tenant0")
    (stack.repository / "refusal.txt").unlink()
    stack.arm("gathered", Fault.RAISE)
    found["raised"] = stack.sync(**export, dryRun=True)
    found["crashed"] = _crashed(stack, export)
    return found


def _decided(world: World, how: str, waits: dict[str, Any]) -> str:
    run = waits["runId"]
    if how == "cancel":
        world.command("runs", "cancel", run)
    else:
        digest = ("--digest", waits["planDigest"]) if how == "approve" else ("--reason", "no")
        world.command(how, run, *digest)
    return world.stack.ended(run).state


def _crashed(stack: Stack, export: dict[str, Any]) -> dict[str, Any]:
    """A run whose job dies of a fault in memory, which prints the stacks of its process."""
    stack.hold("claim", 1, job="tenantsync.split")
    asked = stack.ask(**export, dryRun=True, commitMessage="crashed")
    stack.held("claim", 1)
    os.kill(int(str(hits(stack.points, "claim")[-1]["pid"])), signal.SIGSEGV)
    release(stack.points, "claim")
    return stack.outcome(asked, 120)


def _commands(world: World, run: str) -> None:
    for form in _FORMS:
        world.command("runs", "show", run, "-o", form)
    for line in ("runs list", "runs why last", "audit list", "schema", "syncs list"):
        world.command(*line.split())
    for arguments in (("runs", "diff", run), ("config", "check"), ("sync", "hostile-git")):
        world.command(*arguments)
    world.command("doctor", "-o", "json", "--timeout", "15")


def _away(world: World) -> None:
    """Redis, the database and the bucket do not answer, or say back what they are told."""
    for variables in (
        {"TENANTSYNC_REDIS_URL": world.away_redis},
        {"TENANTSYNC_DATABASE_URL": world.away_database},
        {"TENANTSYNC_CONTENTS_URL": "s3://bucket/x", "AWS_ENDPOINT_URL_S3": world.kestra.url},
    ):
        world.command("doctor", "-o", "json", "--timeout", "5", **variables)
        if "TENANTSYNC_REDIS_URL" not in variables:
            world.keep("workers", _started_in_vain(world, variables))
    world.write(kestra={"main": {"url": world.stack.kestra.url, "token": world.stack.git.token}})
    assert "plain text" in world.command("config", "check").stderr
    world.write()


def _started_in_vain(world: World, variables: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "workers.worker", "w9", "1", "DEBUG"],
        env={**world.stack.environment, **variables}, cwd=ROOT,
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    return done.stdout + done.stderr


# -- was it really so? ---------------------------------------------------------------------------


def test_every_place_that_takes_a_secret_has_one(seen: Seen) -> None:
    planted = {place.partition(" ")[0] for place in seen.world.planted.cores}
    assert places() <= written(seen.world.config) | planted
    # By both ways that a reference has.
    references = str(seen.world.config)
    assert "{'env': " in references and "{'file': " in references


def test_every_run_ended_as_it_was_meant_to(seen: Seen) -> None:
    assert {name: one["state"] for name, one in seen.told.items()} == {
        name: state for name, (_, state) in SYNCS.items()
    }, seen.told
    assert {name: one["state"] for name, one in seen.main.items()} == {
        "export": "APPLIED", "reconcile": "APPLIED", "namespace": "UNCHANGED",
        "approve": "APPLIED", "reject": "REJECTED", "cancel": "CANCELLED",
        "refused": "REFUSED", "raised": "FAILED", "crashed": "PLANNED",
    }, str(seen.main)  # fmt: skip


def test_servers_were_told_the_secrets_and_said_them_back(seen: Seen) -> None:
    world = seen.world
    back = {place for server in (world.kestra, world.git, world.redirecting)
            for place in world.planted.found("\n".join(server.told).encode())}  # fmt: skip
    assert {"kestra.password (KESTRA_PASSWORD)", "kestra.token (file robot)"} <= back
    assert "repositories.token (GIT_TOKEN)" in back
    assert "TENANTSYNC_CONTENTS_URL (AWS_SESSION_TOKEN)" in back
    assert world.proxy.tunnels and 407 in world.proxy.refused
    for name in ("hostile", "hostile-token", "hostile-git"):
        assert "***" in seen.told[name]["problems"][0]["message"], seen.told[name]
    assert "***" in seen.main["refused"]["problems"][0]["message"]


def test_everything_that_could_tell_was_looked_at(seen: Seen) -> None:
    folder = seen.world.folder
    content = {str(path.relative_to(folder)): found for path, found in files(folder)}
    log = content["w1.log"]
    for word in (b"DEBUG", b"signal 11", b"RuntimeError", b"gives up"):
        assert word in log
    assert any(path.endswith(".aof") and found for path, found in content.items())
    assert any(path.startswith("data/contents/") for path in content)
    assert any(path.endswith(".pack") and path.startswith("data/") for path in content)
    assert "data/tenantsync.db" in content
    for place, word in (
        ("flower", b"tenantsync.tenant_sync"),
        ("published", b"celeryev"),
        ("published", b"pidbox"),
        ("arguments", b"ls-remote"),
        ("arguments", b"StrictHostKeyChecking"),
        ("processes", b"remote-http"),
        ("workers", b"records database"),
        ("workers", b"access denied"),
    ):
        assert word in content[f"said/{place}"], place
    codes = re.findall(rb"^(?:task|api/task/info)/\S+ (\d+)$", content["said/flower"], re.M)
    assert len(codes) == 2 * len(SYNCS) and set(codes) == {b"200"}


def test_the_search_finds_what_was_planted(seen: Seen) -> None:
    world = seen.world
    kept = b"".join(content for _, content in files(world.kept))
    assert {place for place in world.planted.cores if "(file" in place} <= set(
        world.planted.found(kept)
    )
    assert {place for place in world.planted.cores if "repositories.sshKey" in place} <= set(
        world.planted.found(kept)
    )


# -- none is found -------------------------------------------------------------------------------


def test_no_secret_is_in_an_outcome(seen: Seen) -> None:
    for name, told in {**seen.told, **seen.main}.items():
        assert not seen.world.planted.found(json.dumps(told).encode()), name


def test_no_secret_is_in_a_file_but_where_it_was_written(seen: Seen) -> None:
    """Logs, records, contents, mirrors, temporary files, the log of Redis; all that commands, pages
    and messages said; and the arguments of all programs."""
    world = seen.world
    found = {
        str(path.relative_to(world.folder)): places
        for path, content in files(world.folder)
        if world.kept not in path.parents
        if (places := world.planted.found(content))
    }
    assert found == {}


def test_no_secret_is_in_redis(seen: Seen) -> None:
    keys = list(everything_in_redis(seen.world.stack))
    assert len(keys) > 10
    assert not [one[:200] for one in keys if seen.world.planted.found(one)]


def test_no_secret_is_in_an_object_of_git(seen: Seen) -> None:
    looked = 0
    for mirror in seen.world.folder.rglob("objects"):
        listed = Bare(mirror.parent).git("cat-file", "--batch-all-objects", "--batch")
        assert not seen.world.planted.found(listed), mirror
        looked += bool(listed)
    assert looked >= 2  # the mirror and the remote


def everything_in_redis(stack: Stack) -> Iterator[bytes]:
    """Every key with its value."""
    client = stack.redis
    for key in client.scan_iter():
        reads = {
            "string": client.get,
            "hash": client.hgetall,
            "list": lambda k: client.lrange(k, 0, -1),
            "set": client.smembers,
            "zset": lambda k: client.zrange(k, 0, -1),
            "stream": client.xrange,
            "none": lambda k: None,  # it has just expired
        }
        yield repr((key, reads[client.type(key)](key))).encode()


def test_postgresql_and_a_bucket_hold_no_secret(
    postgresql: str,
    bucket_server: ObjectStore,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    planted = Planted()
    database = postgresql.replace("sync@", f"sync:{quote(planted.new('database'), safe='')}@")
    login, token = planted.new("kestra"), planted.new("git")
    planted.cores["bucket"] = SECRET
    variables = {
        **bucket_server.environment,
        "TENANTSYNC_DATABASE_URL": database,
        "TENANTSYNC_CONTENTS_URL": bucket_server.create(),
        "KESTRA_PASSWORD": login,
        "GIT_TOKEN": token,
    }
    who = Settings(logins=(Login(name=DEFAULT_USER, password=login),))
    with Stack(tmp_path, who, **variables) as stack, Reflector() as hostile:
        stack.git.token = token
        main = yaml.safe_load(stack.config.read_text())["repositories"]["main"]
        away = {**main, "url": f"{hostile.url}/acme/flows.git"}
        stack.configure(repositories={"main": main, "hostile": away})
        stack.worker(level="DEBUG")
        stack.kestra.seed(flows=[flow(NS, "one")])
        assert stack.export(repository="main")["state"] == "APPLIED"
        assert stack.export(repository="hostile")["state"] == "FAILED"
        assert "git" in planted.found("".join(hostile.told).encode())
        assert not [one for one in everything_in_redis(stack) if planted.found(one)]
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        assert not planted.found(_rows(postgresql))
        store = blobs(variables["TENANTSYNC_CONTENTS_URL"])
        contents = b"".join(store.read(path) for path, _ in store.all())
        assert b"id: one" in contents and not planted.found(contents)
    found = {path: names for path, content in files(tmp_path) if (names := planted.found(content))}
    assert found == {}


def _rows(url: str) -> bytes:
    """Every row of every table."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    try:
        with engine.connect() as db:
            names = inspect(db).get_table_names()
            rows = [row for name in names for row in db.execute(text(f"SELECT * FROM {name}"))]
    finally:
        engine.dispose()
    assert len(names) > 5 and len(rows) > 5
    return repr(rows).encode()
