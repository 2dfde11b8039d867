"""Which plugin types the server knows, which fields they take, which are deprecated names."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from . import coretypes


def words(text: str) -> tuple[str, ...]:
    """The words of a text; lists of names are written that way here."""
    return tuple(text.split())


#: The fields that every task takes.
TASK_FIELDS = words(
    "logLevel timeout assets retry pluginDefaultsRef allowWarning version type id description"
    " taskCache workerGroup runIf logToFile disabled allowFailure"
)
#: The fields that every trigger takes.
TRIGGER_FIELDS = words(
    "allowConcurrent assets conditions description disabled failOnTriggerError id labels logLevel"
    " logToFile minLogLevel pluginDefaultsRef stopAfter type version workerGroup"
)
#: The types of an input.
INPUT_TYPES = words(
    "STRING SELECT INT FLOAT BOOLEAN BOOL DATETIME DATE TIME DURATION FILE JSON URI SECRET ARRAY"
    " MULTISELECT YAML EMAIL ENUM"
)

_CORE = "io.kestra.plugin.core."
_GIT = (
    "Clone NamespaceSync Push PushDashboards PushExecutionFiles PushFlows PushNamespaceFiles Sync"
    " SyncDashboards SyncFlow SyncFlows SyncNamespaceFiles TenantSync"
)


@dataclass(frozen=True, slots=True)
class Plugin:
    """One type: the fields it must have, and all it may have (empty = not checked)."""

    required: tuple[str, ...] = ()
    fields: frozenset[str] = frozenset()


def _read(text: str, shared: tuple[str, ...]) -> dict[str, Plugin]:
    """The types of one list of `coretypes`; a line that begins with blanks goes on."""
    found = {}
    for line in text.strip().replace("\n    ", " ").splitlines():
        name, _, fields = line.partition(":")
        required = tuple(field[:-1] for field in words(fields) if field.endswith("!"))
        own = (field.rstrip("!") for field in words(fields))
        found[_CORE + name] = Plugin(required, frozenset((*shared, *own)))
    return found


_TYPES: dict[str, Plugin] = {
    **_read(coretypes.TASKS, TASK_FIELDS),
    **_read(coretypes.TRIGGERS, TRIGGER_FIELDS),
    **_read(coretypes.CONDITIONS, ("type",)),
    **{_CORE + name: Plugin() for name in words(coretypes.OTHERS)},
    **{f"io.kestra.plugin.git.{name}": Plugin() for name in words(_GIT)},
}

_RENAMED = {
    old: _CORE + new
    for old, new in (line.split() for line in coretypes.RENAMED.split("\n") if line)
}


class Catalogue:
    """The types of one server; `missing` names those whose plugin is not installed."""

    def __init__(self, missing: Iterable[str] = ()) -> None:
        self._missing = tuple(missing)

    def knows(self, type_name: str) -> bool:
        """True where the type can be loaded."""
        current = _RENAMED.get(type_name, type_name)
        if current not in _TYPES:
            return False
        return not any(
            current == name or (name.endswith("*") and current.startswith(name[:-1]))
            for name in self._missing
        )

    def plugin(self, type_name: str) -> Plugin:
        """What is known of a type."""
        return _TYPES.get(_RENAMED.get(type_name, type_name), Plugin())

    @staticmethod
    def replacement(type_name: str) -> str | None:
        """The present name of a deprecated type."""
        return _RENAMED.get(type_name)
