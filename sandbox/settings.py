"""How a sandbox server is set up: its dialect, its tenants, who may log in, what it lacks."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import StrEnum
from typing import Any

#: The login that every sandbox has unless others are given.
DEFAULT_USER = "admin@example.org"
#: Its password; it satisfies the rules of a real server (8 characters, upper, lower, digit).
DEFAULT_PASSWORD = "Sandbox-Admin1"
#: Opens the control routes under `/_sandbox/`.
DEFAULT_CONTROL_TOKEN = "sandbox-control"
#: What a real 1.3.25 server takes to refuse a wrong password (bcrypt), in seconds.
WRONG_PASSWORD_SECONDS = 0.238


class Dialect(StrEnum):
    """Which line of the server is spoken."""

    #: 1.3: `_flows/` in a files export, JSON lists of KV, no cap on `size`.
    V1_3 = "1.3"
    #: 2.0: `size` at most 1000, drafts, tenant always in the path.
    V2_0 = "2.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Somebody who may call: by password (Basic), by token (Bearer), or both."""

    name: str
    password: str | None = None
    token: str | None = None
    #: Namespaces (with their children) this login sees; None = all.
    namespaces: tuple[str, ...] | None = None

    def sees(self, namespace: str) -> bool:
        """True where `namespace` or one of its parents is visible to this login."""
        if self.namespaces is None:
            return True
        return any(namespace == top or namespace.startswith(top + ".") for top in self.namespaces)

    def __repr__(self) -> str:
        return f"Login(name={self.name!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is chosen when a server starts."""

    dialect: Dialect = Dialect.V1_3
    #: With `oss_strict` any other tenant than `main` is a 400, as on an OSS server.
    oss_strict: bool = True
    #: Tenants that exist when `oss_strict` is off.
    tenants: tuple[str, ...] = ("main",)
    #: An EE server: namespaces can be created, tenants listed, unknown namespaces are 404.
    ee: bool = False
    logins: tuple[Login, ...] = (Login(name=DEFAULT_USER, password=DEFAULT_PASSWORD),)
    #: Kinds whose routes are absent: `dashboards`, `kv`, `files` (404, or 405 as some servers say).
    unsupported: tuple[str, ...] = ()
    unsupported_status: int = 404
    #: Types, or `prefix.*`, whose plugin is not installed.
    missing_plugins: tuple[str, ...] = ()
    #: Adds `_flows/<id>.yml` to a files export; None = as the dialect says.
    flows_in_files_export: bool | None = None
    uuid: str = "5andb0xKestraServer001"
    control_token: str = DEFAULT_CONTROL_TOKEN
    wrong_password_seconds: float = WRONG_PASSWORD_SECONDS

    @property
    def version(self) -> str:
        """The version that `configs` tells."""
        return "1.3.25" if self.dialect is Dialect.V1_3 else "2.0.3"

    @property
    def exports_flows_with_files(self) -> bool:
        """True where a files export also carries the flows of its namespace."""
        if self.flows_in_files_export is None:
            return self.dialect is Dialect.V1_3
        return self.flows_in_files_export


@dataclass(slots=True)
class Switches:
    """What can be changed while the server runs."""

    logins: tuple[Login, ...] = ()
    missing_plugins: tuple[str, ...] = ()
    unsupported: tuple[str, ...] = ()
    unsupported_status: int = 404
    system_namespace: str = field(default="system")
    #: Another one than before: a test puts another server in the place of this one.
    uuid: str = ""

    @classmethod
    def from_settings(cls, settings: Settings) -> Switches:
        """The switches as the settings have them."""
        return cls(
            settings.logins,
            settings.missing_plugins,
            settings.unsupported,
            settings.unsupported_status,
            uuid=settings.uuid,
        )


def login_from_json(record: dict[str, Any]) -> Login:
    """A login out of `{"name", "password", "token", "namespaces"}`."""
    known = {entry.name for entry in fields(Login)}
    unknown = set(record) - known
    if unknown:
        raise ValueError(f"a login has no field {', '.join(sorted(unknown))}")
    namespaces = record.get("namespaces")
    return Login(
        name=record["name"],
        password=record.get("password"),
        token=record.get("token"),
        namespaces=None if namespaces is None else tuple(namespaces),
    )
