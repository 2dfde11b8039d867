"""How is this installation set up? The `TENANTSYNC_*` variables, checked together."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from tasks import points
from tasks.errors import ConfigError

PREFIX = "TENANTSYNC_"
#: Variables with the prefix that are no settings.
_NOT_SETTINGS = frozenset({points.VARIABLE})

Seconds = Annotated[float, Field(gt=0, le=86_400)]
Protocol = Literal["https", "ssh", "http", "file"]


class Settings(BaseSettings):
    """The settings of every process: each field is the variable `TENANTSYNC_<NAME>`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        frozen=True,
        extra="forbid",
        env_ignore_empty=True,
        hide_input_in_errors=True,
        use_attribute_docstrings=True,
    )

    config: Path = Field(default=Path("tenantsync.yaml"), validate_default=True)
    """The configuration file."""
    data: Path = Field(
        default_factory=lambda fields: fields["config"].parent / ".tenantsync",
        validate_default=True,
    )
    """The data directory: records, contents, mirrors, the embedded server."""
    redis_url: str | None = Field(default=None, repr=False, pattern=r"^rediss?://")
    """A Redis or Valkey server of your own; unset = the embedded one of the data directory."""
    database_url: str | None = Field(
        default=None, repr=False, pattern=r"^(sqlite|postgresql)(\+[a-z0-9]+)?://"
    )
    """The database of the records (PostgreSQL or SQLite); unset = SQLite in the data directory."""
    contents_url: str | None = Field(default=None, repr=False)
    """The contents: a folder or bucket (`s3://bucket/prefix`); unset = in the data directory."""

    heartbeat: Seconds = 5
    """Seconds between two signs of life of a message that a worker holds."""
    visibility: Seconds = 30
    """Seconds without a sign of life after which a message is delivered again."""
    lease: Seconds = 30
    """Seconds for which a lane is granted; renewed three times as often."""
    janitor: Seconds = 15
    """Seconds between two rounds of the janitor."""
    shutdown: Seconds = 20
    """Seconds that running jobs get when their worker is told to stop."""
    time_limit: Seconds = 3600
    """Seconds after which a job is killed."""
    soft_time_limit: Seconds = 3540
    """Seconds after which a job is told to end."""

    attempts: Annotated[int, Field(ge=0, le=100)] = 3
    """How often a job that died is started again; after that it is an error."""
    patience: Seconds = 90
    """Seconds for which a job waits for a Kestra that is away, without holding a slot; then its run
    ends. A Kestra that is started anew takes up to a minute."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 8
    """Jobs that one worker runs at a time; they wait for Kestra and Git most of their time."""
    review_days: Annotated[float, Field(gt=0, le=365)] = 7
    """Days after which a plan that nobody decided on expires."""
    git_protocols: Annotated[frozenset[Protocol], NoDecode] = frozenset({"https", "ssh"})
    """How repositories may be reached: a comma-separated list of https, ssh, http and file."""

    @property
    def database(self) -> str:
        """The database URL of the records; may hold a password."""
        return self.database_url or f"sqlite:///{self.data / 'tenantsync.db'}"

    @property
    def contents(self) -> str:
        """The directory or URL of the contents."""
        return self.contents_url or str(self.data / "contents")

    @field_validator("config", "data")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().absolute()

    @field_validator("redis_url")
    @classmethod
    def _whole_address(cls, url: str | None) -> str | None:
        # Of a password that is not written as an address wants it, a part would be taken for the
        # host, the port or the path, which stand in error texts.
        if url is not None and not _is_whole(url):
            raise ValueError(
                "is no address of a server: write redis://USER:PASSWORD@HOST:PORT/0, in the "
                "password %40 for @, %2F for /, %3F for ? and %23 for #"
            )
        return url

    @field_validator("contents_url")
    @classmethod
    def _without_login(cls, url: str | None) -> str | None:
        # It stands in error texts, and a key in it would be read in every list of processes.
        if url is not None and "://" in url and {"@", "?"} & set(url):
            raise ValueError(
                "a bucket is named without a login: s3://bucket/prefix; set AWS_ACCESS_KEY_ID, "
                "AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL_S3 beside it"
            )
        return url

    @field_validator("git_protocols", mode="before")
    @classmethod
    def _list(cls, value: object) -> object:
        if isinstance(value, str):
            return frozenset(part.strip().lower() for part in value.split(",") if part.strip())
        return value

    @model_validator(mode="after")
    def _fit_together(self) -> Settings:
        # A message must outlive two missed signs of life, and the shutdown during which its
        # worker gives none; a lease two missed renewals of a worker that stopped for a moment.
        _demand(
            self.heartbeat * 3 < self.visibility,
            f"HEARTBEAT ({self.heartbeat:g} s) must be less than a third of "
            f"{PREFIX}VISIBILITY ({self.visibility:g} s)",
        )
        _demand(
            self.shutdown + self.heartbeat < self.visibility,
            f"SHUTDOWN ({self.shutdown:g} s) and {PREFIX}HEARTBEAT ({self.heartbeat:g} s) "
            f"together must be less than {PREFIX}VISIBILITY ({self.visibility:g} s)",
        )
        _demand(
            self.soft_time_limit < self.time_limit,
            f"SOFT_TIME_LIMIT ({self.soft_time_limit:g} s) must be less than "
            f"{PREFIX}TIME_LIMIT ({self.time_limit:g} s)",
        )
        _demand(bool(self.git_protocols), "GIT_PROTOCOLS must name one protocol at least")
        return self


def _is_whole(url: str) -> bool:
    """Whether an address of Redis says all of its login where a login belongs."""
    try:
        parts = urlsplit(url)
        place = parts.hostname if parts.port is None else f"{parts.hostname}:{parts.port}"
    except ValueError:
        return False
    beyond = f"{place}{parts.path}{parts.query}{parts.fragment}"
    names = {name.lower() for name, _ in parse_qsl(parts.query)}
    return bool(parts.hostname) and "@" not in beyond and not names & {"password", "username"}


def load() -> Settings:
    """The settings as the environment has them now.

    Raises ConfigError that names every wrong variable (never its value) and every variable
    with the prefix that is none, with its nearest known name.
    """
    _refuse_unknown(os.environ)
    try:
        return Settings()
    except ValidationError as error:
        raise ConfigError("; ".join(_lines(error.errors(include_url=False)))) from None


@cache
def settings() -> Settings:
    """The settings of this process, read once. Raises ConfigError; see `load`."""
    return load()


def names() -> list[str]:
    """Every variable there is, with its prefix, sorted."""
    return sorted(PREFIX + field.upper() for field in Settings.model_fields)


def _refuse_unknown(environment: Mapping[str, str]) -> None:
    known = names()
    unknown = sorted(
        name
        for name in environment
        if name.startswith(PREFIX) and name not in _NOT_SETTINGS and name not in known
    )
    if unknown:
        raise ConfigError(
            "; ".join(f"{name}: no such setting: {_advice(name, known)}" for name in unknown)
            + f" (names of secrets of your own must not begin with {PREFIX})"
        )


def _advice(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1, cutoff=0.8)
    return f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"


def _lines(errors: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for error in errors:
        message = str(error["msg"]).removeprefix("Value error, ")
        place = str(error["loc"][0]).upper() + ": " if error["loc"] else ""
        yield f"{PREFIX}{place}{message}"


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise ValueError(message)
