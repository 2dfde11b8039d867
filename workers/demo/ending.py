"""What is there to do after the demo? Commands to look around, and how to keep the servers."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress

from workers.demo.folder import Folder
from workers.demo.screen import Screen
from workers.demo.servers import Servers, until


def farewell(
    screen: Screen, folder: Folder, memorable: Mapping[str, str], seconds: float, *, keep: bool
) -> None:
    """Says what lies in the folder and what to type to look at it."""
    screen.chapter(0, "Look around")
    screen.says(f"Told in {seconds:.0f} s. All its runs, texts and decisions are kept:")
    screen.blank()
    screen.commands(
        [
            (f"cd {folder.shown} && . ./env", "in a shell of yours" if keep else ""),
            ("tenantsync runs list", "all runs, newest first"),
            ("tenantsync runs show last", "one run: who asked, its plan, how it ended"),
            *((f"tenantsync {command}", what) for what, command in memorable.items()),
            ("tenantsync audit list", "who did what"),
        ]
    )
    screen.blank()
    if not keep:
        screen.says(f"The servers are stopped; `{_again()}` keeps them running.")
    screen.says(f"When you are done: rm -r {folder.shown}")
    screen.says("Your own Kestra and repository, by configuration alone: README.md")


def kept(screen: Screen, servers: Servers) -> None:
    """Says where everything runs; comes back at ctrl-C or SIGTERM, or when one has ended."""
    screen.blank()
    screen.says("Everything runs on until ctrl-C:")
    screen.fact("Kestra", servers.kestra.url, "its API")
    screen.fact("Git", servers.git, "to clone from and push to")
    screen.fact("Flower", servers.flower or "", "workers and jobs")
    screen.says("Change something on either side, then: tenantsync sync deploy --dry-run")
    with suppress(KeyboardInterrupt), screen.busy("running"):
        until(lambda: bool(servers.ended()), float("inf"))
    if ended := servers.ended():
        screen.says(f"{', '.join(ended)} ended by itself; the others are stopped too.")


def _again() -> str:
    return "make demo ARGS=--keep" if "MAKELEVEL" in os.environ else "tenantsync demo --keep"
