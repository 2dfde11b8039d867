"""Checks of one Kestra: reachable, its version, its login, its rights, the kinds that it offers.
Everything is asked by reads."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tasks.artifacts import Kind
from tasks.errors import Doubtful, LoginRefused, NotFound, Unsupported
from tasks.requests import NamespaceSync, Side, Task
from workers.cli.doctor.finding import Check, Finding, Look, Subject
from workers.cli.doctor.using import syncs_of, writing_to

if TYPE_CHECKING:
    from tasks.config import Config
    from tasks.kestra.side import KestraSide, Server, Sight

#: The newest line of servers that it was tried with.
NEWEST = (2, 99)
#: Namespaces whose files are looked at: rights may differ between namespaces.
_SAMPLES = 5
#: Seconds that the clock of the server may differ before it is worth a word.
_SKEW = 10.0
#: What writing needs, by kind, as the Enterprise Edition names it.
_TO_WRITE = {
    Kind.FLOW: "FLOW: IMPORT, CREATE, UPDATE, DELETE",
    Kind.FILE: "NAMESPACE: MANAGE_FILES",
    Kind.DASHBOARD: "DASHBOARD: CREATE, UPDATE, DELETE",
}


def look(config: Config, name: str, patience: float) -> Look:
    """The look at one Kestra of the configuration; each call may take `patience` seconds."""
    subject = Subject(f"kestra {name}")
    return Look(
        check=Check.KESTRA, subject=subject, ask=lambda: _look(subject, config, name, patience)
    )


def _look(subject: Subject, config: Config, name: str, patience: float) -> list[Finding]:
    from tasks.kestra.side import KestraSide

    connection = config.kestra_connection(name)
    quick = {
        "timeout": min(connection.timeout, patience),
        "bulk_timeout": min(connection.bulk_timeout, patience),
        "connect_timeout": min(connection.connect_timeout, patience),
    }
    side = KestraSide(connection.model_copy(update=quick))
    try:
        return _findings(subject, side, syncs_of(config, "kestra", name))
    finally:
        side.close()


def _findings(subject: Subject, side: KestraSide, syncs: Mapping[str, Task]) -> list[Finding]:
    try:
        server = side.identity(prove=False)
    except Unsupported as error:
        return [subject.broken(Check.KESTRA_VERSION, error.message)]
    except (NotFound, Doubtful) as error:
        hint = _address(side.connection.url)
        return [subject.broken(Check.KESTRA, error.message + hint)]
    try:
        shown = _shown(side)
        sight = side.sight(_sampled(shown, syncs))
    except (LoginRefused, NotFound) as error:
        return [_version(subject, server), subject.broken(Check.KESTRA, error.message)]
    return [
        _version(subject, server),
        *_clock(subject, sight),
        *_kinds(subject, sight, syncs),
        *_rights(subject, server, sight, syncs),
        *_namespaces(subject, server, shown, syncs),
    ]


def _address(url: str) -> str:
    path = urlsplit(url).path.strip("/")
    if path.split("/")[-1:] == ["ui"] or "api" in path.split("/"):
        return f" (url ends with /{path}: leave /ui and /api out of it)"
    if path:
        return f" (url has the prefix /{path}: is it micronaut.server.context-path of Kestra?)"
    return " (does Kestra stand under a prefix, https://HOST/PREFIX? Then it belongs to the url)"


def _shown(side: KestraSide) -> tuple[str, ...]:
    """The namespaces that the login is shown; none where it may not list them, which is one of
    the rights."""
    from tasks.kestra.answers import Forbidden

    try:
        return side.namespaces()
    except Forbidden:
        return ()


def _sampled(shown: Collection[str], syncs: Mapping[str, Task]) -> list[str]:
    """Namespaces whose files are asked for: those that syncs name, then those that are shown."""
    if syncs and not _with(Kind.FILE, syncs):
        return []
    named: list[str] = []
    for task in syncs.values():
        named += [task.namespace] if isinstance(task, NamespaceSync) else task.namespaces
    return list(dict.fromkeys([*named, *shown]))[:_SAMPLES]


def _version(subject: Subject, server: Server) -> Finding:
    text = f"Kestra {server.version} {server.edition}"
    if server.release > NEWEST:
        return subject.warning(
            Check.KESTRA_VERSION,
            f"{text} is newer than what this tenantsync was tried with (1.x and 2.x): upgrade "
            "tenantsync, or try it with --dry-run first",
        )
    return subject.ok(Check.KESTRA_VERSION, text)


def _clock(subject: Subject, sight: Sight) -> Iterator[Finding]:
    if sight.skew is None or abs(sight.skew) <= _SKEW:
        return
    side = "behind" if sight.skew > 0 else "ahead of"
    yield subject.note(
        Check.KESTRA_CLOCK,
        f"its clock is about {abs(sight.skew):.0f} s {side} that of this machine: its schedules "
        "and dates are off against ours; set both by a time server (NTP)",
    )


def _kinds(subject: Subject, sight: Sight, syncs: Mapping[str, Task]) -> Iterator[Finding]:
    more = f"; it also has {', '.join(sight.more)}" if sight.more else ""
    yield subject.ok(Check.KESTRA_KINDS, f"kinds: {', '.join(sight.kinds)}{more}")
    for kind, why in sight.absent.items():
        wanting = _with(kind, syncs)
        say = subject.broken if wanting else subject.note
        whose = f"; leave it out of `kinds` of {', '.join(wanting)}" if wanting else ""
        yield say(Check.KESTRA_KINDS, f"no {kind}: {why}{whose}")


def _rights(
    subject: Subject, server: Server, sight: Sight, syncs: Mapping[str, Task]
) -> Iterator[Finding]:
    for missing in sight.missing:
        wanting = _with(missing.kind, syncs)
        say = subject.broken if wanting or not syncs else subject.note
        what = f"read {missing.kind}" if missing.kind else "list namespaces"
        whose = f" (needed by {', '.join(wanting)})" if wanting else ""
        yield say(
            Check.KESTRA_RIGHTS,
            f"the login may not {what}: give it the right {missing.right}{whose}. {missing.said}",
        )
    if not sight.missing:
        yield subject.ok(Check.KESTRA_RIGHTS, "login accepted, may read all that syncs need")
    writing = writing_to(Side.KESTRA, syncs)
    if writing and server.edition == "EE":
        yield _to_write(subject, {name: syncs[name] for name in writing})


def _to_write(subject: Subject, writing: Mapping[str, Task]) -> Finding:
    kinds = {
        kind
        for task in writing.values()
        for kind in task.kinds
        if task.source(kind) is not Side.KESTRA
    }
    rights = [right for kind, right in _TO_WRITE.items() if kind in kinds]
    return subject.note(
        Check.KESTRA_RIGHTS,
        f"whether the login may write cannot be told without writing; {', '.join(writing)} need "
        f"{'; '.join(rights)}; NAMESPACE: CREATE for new namespaces",
    )


def _namespaces(
    subject: Subject, server: Server, shown: Collection[str], syncs: Mapping[str, Task]
) -> Iterator[Finding]:
    own = server.system_namespace
    text = f"shows {len(shown)} namespaces; {own} is the system's, where nothing is ever deleted"
    yield subject.ok(Check.KESTRA_NAMESPACES, text)
    if shown and own not in shown:
        text = f"its own namespace, {own}, is not shown: it is not there, or the login may not see"
        yield subject.note(Check.KESTRA_NAMESPACES, f"{text} it; what it holds is not synced")
    if any(not task.protected_namespaces for task in syncs.values()):
        names = [name for name, task in syncs.items() if not task.protected_namespaces]
        yield subject.note(
            Check.KESTRA_NAMESPACES,
            f"{', '.join(names)}: protectedNamespaces is empty, so {own} is not protected either",
        )
    if _with(Kind.FILE, syncs):
        text = (
            "Kestra's API does not show namespaces that hold nothing but files; name them in "
            "`namespaces` of a tenant sync, or they are only seen where Git has their folder"
        )
        yield subject.note(Check.KESTRA_NAMESPACES, text)


def _with(kind: Kind | None, syncs: Mapping[str, Task]) -> list[str]:
    """The syncs of a kind; None = all."""

    def holds(kinds: Collection[Kind]) -> bool:
        return kind is None or kind in kinds

    return [name for name, task in syncs.items() if holds(task.kinds)]
