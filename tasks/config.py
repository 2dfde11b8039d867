"""What does the configuration file say, and what is wrong in it? Reads it, or names every mistake
with its line, its key and what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tasks.access import Role
from tasks.configured import Config
from tasks.errors import ConfigError
from tasks.mistakes import explain
from tasks.names import advice, printable
from tasks.requests import NAME
from tasks.schema import json_schema
from tasks.yamlfile import Document, KeyPath, Mistake, dotted, read

__all__ = ["Config", "check", "load"]

#: A mistake before its line is known.
_Found = tuple[KeyPath, str]


def load(path: Path) -> Config:
    """The configuration in a file; relative paths in it start from the file's folder.

    Raises ConfigError with every mistake, a line each: `file:line: key.path: what; remedy`.
    """
    try:
        document = read(path)
    except OSError as error:
        raise ConfigError(
            f"{path}: the configuration cannot be read ({error.strerror});"
            " write one there or name another in TENANTSYNC_CONFIG"
        ) from None
    config, mistakes = check(document)
    if config is None or mistakes:
        raise ConfigError("\n".join(f"{path}:{mistake}" for mistake in mistakes))
    return config.placed(path.parent)


def check(document: Document) -> tuple[Config | None, list[Mistake]]:
    """The configuration of a document, None where it has no such shape; and all its mistakes."""
    mistakes = set(document.mistakes)
    if not isinstance(document.value, dict):
        if not mistakes:
            mistakes.add(Mistake(1, "", "the file has no keys; begin with kestra: and so on"))
        return None, sorted(mistakes)
    value = _with_defaults(document.value)
    config, found = _shaped(value)
    for path, text in [*found, *_unknown_names(value), *_shared_logins(value)]:
        placed = _as_written(path, document)
        mistakes.add(Mistake(document.line(placed), dotted(placed), text))
    return config, sorted(mistakes)


def _shaped(value: dict[str, Any]) -> tuple[Config | None, list[_Found]]:
    try:
        return Config.model_validate(value, by_alias=True, by_name=False), []
    except ValidationError as error:
        return None, explain(error, value, json_schema(Config))


def _with_defaults(value: dict[str, Any]) -> dict[str, Any]:
    """The value with `defaults` written out in every sync."""
    defaults, syncs = value.get("defaults"), value.get("syncs")
    if not isinstance(defaults, dict) or not isinstance(syncs, dict):
        return value
    filled = {
        name: {**defaults, **sync} if isinstance(sync, dict) else sync
        for name, sync in syncs.items()
    }
    return {**value, "syncs": filled}


def _as_written(path: KeyPath, document: Document) -> KeyPath:
    """Where a value of a sync stands: in the sync itself or in `defaults`."""
    default = ("defaults", *path[2:])
    if path[0] == "syncs" and len(path) > 2 and not document.holds(path[:3]):
        return default if document.holds(default[:2]) else path
    return path


def _unknown_names(value: Mapping[str, Any]) -> Iterator[_Found]:
    for name, sync in _entries(value, "syncs"):
        for key, section in (("kestra", "kestra"), ("repository", "repositories")):
            if text := _choice(sync.get(key), [each for each, _ in _entries(value, section)]):
                yield ("syncs", name, key), text
        yield from _unknown_reviewers(name, sync, value)


def _choice(given: object, known: list[str]) -> str:
    """What is wrong with the name of a connection; empty when nothing is."""
    if isinstance(given, str):
        if re.search(NAME, given) is None:
            return ""  # told by its shape, unread: it may be an address with a login
        return "" if given in known else f"there is no {printable(given)}; {advice(given, known)}"
    if given is None and len(known) != 1:
        return f"is missing; {advice('', known)}"
    return ""


def _unknown_reviewers(
    name: str, sync: dict[str, Any], value: Mapping[str, Any]
) -> Iterator[_Found]:
    review = sync.get("review")
    by = review.get("by") if isinstance(review, dict) else None
    people = dict(_entries(value, "access"))
    for index, person in enumerate(by if isinstance(by, list) else []):
        path = ("syncs", name, "review", "by", index)
        if isinstance(person, str) and person not in people:
            yield path, f"there is no {printable(person)} in access; {advice(person, people)}"
        elif isinstance(person, str) and Role.APPROVE not in (people[person].get("roles") or ()):
            yield path, f"{person} may not approve; add approve to access.{person}.roles"


def _shared_logins(value: Mapping[str, Any]) -> Iterator[_Found]:
    """Two people with one login: nobody could tell which of them acts."""
    for key in ("os", "tokenSha256"):
        owners: dict[str, str] = {}
        for name, person in _entries(value, "access"):
            login = person.get(key)
            if isinstance(login, str) and owners.setdefault(login, name) != name:
                first = owners[login]
                yield (
                    ("access", name, key),
                    f"is the same as access.{first}.{key}; give each their own",
                )


def _entries(value: Mapping[str, Any], section: str) -> list[tuple[str, dict[str, Any]]]:
    """The entries of a section, as far as they have the shape of one."""
    entries = value.get(section)
    if not isinstance(entries, dict):
        return []
    return [(name, each) for name, each in entries.items() if isinstance(each, dict)]
