"""`tenantsync demo`: the whole story of a tenant and its repository, told on this machine.

This module sets the stage, has the chapters played in order, and says what to type next.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from workers.demo.folder import Folder
from workers.demo.screen import Screen

#: Exit codes: all was as told; something was not; ended by ctrl-C, as shells write it.
TOLD, NOT_AS_TOLD, INTERRUPTED = 0, 1, 130


def main(*, keep: bool = False, folder: Path) -> int:
    """Plays the demo in a folder that it makes anew; returns the exit code of the command.

    With `keep` the servers and workers run on after it, until ctrl-C or SIGTERM.
    Raises UserError where the folder is in use, or holds something else than an earlier demo.
    """
    screen = Screen(sys.stdout)
    try:
        with _ended_softly():
            place = Folder.made(folder)
            _environment(place)
            return _play(screen, place, keep=keep)
    except KeyboardInterrupt:
        screen.says("Ended; everything that the demo started is stopped.")
        return INTERRUPTED


def _play(screen: Screen, folder: Folder, *, keep: bool) -> int:
    from workers.demo.chapters import CHAPTERS
    from workers.demo.ending import farewell, kept
    from workers.demo.servers import started
    from workers.demo.stage import NotAsTold, Stage

    screen.title()
    begun = time.monotonic()
    with started(screen, folder, flower=keep) as servers:
        stage = Stage.opened(screen, folder, servers)
        try:
            stage.introduce()
            for number, chapter in enumerate(CHAPTERS, 1):
                stage.begin(number, chapter)
        except NotAsTold as error:
            screen.fails(error.message, f"{folder.shown}/{folder.logs.name}")
            return NOT_AS_TOLD
        finally:
            stage.close()
        farewell(screen, folder, stage.memorable, time.monotonic() - begun, keep=keep)
        if keep:
            kept(screen, servers)
    return TOLD


def _environment(folder: Folder) -> None:
    """Sets the environment of this process and all that it starts: of the settings of whoever
    runs the demo none is used, least of all their Redis."""
    for name in [name for name in os.environ if name.startswith("TENANTSYNC_")]:
        del os.environ[name]
    os.environ.update(folder.settings)
    # The servers of the demo are on this machine; a proxy would look for them elsewhere.
    os.environ.update({"NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"})
    os.environ["PYTHONPATH"] = os.pathsep.join(
        [str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    )


@contextmanager
def _ended_softly() -> Iterator[None]:
    """SIGTERM and a closed terminal end the demo as ctrl-C does: nothing is left running."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before: dict[int, Any] = {
        number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
