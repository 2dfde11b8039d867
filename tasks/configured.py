"""Which servers, repositories, people and syncs are there? The configuration file as values, and
names looked up in it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import Discriminator, Tag, field_validator

from tasks.access import Actor, Person, local_actor
from tasks.connections import KestraConnection, RepositoryConnection
from tasks.errors import UserError
from tasks.names import advice
from tasks.record import Record
from tasks.requests import Branch, Name, NamespaceSync, Side, Sync, Task, TenantSync
from tasks.schedule import ScheduleField

#: Where the configuration is when TENANTSYNC_CONFIG does not say.
DEFAULT_PATH = Path("tenantsync.yaml")

Placed = TypeVar("Placed", bound=Record)
#: The fields of connections, and of the secrets and logins in them, that are paths.
_PATHS = frozenset(
    {"file", "ca_file", "client_certificate", "client_key", "ssh_key", "known_hosts"}
)
#: Names of syncs that the command line takes for its own.
_TAKEN = frozenset({"tenant", "namespace"})
AnySync = TypeVar("AnySync", bound=Sync)


class ConfiguredTenantSync(TenantSync):
    """A named sync of a whole tenant."""

    plan: None = None
    triggered_by: None = None
    schedule: ScheduleField = None
    """When it is asked by itself: a cron expression, or one with its time zone."""


class ConfiguredNamespaceSync(NamespaceSync):
    """A named sync of the flows and files of one namespace, without its children."""

    plan: None = None
    triggered_by: None = None
    schedule: ScheduleField = None
    """When it is asked by itself: a cron expression, or one with its time zone."""


def _sync_type(value: Any) -> str:
    """The type of a sync: as written, else `namespaceSync` where it names a namespace."""
    if isinstance(value, Sync):
        return str(getattr(value, "type", ""))
    if not isinstance(value, Mapping):
        return "tenantSync"
    return str(value.get("type") or ("namespaceSync" if "namespace" in value else "tenantSync"))


ConfiguredSync = Annotated[
    Annotated[ConfiguredTenantSync, Tag("tenantSync")]
    | Annotated[ConfiguredNamespaceSync, Tag("namespaceSync")],
    Discriminator(_sync_type),
]


def _all_optional(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)


class Defaults(Sync, json_schema_extra=_all_optional):
    """Fields of every sync that does not give its own; only those that are written here count."""

    source_of_truth: Side = Side.GIT
    """Where the truth is: KESTRA exports to Git, GIT reconciles Kestra."""
    branch: Branch = "main"
    """The branch that holds the tenant."""
    plan: None = None
    triggered_by: None = None


class Config(Record, use_attribute_docstrings=True):
    """The configuration of one TenantSync."""

    kestra: Mapping[Name, KestraConnection] = {}
    """Kestra servers and tenants by name."""
    repositories: Mapping[Name, RepositoryConnection] = {}
    """Git repositories by name."""
    access: Mapping[Name, Person] = {}
    """The people by name; without any, whoever can log in to the machine may do everything."""
    defaults: Defaults | None = None
    """Fields of every sync that does not give its own."""
    syncs: Mapping[Name, ConfiguredSync] = {}
    """Syncs by name."""

    @field_validator("syncs")
    @classmethod
    def _names_are_free(cls, syncs: Mapping[str, Any]) -> Mapping[str, Any]:
        for name in sorted(syncs.keys() & _TAKEN):
            raise ValueError(f"{name} is a command (`tenantsync sync {name}`); choose another name")
        return syncs

    def sync(self, name: str) -> Task:
        """The task of a named sync, its connections named; raises UserError for an unknown name."""
        if name not in self.syncs:
            raise UserError(f"there is no sync {name}; {advice(name, self.syncs)}")
        return self.resolve_task(_task(self.syncs[name]))

    def resolve_task(self, task: AnySync) -> AnySync:
        """The task with the names of its connections filled in, so that equal asks are equal.

        Raises UserError where a name is unknown, or is left out and there is not one alone.
        """
        names = {
            "kestra": self.kestra_name(task.kestra),
            "repository": self.repository_name(task.repository),
        }
        return task.model_copy(update=names)

    def kestra_name(self, name: str | None = None) -> str:
        return _chosen(name, self.kestra, "kestra")

    def repository_name(self, name: str | None = None) -> str:
        return _chosen(name, self.repositories, "repositories")

    def kestra_connection(self, name: str | None = None) -> KestraConnection:
        """A connection by name, None for the only one; raises UserError naming the choices."""
        return self.kestra[self.kestra_name(name)]

    def repository(self, name: str | None = None) -> RepositoryConnection:
        """A connection by name, None for the only one; raises UserError naming the choices."""
        return self.repositories[self.repository_name(name)]

    def actor(self, login: str) -> Actor:
        """Who acts on the command line under a login name; see `tasks.access.local_actor`."""
        return local_actor(self.access, login)

    def placed(self, folder: Path) -> Config:
        """The configuration with the paths of secrets, keys and certificates taken from a folder;
        `~` is the home of whoever reads it."""
        return self.model_copy(
            update={
                "kestra": {name: _placed(each, folder) for name, each in self.kestra.items()},
                "repositories": {
                    name: _placed(each, folder) for name, each in self.repositories.items()
                },
            }
        )


def _task(configured: ConfiguredTenantSync | ConfiguredNamespaceSync) -> Task:
    """The task alone, without what belongs to the configuration."""
    model = TenantSync if isinstance(configured, TenantSync) else NamespaceSync
    return model.model_validate({name: getattr(configured, name) for name in model.model_fields})


def _chosen(name: str | None, known: Mapping[str, object], section: str) -> str:
    if name is not None:
        if name not in known:
            raise UserError(f"there is no {name} in {section}: {advice(name, known)}")
        return name
    if len(known) == 1:
        return next(iter(known))
    choices = f"say which: {', '.join(sorted(known))}" if known else "add one"
    raise UserError(f"the configuration has {len(known)} entries in {section}: {choices}")


def _placed(record: Placed, folder: Path) -> Placed:
    """A connection, or what belongs to one, with its paths taken from a folder."""
    places: dict[str, object] = {}
    for name in type(record).model_fields:
        value = getattr(record, name)
        if isinstance(value, Record):
            places[name] = _placed(value, folder)
        elif name in _PATHS and value is not None:
            places[name] = _absolute(value, folder)
    return record.model_copy(update=places)


def _absolute(path: str, folder: Path) -> str:
    return str(folder.absolute() / Path(path).expanduser())
