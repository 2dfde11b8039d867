"""Who may do what? The people of the configuration, their logins and their roles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from tasks.connections import Text
from tasks.errors import UserError
from tasks.record import Record


class Role(StrEnum):
    """What a person may do; none of them includes another."""

    #: See runs, plans and diffs.
    READ = "read"
    #: Ask for runs and cancel them.
    ASK = "ask"
    #: Approve and reject plans.
    APPROVE = "approve"


class Person(Record, use_attribute_docstrings=True):
    """One person: how they are known, and what they may do."""

    os: Text | None = None
    """Login name on the machine where the command line runs."""
    token_sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the personal token for HTTP, 64 hex digits: `printf %s TOKEN | sha256sum`."""
    roles: Annotated[tuple[Role, ...], Field(min_length=1)]
    """What the person may do."""

    @model_validator(mode="after")
    def _reachable(self) -> Person:
        if self.os is None and self.token_sha256 is None:
            raise ValueError("nobody can act as this person; give os, tokenSha256 or both")
        return self


@dataclass(frozen=True, slots=True)
class Actor:
    """Who acts, and with which roles."""

    name: str
    roles: frozenset[Role]

    def check(self, role: Role) -> None:
        """Raises UserError where the actor does not have the role."""
        if role not in self.roles:
            raise UserError(
                f"{self.name} may not {role}: add {role} to access.{self.name}.roles"
                " in the configuration"
            )


def local_actor(people: Mapping[str, Person], login: str) -> Actor:
    """The person whose `os` is the login name; without any people the login itself, who may do
    everything.

    Raises UserError where there are people but none with this login.
    """
    if not people:
        return Actor(login, frozenset(Role))
    for name, person in people.items():
        if person.os == login:
            return Actor(name, frozenset(person.roles))
    raise UserError(
        f"the login {login} belongs to nobody in access:; add `os: {login}` to a person there"
    )
