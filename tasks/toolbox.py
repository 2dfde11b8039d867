"""All that a step may touch, built once per process: records, contents, both sides."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

from tasks.circuit import Circuit
from tasks.config import Config, load
from tasks.connections import KestraConnection, RepositoryConnection
from tasks.kestra.side import KestraSide
from tasks.record import Record
from tasks.repo.side import RepoSide
from tasks.store.bases import Bases
from tasks.store.contents import Contents
from tasks.store.database import Database
from tasks.store.known import KnownSides
from tasks.store.parts import Parts
from tasks.store.runs import Runs


class Places(Record):
    """Where this host keeps things."""

    config: Path
    data: Path
    database_url: str
    contents_url: str
    #: Protocols that Git may use; https and ssh unless the operator adds http or file.
    protocols: tuple[str, ...] = ("https", "ssh")


class Toolbox:
    """The tools of one process. Connections open on first use and are kept until `close`."""

    def __init__(self, places: Places, circuit: Circuit | None = None) -> None:
        self.places = places
        self._circuit = circuit
        self._config: tuple[float, Config] | None = None
        self._kestras: dict[KestraConnection, KestraSide] = {}
        self._repositories: dict[RepositoryConnection, RepoSide] = {}

    @property
    def config(self) -> Config:
        """The configuration, read again when its file was changed."""
        changed = _modified(self.places.config)
        if self._config is None or self._config[0] != changed:
            self._config = (changed, load(self.places.config))
        return self._config[1]

    @cached_property
    def database(self) -> Database:
        return Database(self.places.database_url)

    @cached_property
    def runs(self) -> Runs:
        return Runs(self.database)

    @cached_property
    def parts(self) -> Parts:
        return Parts(self.database)

    @cached_property
    def bases(self) -> Bases:
        return Bases(self.database)

    @cached_property
    def known(self) -> KnownSides:
        return KnownSides(self.database)

    @cached_property
    def contents(self) -> Contents:
        return Contents(self.places.contents_url)

    def kestra(self, name: str | None) -> KestraSide:
        """The Kestra side of that name in the configuration (None: the only one)."""
        connection = self.config.kestra_connection(name)
        if connection not in self._kestras:
            self._kestras[connection] = KestraSide(connection, self._circuit)
        return self._kestras[connection]

    def repository(self, name: str | None) -> RepoSide:
        """The Git side of that name in the configuration (None: the only one)."""
        connection = self.config.repository(name)
        if connection not in self._repositories:
            self._repositories[connection] = RepoSide(
                connection, self.places.data, self.places.protocols
            )
        return self._repositories[connection]

    def close(self) -> None:
        """Closes the connections of this process."""
        for side in self._kestras.values():
            side.close()
        self._kestras.clear()
        if "database" in self.__dict__:
            self.database.close()


def _modified(path: Path) -> float:
    try:
        return os.stat(path).st_mtime_ns  # noqa: PTH116
    except OSError:
        return 0.0
