"""What doctor says of this machine, its settings and times."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.doctor.patient import Patient

#: Nothing listens there.
CLOSED = "http://127.0.0.1:9"
KESTRA = {"kestra": {"main": {"url": CLOSED}}}
REPOSITORIES = {"repositories": {"flows": {"url": f"{CLOSED}/flows.git"}}}
SYNCS = {"deploy": {"sourceOfTruth": "GIT", "branch": "main"}}


def path_with(folder: Path, **programs: str) -> str:
    """A PATH of this folder alone, with these shell scripts as programs."""
    folder.mkdir()
    for name, script in programs.items():
        program = folder / name
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return str(folder)


def test_settings_with_mistakes_are_named(patient: Patient) -> None:
    told = patient.told(TENANTSYNC_HEARTBEAT="20")
    told.has("broken", "settings", "HEARTBEAT (20 s) must be less than a third")
    assert told.code == 1


def test_a_configuration_with_mistakes_hides_nothing_else(patient: Patient) -> None:
    patient.config.write_text("kestra: [\n")
    told = patient.told()
    told.has("broken", "configuration", "tenantsync.yaml:")
    for check in ("git", "redis", "database", "contents"):
        told.has("ok", check)


def test_a_git_that_is_too_old(patient: Patient, tmp_path: Path) -> None:
    path = path_with(tmp_path / "bin", git="echo git version 2.30.2")
    told = patient.told(PATH=path)
    told.has("broken", "git", "2.30.2 is too old", "2.39")


def test_no_git(patient: Patient, tmp_path: Path) -> None:
    told = patient.told(PATH=path_with(tmp_path / "bin"))
    told.has("broken", "git", "install git (2.39 or newer)")


def test_no_ssh_where_a_repository_needs_it(patient: Patient, tmp_path: Path) -> None:
    path = path_with(tmp_path / "bin", git="echo git version 2.45.1")
    patient.configure(**REPOSITORIES)
    assert not patient.told(PATH=path).of("ssh")
    patient.configure(repositories={"flows": {"url": "git@git.example:acme/flows.git"}})
    told = patient.told(PATH=path)
    told.has("broken", "ssh", "no ssh program in PATH", "needed by flows")


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A file system of one MiB, which a test may fill."""
    folder = tmp_path / "small"
    folder.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if done.returncode:
        pytest.skip("needs the right to mount a file system")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(folder: Path) -> None:
    """Takes all the room that its file system has."""
    with suppress(OSError), (folder / "filling").open("wb", buffering=0) as file:
        while True:
            file.write(b"x" * 4096)


def test_a_full_disk(patient: Patient, small: Path) -> None:
    told = patient.told(TENANTSYNC_DATA=str(small))
    told.has("broken", "data-directory", "MiB left: free some")
    fill(small)
    told = patient.told(TENANTSYNC_DATA=str(small))
    told.has("broken", "data-directory")


def test_records_on_a_full_disk(patient: Patient, small: Path) -> None:
    url = f"sqlite:///{small}/records.db"
    patient.told(TENANTSYNC_DATABASE_URL=url).has("ok", "database")
    fill(small)
    told = patient.told(TENANTSYNC_DATABASE_URL=url)
    told.has("broken", "database", "records database", "free some of its disk")


def test_a_data_directory_that_cannot_be_written(patient: Patient, small: Path) -> None:
    (small / "data").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    told = patient.told(TENANTSYNC_DATA=str(small / "data"))
    told.has("broken", "data-directory", "Read-only file system", "TENANTSYNC_DATA")


def test_records_that_cannot_be_written(patient: Patient, small: Path) -> None:
    url = f"sqlite:///{small}/records.db"
    patient.told(TENANTSYNC_DATABASE_URL=url).has("ok", "database")
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    told = patient.told(TENANTSYNC_DATABASE_URL=url)
    told.has("broken", "database", "records database", "folder")


def test_a_data_directory_that_is_a_file(patient: Patient) -> None:
    patient.data.write_text("")
    told = patient.told()
    told.has("broken", "data-directory", "File exists", "TENANTSYNC_DATA")


def test_a_lease_longer_than_the_visibility(patient: Patient) -> None:
    told = patient.told(TENANTSYNC_LEASE="90")
    told.has("warning", "times", "TENANTSYNC_LEASE (90 s)", "set the lease to 30")
    assert told.code == 0


def test_a_timeout_that_no_lease_outlasts(patient: Patient) -> None:
    kestra = {"main": {"url": CLOSED, "timeout": 25}}
    patient.configure(kestra=kestra, **REPOSITORIES, syncs=SYNCS)
    told = patient.told()
    told.has("broken", "times", "timeout 25 s", "Lower the timeout to 20", "lease to 38")
    patient.configure(kestra=kestra)
    patient.told().has("note", "times", "were a sync to write it")
    patient.told(TENANTSYNC_LEASE="38").has("warning", "times", "TENANTSYNC_LEASE (38 s)")


def test_timeouts_longer_than_a_job_may_take(patient: Patient) -> None:
    kestra = {"main": {"url": CLOSED, "bulkTimeout": 300}}
    repositories = {"flows": {"url": f"{CLOSED}/flows.git", "timeout": 300}}
    patient.configure(kestra=kestra, repositories=repositories)
    told = patient.told(TENANTSYNC_TIME_LIMIT="200", TENANTSYNC_SOFT_TIME_LIMIT="180")
    told.has("warning", "times", "bulkTimeout 300 s is not shorter")
    told.has("warning", "times", "timeout 300 s is not shorter")


def test_contents_and_their_disk(patient: Patient, small: Path) -> None:
    told = patient.told(TENANTSYNC_CONTENTS_URL=str(small))
    told.has("broken", "contents", "MiB left")


def test_contents_that_cannot_be_written(patient: Patient, tmp_path: Path) -> None:
    (tmp_path / "contents").write_text("")
    told = patient.told(TENANTSYNC_CONTENTS_URL=str(tmp_path / "contents"))
    told.has("broken", "contents", "contents store", "TENANTSYNC_CONTENTS_URL")
    told = patient.told(TENANTSYNC_CONTENTS_URL="nosuch://bucket/contents")
    told.has("broken", "contents", "nosuch", "install the package")
    assert (tmp_path / "contents").is_file()
