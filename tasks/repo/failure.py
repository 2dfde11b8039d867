"""What a failed git command means: its words become one error that says what to do about it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tasks.errors import (
    Busy,
    ConfigError,
    Doubtful,
    LoginRefused,
    MirrorCorrupt,
    NotFound,
    TenantSyncError,
    Unreachable,
    Unsafe,
    Unsupported,
)
from tasks.hiding import without_login
from tasks.visible import visible

#: Characters of git's own words that are repeated in a message.
QUOTED = 600


class NoSpace(Busy):
    """The disk of the worker is full."""


#: Commands that do not only ask the local mirror.
_ABROAD = {"fetch", "init", "ls-remote", "push"}

_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b.")
#: Control characters, and those that reorder or hide text.
_HIDDEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")

_LOGIN = (
    "the server does not accept the login; check username and token (or the ssh key, and whether "
    "the jump host knows it as well), whether it has expired, and its right to this repository"
)
_JUMP = "the jump host (sshJump) does not reach the server; check the url as it is seen from there"
_FORBIDDEN = "the login may not do this; give it the right to read or write this repository"
_TLS = "the certificate of the server is not trusted; name the file of its authority in caFile"
_REDIRECT = "the server redirects, which is never followed; configure the final url"
_TRANSPORT = "this kind of address is not allowed; use an https or ssh url"
_UNSAFE_OBJECT = "the repository holds an object that git refuses as unsafe; mend its history"
_MISSING = "there is no such repository or commit, or this login may not see it; check the url"
_CORRUPT = "the local mirror is damaged; it is built again from the remote"
_DISK = "no space is left on the disk of the worker; free some"
_LOCKED = "another git command holds a lock in the local mirror; it is swept when it is stale"
_NETWORK = "the server cannot be reached or the connection was cut"
_BUSY = "the server is there but does not serve now"
_NO_HELPER = "git of this worker lacks the program for such addresses; install it (git, ssh)"
_SHORT = "the worker is short of memory, processes or open files"
_FORMAT = "the repository uses SHA-256 object ids, which are not supported"

#: First match wins; a text after `^` is only looked for in git's own lines, not the server's.
#: The texts are those of git 2.39 to 2.51, OpenSSH, GitHub, GitLab and Gitea.
_TABLE: tuple[tuple[type[TenantSyncError], str, tuple[str, ...]], ...] = (
    (Unsafe, _REDIRECT, ("unable to update url base from redirection", r"(error:|HTTP) 30\d")),
    (Unsafe, _TRANSPORT, ("transport '.*' not allowed", "strange (host|path)name", "strange port")),
    (Unsafe, _UNSAFE_OBJECT, ("fsck error in", r"^error: object [0-9a-f]{40,64}: \w+: ")),
    (ConfigError, _NO_HELPER, ("^.*unable to find remote helper", "^.*cannot run ssh")),
    (Unsupported, _FORMAT, ("mismatched (algorithm|object format)", "unsupported object format")),
    (Unreachable, _JUMP, ("stdio forwarding failed",)),
    (LoginRefused, _LOGIN, (
        "Authentication failed", "could not read (Username|Password)", "returned error: 401",
        r"Permission denied \(", "Invalid username or", "HTTP Basic: Access denied",
        "Too many authentication", "Load key", "UNPROTECTED PRIVATE KEY",
    )),
    (LoginRefused, _FORBIDDEN, (
        "(returned error:|HTTP) 403", "Permission to .* denied", "marked as read.only",
        "not allowed to (push|upload|access)",
    )),
    (ConfigError, _TLS, (
        "certificate verification failed", "SSL certificate", "self.signed certificate",
        "unable to get local issuer",
    )),
    (Busy, _BUSY, (r"(returned error:|HTTP) (429|5\d\d)", "Too Many Requests", "rate limit")),
    (NoSpace, _DISK, (
        "^.*No space left on device", "^.*Out of diskspace", "^.*Disk quota exceeded",
    )),
    (Busy, _SHORT, (
        "^.*cannot fork", "^.*Too many open files", "^.*Resource temporarily unavailable",
        "^.*Cannot allocate memory", "^.*[Oo]ut of memory", "^.*unable to create .*thread",
    )),
    (NotFound, _MISSING, (
        "[Rr]epository .*not found", "[Rr]epository not found", "returned error: 404",
        "does not appear to be a git repository", "could not be found", "is this a git repository",
        "couldn't find remote ref", "not our ref", "unadvertised object",
    )),
    (Unreachable, _NETWORK, ("early EOF", "unexpected disconnect", "RPC failed", r"curl \d+ ")),
    (MirrorCorrupt, _CORRUPT, (
        "^.*packfile", "^.*unknown object", "^.*inflate", "^.*bad (object|tree)", "^.*corrupt",
        "^.*missing (blob|tree|commit|object)", "^.*object file .* is empty",
        "^.*unable to (read|find) ", "^.*not a tree object", "^.*not a git repository",
        "^.*garbage at end", "^.*did not send all necessary objects", "^.*ignoring broken ref",
        "^.*(unexpected|unterminated) line in .*packed-refs", "^.*packed refname is dangerous",
        r"^.*multi-pack-index(?!\.lock)", "^.*bad (signature|index) file", "^.*cannot read",
        "^.*not a valid (object|commit)", "^.*Not a valid (object|commit) name", "^.*bad config",
        "^.*Needed a single revision",
    )),
    (Busy, _LOCKED, (r"^.*Unable to create '.*\.lock'", "cannot lock ref")),
    (Unreachable, _NETWORK, (
        "Could not resolve", "Connection (refused|timed out|reset|closed)", "Failed to connect",
        "timed out", "too slow", "hung up", "Empty reply", "No route to host", "unreachable",
        "Broken pipe", "kex_exchange", "unable to access", "Could not read from remote",
        "protocol error", "bad line length", "transfer closed", "expected flush", "unexpected end",
    )),
)  # fmt: skip


def _pattern(texts: tuple[str, ...]) -> re.Pattern[str]:
    own = (text.replace("^", "^(?!remote:)", 1) if text.startswith("^") else text for text in texts)
    return re.compile("|".join(own), re.MULTILINE)


_RULES = tuple((_pattern(texts), error, why) for error, why, texts in _TABLE)


def failure(command: str, code: int, stderr: str, place: str) -> TenantSyncError:
    """The error for a git command that ended with a code it should not have.

    `command` is its name (`fetch`), `stderr` is free of secrets, `place` the canonical URL.
    Words that nobody knows give Doubtful, which is never read as "missing", or MirrorCorrupt where
    only the local mirror was asked: there are more kinds of damage than git has words for.
    """
    said = readable(stderr)
    where = f"git {command} of {place}"
    if code < 0:
        return Busy(f"{where}: signal {-code} ended it; the worker may be short of memory")
    if re.search(r"HOST IDENTIFICATION HAS CHANGED|Host key verification failed", said):
        return ConfigError(f"{where}: {_host_key(said, place)}")
    for pattern, error, why in _RULES:
        if pattern.search(said):
            return error(f"{where}: {why} [{_quoted(said)}]")
    told = f"{where} ended with code {code}: {_quoted(said) or 'it said nothing'}"
    return Doubtful(told) if command in _ABROAD else MirrorCorrupt(f"{told}; {_CORRUPT}")


class Expired(Unreachable):
    """A git command was stopped because its time was over; it had reached its server."""


def expired(command: str, seconds: float, place: str) -> Expired:
    """The error for a git command that was stopped because its time was over."""
    return Expired(
        f"git {command} of {place} did not end within {seconds:g} s and was stopped; "
        "raise the repository's timeout if it is this slow"
    )


def readable(text: str) -> str:
    """A foreign text without terminal escapes, control characters and user names in URLs."""
    lines = _ESCAPES.sub("", text).replace("\r", "\n").split("\n")
    kept = (_HIDDEN.sub("", line).rstrip() for line in lines)
    return visible(without_login("\n".join(line for line in kept if line)))


def _quoted(said: str) -> str:
    lines = [line for line in said.split("\n") if not line.startswith(("hint:", "warning:"))]
    text = "; ".join(lines)
    return text if len(text) <= QUOTED else text[: QUOTED - 1] + "…"


def _host_of_key(said: str, place: str) -> tuple[str, int]:
    """Host and port whose key was not accepted: ssh names a jump host as well."""
    named = re.search(
        r"[Hh]ost key (?:is known )?for \[?([^\s\]]+?)(?:\]:(\d+))? (?:and|has)", said
    )
    if named:
        return named[1], int(named[2] or 22)
    parts = urlsplit(place)
    return parts.hostname or place, parts.port or 22


def _host_key(said: str, place: str) -> str:
    host, port = _host_of_key(said, place)
    sent = re.search(r"SHA256:[\w+/=]+", said)
    shown = f" (it sent {sent.group()})" if sent else ""
    if "HAS CHANGED" in said:
        return (
            f"the host key of {host} is not the pinned one{shown}; somebody may stand in between. "
            "If its operator confirms the new key, replace the line in the known_hosts file"
        )
    return (
        f"the host key of {host} is not known{shown}; read it with "
        f"`ssh-keyscan -p {port} {host}`, compare it with what its operator publishes, and add "
        "the line to the known_hosts file of the repository"
    )
