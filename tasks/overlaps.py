"""Which syncs of the configuration undo each other? Two of one tenant and branch that write the
same artifacts in opposite directions."""

from __future__ import annotations

from itertools import combinations

from tasks.artifacts import Kind
from tasks.configured import Config
from tasks.requests import NamespaceSync, Task


def overlaps(config: Config) -> list[str]:
    """A warning for each two such syncs, in the order of the configuration; dry runs write
    nothing, so they are left out. Connections of two names but one address are one."""
    tasks = {name: config.sync(name) for name in config.syncs}
    writing = {name: task for name, task in tasks.items() if not task.dry_run}
    return [
        _warning(config, first, second, kinds)
        for first, second in combinations(writing, 2)
        if _pair(config, writing[first]) == _pair(config, writing[second])
        and _meet(writing[first], writing[second])
        and (kinds := _opposed(writing[first], writing[second]))
    ]


def _pair(config: Config, task: Task) -> tuple[str, ...]:
    """What makes two syncs ones of the same pair: server, tenant, repository, branch, folder."""
    server = config.kestra_connection(task.kestra)
    remote = config.repository(task.repository).url.rstrip("/").removesuffix(".git")
    return server.url.rstrip("/"), server.tenant, remote, task.branch, task.git_directory


def _meet(first: Task, second: Task) -> bool:
    """Whether two syncs share a namespace; a tenant sync holds all of them."""
    namespaces = {task.namespace for task in (first, second) if isinstance(task, NamespaceSync)}
    return len(namespaces) < 2


def _opposed(first: Task, second: Task) -> list[Kind]:
    """The kinds that both write, each in another direction."""
    both = [kind for kind in first.kinds if kind in second.kinds]
    return [kind for kind in both if first.source(kind) is not second.source(kind)]


def _warning(config: Config, first: str, second: str, kinds: list[Kind]) -> str:
    task = config.sync(first)
    way = f"{task.source(kinds[0])} to {task.source(kinds[0]).other}"
    return (
        f"syncs.{first} and syncs.{second} write {', '.join(kinds)} of the same tenant and branch"
        f" in opposite directions ({first}: {way}), so one undoes what the other wrote;"
        " give them different kinds, namespaces or branches, or keep one"
    )
