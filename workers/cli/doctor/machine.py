"""Checks of this machine: settings, data directory, configuration, git and ssh."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tasks.errors import ConfigError, TenantSyncError
from workers.cli.desk import login
from workers.cli.doctor.finding import Check, Finding, Subject

if TYPE_CHECKING:
    from tasks.config import Config
    from workers.settings import Settings

_GIT, _SSH = Subject("git"), Subject("ssh")
_SETTINGS, _DATA = Subject("settings"), Subject("data directory")
_CONFIGURATION, _YOU = Subject("configuration"), Subject("you")
#: The oldest git that the Git side was written for: Debian 12 has it.
OLDEST_GIT = (2, 39)
#: Bytes below which a disk is nearly full (mirrors and contents grow), and below which it is full:
#: one fetch or one plan may take as much.
LITTLE, NOTHING = 1 << 30, 64 << 20


def settings() -> tuple[Settings | None, list[Finding]]:
    """The settings, None where the environment has mistakes; and the data directory."""
    from workers.settings import load

    try:
        chosen = load()
    except ConfigError as error:
        return None, [_SETTINGS.broken(Check.SETTINGS, error.message)]
    finding = _writable(chosen.data) or disk(_DATA, Check.DATA_DIRECTORY, chosen.data)
    usable = finding.check is Check.DATA_DIRECTORY and chosen.data.is_dir()
    return (chosen if usable else None), [finding]


def _writable(data: Path) -> Finding | None:
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        with tempfile.NamedTemporaryFile(dir=data, prefix="doctor-") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        text = f"{data}: {error.strerror}; make it writable, or name another with TENANTSYNC_DATA"
        return _DATA.broken(Check.DATA_DIRECTORY, text)
    return None


def disk(subject: Subject, check: Check, folder: Path) -> Finding:
    """How much room a folder of ours has left."""
    free = shutil.disk_usage(folder).free
    text = f"{folder}, {free / (1 << 30):.1f} GiB free"
    if free < NOTHING:
        return subject.broken(check, f"{folder} has {free >> 20} MiB left: free some, or move it")
    if free < LITTLE:
        return subject.warning(check, f"{text}: mirrors and contents grow, so give it more")
    return subject.ok(check, text)


def configuration(chosen: Settings) -> tuple[Config | None, list[Finding]]:
    """The configuration, None where it has mistakes; overlaps, and who the login name is."""
    from tasks.config import load as load_config
    from tasks.overlaps import overlaps

    try:
        config = load_config(chosen.config)
    except ConfigError as error:
        return None, [_CONFIGURATION.broken(Check.CONFIGURATION, error.message)]
    text = f"{chosen.config}: {len(config.syncs)} syncs"
    findings = [_CONFIGURATION.ok(Check.CONFIGURATION, text)]
    findings += [_CONFIGURATION.warning(Check.CONFIGURATION, text) for text in overlaps(config)]
    try:
        actor = config.actor(login())
        roles = ", ".join(sorted(actor.roles))
        findings.append(_YOU.ok(Check.PERSON, f"{actor.name}: {roles}"))
    except TenantSyncError as error:
        findings.append(_YOU.warning(Check.PERSON, error.message))
    return config, findings


def git(chosen: Settings, config: Config | None, patience: float) -> list[Finding]:
    """The git program and its version; ssh where a repository is reached by it."""
    from tasks.repo.command import Git

    run = Git(home=chosen.data, place="this machine", allowed=(), timeout=patience).run
    said = run("version").text
    match = re.search(r"(\d+)\.(\d+)", said)
    version = (int(match[1]), int(match[2])) if match else (0, 0)
    if version < OLDEST_GIT:
        text = f"{said} is too old: install 2.39 or newer where workers run"
        return [_GIT.broken(Check.GIT, text), *_ssh(config)]
    return [_GIT.ok(Check.GIT, said), *_ssh(config)]


def _ssh(config: Config | None) -> list[Finding]:
    from tasks.repo.url import check_url

    wanting = []
    for name, repository in (config.repositories if config else {}).items():
        try:
            if check_url(repository.url, ("https", "ssh", "http", "file")).scheme == "ssh":
                wanting.append(name)
        except TenantSyncError:
            continue  # the look at this repository says it
    if not wanting:
        return []
    program, names = shutil.which("ssh"), ", ".join(sorted(wanting))
    if program is None:
        text = f"there is no ssh program in PATH: install OpenSSH's client (needed by {names})"
        return [_SSH.broken(Check.SSH, text)]
    return [_SSH.ok(Check.SSH, f"{program} (for {names})")]
