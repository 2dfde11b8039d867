"""What does a chapter work with? The screen, the servers, the people, and commands whose ends and
figures are looked at: whatever is not as told ends the demo by its name."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

from rich.text import Text

from tasks.errors import TenantSyncError
from tasks.outcome import State
from tasks.run import Run
from tasks.toolbox import Toolbox
from workers.demo.folder import Folder
from workers.demo.person import Robin, Sam
from workers.demo.screen import Screen
from workers.demo.servers import WORKERS, Servers
from workers.demo.typed import Cut, Said, run, tenantsync
from workers.runtime import places
from workers.settings import load

#: Seconds between two looks at how far a run is.
_LOOK = 0.4
_ALL = Cut()


class NotAsTold(TenantSyncError):
    """A step of the demo ended in another way than the story says."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of the story: its title, and what happens."""

    title: str
    play: Callable[[Stage], None]


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that has to be so."""

    what: str
    found: object
    expected: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Typed:
    """What came of one command: what it said, the run it was about, seconds, calls to Kestra."""

    said: Said
    run: Run
    seconds: float
    calls: int


@dataclass(slots=True, kw_only=True)
class Stage:
    """Everything on the stage, and what is to be remembered at the end."""

    screen: Screen
    folder: Folder
    servers: Servers
    tools: Toolbox
    robin: Robin
    sam: Sam
    #: Runs that are worth a look afterwards, by what they show.
    memorable: dict[str, str] = field(default_factory=dict)
    _step: str = ""
    _figure: str = ""

    @classmethod
    def opened(cls, screen: Screen, folder: Folder, servers: Servers) -> Self:
        """The stage of a demo whose servers run; `close` it at the end."""
        return cls(
            screen=screen,
            folder=folder,
            servers=servers,
            tools=Toolbox(places(load())),
            robin=Robin(servers.git, folder.clone),
            sam=Sam(servers.kestra.url),
        )

    def close(self) -> None:
        self.tools.close()

    def introduce(self) -> None:
        """Says what runs and what it holds."""
        kestra = self.servers.kestra
        flows = kestra.flows()
        self.screen.fact("Kestra", kestra.url)
        self.screen.fact(
            "Tenant",
            f"{len({namespace for namespace, _ in flows})} namespaces, {len(flows)} flows, "
            f"{len(kestra.files())} files, {len(kestra.dashboards())} dashboards",
        )
        self.screen.fact("Git", self.servers.git, "an empty repository")
        self.screen.fact("Celery", f"{len(WORKERS)} workers", "on an embedded Valkey")
        self.screen.fact("Folder", self.folder.shown, "made anew")

    def begin(self, number: int, chapter: Chapter) -> None:
        """Shows the head of a chapter, then plays it."""
        self._step = f"chapter {number}, {chapter.title}"
        self.screen.chapter(number, chapter.title)
        chapter.play(self)

    def types(self, command: str, cut: Cut = _ALL, *, code: int = 0) -> Typed:
        """Runs `tenantsync ...` as typed and shows what it says; raises NotAsTold where it ends
        with another exit code."""
        self.screen.types(command)
        self.servers.kestra.reset_log()
        begun = time.monotonic()
        with self.screen.busy("starting", _Progress(self.tools)):
            said = run(
                tenantsync(shlex.split(command)[1:]),
                columns=self.screen.room,
                terminal=self.screen.coloured,
                environment=os.environ,
            )
        seconds = time.monotonic() - begun
        self._figure = f"{seconds:.1f} s"
        self.screen.shows(cut.of(said.lines))
        self._expect_code(command, said, code)
        calls = len(self.servers.kestra.log())
        newest = self.tools.runs.newest(1)[0]
        return Typed(said=said, run=newest, seconds=seconds, calls=calls)

    def git(self, command: str, *, without: tuple[str, ...] = ()) -> None:
        """Runs `git ... && git ...` in Robin's clone as typed and shows what it says, blank
        lines and those that begin with one of `without` aside."""
        self.screen.types(command)
        said = "".join(self.robin.git(*shlex.split(one)[1:]) for one in command.split(" && "))
        lines = [line for line in said.splitlines() if line.strip()]
        self.screen.shows(Text(line) for line in lines if not line.strip().startswith(without))

    def proves(self, words: str, *claims: Claim) -> None:
        """Shows what was proven by the last command; raises NotAsTold at the first claim that
        does not hold."""
        for claim in claims:
            if claim.found != claim.expected:
                raise NotAsTold(
                    f"{self._step}: {claim.what}: expected {claim.expected}, found {claim.found}"
                )
        self.screen.proves(words, self._figure)

    def _expect_code(self, command: str, said: Said, code: int) -> None:
        if said.code != code:
            words = " | ".join(said.errors.strip().splitlines()[-4:])
            raise NotAsTold(
                f"{self._step}: `{command}` ended with {said.code}, expected {code}: {words}"
            )


class _Progress:
    """Says how far the newest run is; looks at the records now and then."""

    def __init__(self, tools: Toolbox) -> None:
        self._tools = tools
        self._next = 0.0
        self._words = ""

    def __call__(self) -> str:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + _LOOK
            self._words = next(iter(map(self._of, self._tools.runs.newest(1))), "")
        return self._words

    def _of(self, newest: Run) -> str:
        words = f"run {newest.id}"
        if newest.state is State.PLANNING:
            done, total = self._tools.parts.progress(newest.id)
            how = f"{done} of {total} parts compared" if total else "reading both sides"
            return f"{words}  {how}"
        if newest.state is State.WRITING:
            writers = self._tools.parts.writes(newest.id)
            done = sum(row.result is not None for row in writers)
            return f"{words}  {done} of {len(writers)} writers done"
        return "" if newest.state.at_rest else words
