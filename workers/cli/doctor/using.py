"""Which named syncs use a connection, and which of them write it?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from tasks.requests import Side, Task

if TYPE_CHECKING:
    from tasks.config import Config


def syncs_of(config: Config, key: Literal["kestra", "repository"], name: str) -> dict[str, Task]:
    """The named syncs that use a connection."""
    tasks = {each: config.sync(each) for each in config.syncs}
    return {each: task for each, task in tasks.items() if getattr(task, key) == name}


def writing_to(side: Side, syncs: Mapping[str, Task]) -> list[str]:
    """The names of those that write a side, dry runs aside."""
    return [name for name, task in syncs.items() if writes(task, side)]


def writes(task: Task, side: Side) -> bool:
    return not task.dry_run and any(task.source(kind) is not side for kind in task.kinds)
