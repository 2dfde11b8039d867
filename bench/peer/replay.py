"""A whole TenantSync of plugin-git: its calls in its order, its clone, its commit.

The order is that of plugin-git's `TenantSync.run` (2.0 and 3.0): clone; pages of namespaces; for
each namespace an archive of its flows, a validation of each of them, a listing of each folder and
a read of each file; then dashboards, a list and a read of each. Nothing is asked twice at a time.
What the plugin computes by itself is left out, and git stands in for JGit: a replay is faster than
the plugin.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from bench.baregit import run
from bench.barekestra import flow_path
from bench.peer.calls import PeerCalls

_DASHBOARDS = "_global/dashboards"
_WHO = ("-c", "user.name=Bench", "-c", "user.email=bench@example.org")


class DiffersError(Exception):
    """Both sides are not equal, where nothing was to be found."""


def no_change(calls: PeerCalls, url: str, folder: Path) -> None:
    """`sourceOfTruth: GIT` on two equal sides: reads all of both, finds nothing to write.

    `folder` must be absent. Dashboards are read and not compared: the plugin knows them by title.
    Raises DiffersError.
    """
    run("clone", "--quiet", "--branch", "main", url, str(folder))
    held = read_tenant(calls)
    if _without_dashboards(_files_of(folder)) != _without_dashboards(held):
        raise DiffersError(f"{url} does not hold what the tenant holds")
    _staged(folder)


def first_export(calls: PeerCalls, url: str, folder: Path) -> None:
    """`sourceOfTruth: KESTRA` into the empty repository `url`: reads all, one commit, one push.

    `folder` must be absent.
    """
    run("clone", "--quiet", url, str(folder))
    _write(folder, read_tenant(calls))
    _staged(folder)
    run("-C", str(folder), *_WHO, "commit", "--quiet", "--message", "Tenant sync from Kestra")
    run("-C", str(folder), "push", "--quiet", url, "HEAD:refs/heads/main")


def read_tenant(calls: PeerCalls) -> dict[str, bytes]:
    """Everything that the tenant holds, by its path in Git."""
    held: dict[str, bytes] = {}
    for namespace in calls.namespaces():
        for text in calls.flows(namespace):
            calls.validate(text)
            held[flow_path(text)] = text
        for path in _walk(calls, namespace, None):
            held[f"{namespace}/files/{path}"] = calls.file(namespace, path)
    for name in calls.dashboards():
        held[f"{_DASHBOARDS}/{name}.yaml"] = calls.dashboard(name)
    return held


def _walk(calls: PeerCalls, namespace: str, folder: str | None) -> Iterator[str]:
    """The paths of all files, each folder listed by a call of its own."""
    for name, is_folder in calls.folder(namespace, folder):
        path = name if folder is None else f"{folder}/{name}"
        if is_folder:
            yield from _walk(calls, namespace, path)
        else:
            yield path


def _staged(folder: Path) -> None:
    run("-C", str(folder), "add", ".")
    run("-C", str(folder), "add", "--update", ".")


def _write(folder: Path, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)


def _files_of(folder: Path) -> dict[str, bytes]:
    """Every file of a working tree."""
    found = (path for path in folder.rglob("*") if path.is_file())
    paths = ((path.relative_to(folder).as_posix(), path) for path in found)
    return {name: path.read_bytes() for name, path in paths if not name.startswith(".git/")}


def _without_dashboards(files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {path: text for path, text in files.items() if not path.startswith(_DASHBOARDS)}
