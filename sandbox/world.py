"""What one server holds: its tenants, and the switches, faults and log that go with them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .catalogue import Catalogue
from .dashboards import DashboardStore
from .faults import Faults
from .files import NamespaceFiles
from .flows import FlowStore
from .kv import KvStore
from .requestlog import RequestLog
from .settings import Settings, Switches


@dataclass(slots=True)
class Tenant:
    """Everything that belongs to one tenant."""

    name: str
    flows: FlowStore = field(default_factory=FlowStore)
    dashboards: DashboardStore = field(default_factory=DashboardStore)
    kv: KvStore = field(default_factory=KvStore)
    #: Namespaces that were created by name (EE).
    created_namespaces: set[str] = field(default_factory=set)
    _files: dict[str, NamespaceFiles] = field(default_factory=dict)
    #: Live entries by folder path, over all namespaces.
    _entries: Counter[str] = field(default_factory=Counter)

    def files(self, namespace: str) -> NamespaceFiles:
        """The files of a namespace, empty where there are none."""
        found = self._files.get(namespace)
        if found is None:
            found = self._files[namespace] = NamespaceFiles(namespace, self._entries)
        return found

    def all_files(self) -> list[NamespaceFiles]:
        """The files of every namespace that ever had some."""
        return list(self._files.values())

    @property
    def storage_objects(self) -> int:
        """Contents in the storage, revisions nobody reads any more included."""
        return sum(len(files.storage) for files in self._files.values())


class World:
    """The state of one server; only its event loop touches it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.switches = Switches.from_settings(settings)
        self.faults = Faults()
        self.log = RequestLog()
        #: Called after each change of a tenant with the login that made it; None = an edit of a
        #: test. What it reads is what this change has left.
        self.witness: Callable[[str | None], None] = lambda who: None
        self._tenants: dict[str, Tenant] = {}
        for name in ("main",) if settings.oss_strict else settings.tenants:
            self._tenants[name] = Tenant(name)

    @property
    def catalogue(self) -> Catalogue:
        """The plugin types as they are installed now."""
        return Catalogue(self.switches.missing_plugins)

    def tenant(self, name: str) -> Tenant | None:
        """A tenant by name."""
        return self._tenants.get(name)

    def tenant_names(self) -> list[str]:
        """All tenants, sorted."""
        return sorted(self._tenants)

    def reset(self, name: str) -> None:
        """Make a tenant empty, as new."""
        self._tenants[name] = Tenant(name)
