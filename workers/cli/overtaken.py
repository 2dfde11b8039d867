"""The texts of other writers that a run has overwritten unseen, as far as they are kept."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import typer

from tasks.patch import patch
from tasks.plan import Change
from tasks.run import Run
from tasks.toolbox import Toolbox
from tasks.writes import results
from workers.cli.console import say
from workers.cli.patches import show_patch


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """One text, and the change that has overwritten it."""

    change: Change
    content: bytes


def show_overtaken(tools: Toolbox, run: Run, key: str | None) -> None:
    """All of them as one patch that leads from them to what was written; with a key the newest of
    that key, byte for byte. Exits with 1 where there is none."""
    kept = [one for one in _kept(tools, run) if key in (None, str(one.change.key))]
    if not kept:
        where = "" if key is None else f" of {key}"
        say(f"run {run.id} keeps no text{where} that it has overwritten unseen")
        raise typer.Exit(1)
    if key is not None:
        show_patch(kept[-1].content)
        return
    show_patch(b"".join(patch(one.change, one.content, _after(tools, one)) for one in kept))


def _kept(tools: Toolbox, run: Run) -> Iterator[_Kept]:
    for result in results(tools, run):
        for ended in result.ended:
            for one in ended.overtaken:
                if one.kept_content is not None:
                    content = tools.contents.get(one.kept_content)
                    yield _Kept(change=ended.change, content=content)


def _after(tools: Toolbox, one: _Kept) -> bytes | None:
    return tools.contents.get(one.change.after_content) if one.change.after_content else None
