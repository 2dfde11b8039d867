"""Where does a demo play? A folder with a configuration like anybody's, made anew each time."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER
from tasks.errors import UserError
from workers.embedded import LINGER, STOP_LIMIT, Place

#: Stands in every folder of a demo: Git sees nothing of it, and the next demo knows it again.
_MARK = "# Made by `tenantsync demo`, which makes this folder anew each time.\n*\n"
_PASSWORD = "kestra-password"
#: Seconds to wait for the embedded server of an earlier demo, which outlives it a little.
_EARLIER = LINGER + STOP_LIMIT
_LOOK = 0.05

_CONFIG = """\
# The configuration of the demo: one Kestra, one repository, and a sync in each direction.
kestra:
  larkfield:
    url: {kestra}
    username: {user}
    password: {{file: {password}}}

repositories:
  flows:
    url: {git}

defaults:
  branch: main

syncs:
  export:
    sourceOfTruth: KESTRA
  deploy:
    sourceOfTruth: GIT
"""


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder of one demo and what lies in it."""

    path: Path

    @classmethod
    def made(cls, path: Path) -> Folder:
        """An empty folder at `path`; that of an earlier demo is removed first.

        Raises UserError where something else stands there or it is in use.
        """
        folder = cls(path.absolute())
        if folder.path.exists():
            folder._remove()
        try:
            folder.logs.mkdir(parents=True)
            folder._mark.write_text(_MARK, encoding="utf-8")
        except OSError as error:
            raise UserError(
                f"{folder.path}: {error.strerror}; name another folder with --folder"
            ) from error
        return folder

    @property
    def shown(self) -> str:
        """The path as it is typed: from the current folder where it lies below it."""
        here = Path.cwd()
        below = self.path.is_relative_to(here)
        return shlex.quote(str(self.path.relative_to(here) if below else self.path))

    @property
    def config(self) -> Path:
        return self.path / "tenantsync.yaml"

    @property
    def data(self) -> Path:
        """The data directory: records, contents, the embedded server."""
        return self.path / ".tenantsync"

    @property
    def logs(self) -> Path:
        """Where everything that the demo starts writes its log."""
        return self.path / "logs"

    @property
    def git(self) -> Path:
        """What the Git server serves."""
        return self.path / "git"

    @property
    def clone(self) -> Path:
        """The clone of the person in the story."""
        return self.path / "clone"

    @property
    def env(self) -> Path:
        """Read by a shell (`. env`), it makes `tenantsync` the command of this folder."""
        return self.path / "env"

    @property
    def settings(self) -> Mapping[str, str]:
        """The settings of every process of the demo."""
        return {"TENANTSYNC_CONFIG": str(self.config), "TENANTSYNC_GIT_PROTOCOLS": "http"}

    def configure(self, kestra: str, git: str) -> None:
        """Writes the configuration for these two servers, its secret beside it, and `env`."""
        text = _CONFIG.format(kestra=kestra, git=git, user=DEFAULT_USER, password=_PASSWORD)
        self.config.write_text(text, encoding="utf-8")
        secret = self.path / _PASSWORD
        secret.touch(mode=0o600)
        secret.write_text(DEFAULT_PASSWORD, encoding="utf-8")
        self.env.write_text(_shell(self.settings), encoding="utf-8")

    @property
    def _mark(self) -> Path:
        return self.path / ".gitignore"

    def _remove(self) -> None:
        if not self._is_ours():
            raise UserError(
                f"{self.path} is not the folder of a demo: move it away, or name another folder "
                "with --folder"
            )
        self._wait_for_earlier()
        shutil.rmtree(self.path)

    def _is_ours(self) -> bool:
        try:
            return self._mark.read_text(encoding="utf-8") == _MARK
        except (OSError, UnicodeDecodeError):
            return False

    def _wait_for_earlier(self) -> None:
        """Until nothing of an earlier demo runs here; a new server must not meet the old one's
        keeper."""
        place, limit = Place(self.data), time.monotonic() + _EARLIER
        while place.keeper.exists() and not _free(place.keeper, fcntl.LOCK_EX):
            # Whoever uses the server shares this lock; the keeper that stops it has it alone.
            used = _free(place.holders, fcntl.LOCK_SH) and not _free(place.holders, fcntl.LOCK_EX)
            if used or time.monotonic() > limit:
                raise UserError(
                    f"{self.path} is in use by another demo or command: end that first, or name "
                    "another folder with --folder"
                )
            time.sleep(_LOOK)


def _free(path: Path, how: int) -> bool:
    """Whether this process could have the lock now."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _shell(settings: Mapping[str, str]) -> str:
    """Lines for sh that set the variables and put `tenantsync` in reach."""
    script = Path(sys.executable).parent / "tenantsync"
    lines = [f"export {name}={shlex.quote(value)}" for name, value in settings.items()]
    if script.exists():
        lines.append(f"export PATH={shlex.quote(str(script.parent))}:$PATH")
    else:
        lines.append(f"export PYTHONPATH={shlex.quote(os.environ['PYTHONPATH'])}")
        lines.append(f'tenantsync() {{ {shlex.quote(sys.executable)} -m workers.cli "$@"; }}')
    return "\n".join([f"# Use by: . {shlex.quote('./env')}", *lines, ""])
