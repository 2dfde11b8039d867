"""Which addresses and names may reach git: URLs, branches and object ids are checked here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from tasks.errors import Unsafe

_PORTS = {"https": 443, "http": 80, "ssh": 22}
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?|[0-9a-fA-F:]*:[0-9a-fA-F:.]+")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
#: `user@host:path`, the short form of ssh; a slash before the colon makes it a local path.
_SHORT = re.compile(r"(?:(?P<user>[^@/:\s]+)@)?(?P<host>[^@/:\s]+):(?P<path>(?!//).+)")
_CONTROL = re.compile(r"[\x00-\x20\x7f\\]|[^\x21-\x7e]")
_OID = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_BAD_IN_BRANCH = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//")


@dataclass(frozen=True, slots=True, kw_only=True)
class Url:
    """A checked address of a repository. `text` is what git gets; it never holds a secret."""

    text: str
    scheme: str
    host: str
    path: str
    port: int | None = None
    user: str | None = None

    @property
    def origin(self) -> str:
        """`scheme://host[:port]` as it is written, which is how git asks for a login."""
        return "/".join(self.text.split("/", 3)[:3])

    @property
    def canonical(self) -> str:
        """The identity of the repository: equal for all spellings of one address.

        The host is in lower case; the default port, user, trailing slash and `.git` are gone.
        """
        port = None if self.port == _PORTS.get(self.scheme) else self.port
        path = self.path.rstrip("/").removesuffix(".git").rstrip("/")
        return f"{self.scheme}://{self._authority(port)}{path}"

    def _authority(self, port: int | None) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if port is None else f"{host}:{port}"


def check_url(url: str, allowed: tuple[str, ...] = ("https", "ssh")) -> Url:
    """The address, when it is one that may be followed.

    `allowed` are the schemes that the operator lets through: https and ssh, on wish http and
    file. Raises Unsafe with the remedy; the message never repeats the address, since it may
    hold a password.
    """
    found = _parse(url)
    if found.scheme not in allowed:
        raise _unsafe(
            f"addresses by {found.scheme!r} are not allowed here ({', '.join(allowed)} are); "
            "use one of these or let the operator allow it"
        )
    if found.scheme != "file" and not _HOST.fullmatch(found.host):
        raise _unsafe("its host is no host name")
    if found.user is not None and not _USER.fullmatch(found.user):
        raise _unsafe("its user name holds characters that are not allowed")
    _check_path(found)
    return found


def _parse(url: str) -> Url:
    if _CONTROL.search(url) or url.startswith("-"):
        raise _unsafe(
            "it holds blanks, control or non-ASCII characters, a backslash or leads "
            "with '-'; write it percent-encoded"
        )
    if "://" in url:
        return _full(url)
    if url.startswith("/"):
        return Url(text=f"file://{url}", scheme="file", host="", path=url)
    short = _SHORT.fullmatch(url)
    if short is None or "::" in url:
        raise _unsafe("it is neither scheme://host/path nor user@host:path")
    path = "/" + short["path"].removeprefix("/")
    if short["path"].startswith("-"):
        raise _unsafe("its path leads with '-'")
    return Url(text=url, scheme="ssh", host=short["host"].lower(), path=path, user=short["user"])


def _full(url: str) -> Url:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise _unsafe("its host or port cannot be read") from None
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise _unsafe("it holds '?' or '#'")
    if _names_organization(parts):
        return _full(url.replace(f"{parts.username}@", "", 1))
    if parts.scheme != "ssh" and "@" in parts.netloc:
        raise _unsafe("it holds a user name; give it as username, and its secret as token")
    if parts.password is not None:
        raise _unsafe("it holds a password; ssh logs in by key, give it as ssh_key")
    if parts.scheme == "file" and parts.netloc:
        raise _unsafe("a file address has three slashes: file:///path")
    return Url(
        text=parts.scheme + url[len(parts.scheme) :],
        scheme=parts.scheme,
        host=(parts.hostname or "").lower(),
        path=parts.path,
        port=port,
        user=parts.username,
    )


def _names_organization(parts: SplitResult) -> bool:
    """Whether the user in an address is only the organization again, as Azure DevOps shows its
    addresses: `https://org@dev.azure.com/org/…`."""
    user = parts.username or ""
    return (
        parts.scheme == "https"
        and parts.hostname == "dev.azure.com"
        and parts.password is None
        and user != ""
        and parts.path.split("/")[1:2] == [user]
    )


def _check_path(url: Url) -> None:
    parts = url.path.strip("/").split("/")
    if not url.path.strip("/"):
        raise _unsafe("it names a host but no repository")
    if any(part in {"", ".", ".."} for part in parts):
        raise _unsafe("its path holds empty, '.' or '..' parts")
    if parts[0].startswith("-"):
        raise _unsafe("its path leads with '-'")


def _unsafe(why: str) -> Unsafe:
    return Unsafe(f"repository url: {why}")


def check_branch(name: str) -> str:
    """The branch name, when git accepts it as one and it cannot be read as an option.

    Raises Unsafe: the rules of `git check-ref-format --branch`, no `refs/` in front.
    """
    reason = _branch_fault(name)
    if reason:
        raise Unsafe(f"branch {name!r:.120}: {reason}; write a plain name such as main")
    return name


def _branch_fault(name: str) -> str | None:
    parts = name.split("/")
    checks = {
        "it is empty": not name,
        "it leads with '-'": name.startswith("-"),
        "it is longer than 200 bytes": len(name.encode(errors="surrogatepass")) > 200,
        "HEAD and @ are no branch names": name in {"HEAD", "@"},
        "it starts with refs/": name.startswith("refs/"),
        "it holds blanks, control characters or one of ~^:?*[\\ .. @{ //": bool(
            _BAD_IN_BRANCH.search(name)
        ),
        "a part of it starts with '.' or ends with .lock": any(
            part.startswith(".") or part.endswith(".lock") for part in parts
        ),
        "it starts or ends with '/' or ends with '.'": name.strip("/") != name
        or name.endswith("."),
        "it is no Unicode text": not _is_text(name),
    }
    return next((reason for reason, fault in checks.items() if fault), None)


def _is_text(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def check_run(run_id: str) -> str:
    """The run id, when it can be one part of a ref name: letters, digits, `_` and `-`."""
    if not re.fullmatch(r"[A-Za-z0-9_-]{1,100}", run_id):
        raise Unsafe(f"run id {run_id!r:.120} holds other characters than letters, digits, _ and -")
    return run_id


def is_oid(text: str) -> bool:
    """Whether the text is a whole object id (40 or 64 lower-case hex digits)."""
    return _OID.fullmatch(text) is not None


def check_oid(oid: str) -> str:
    """The object id, when it is a whole one. Raises Unsafe."""
    if not is_oid(oid):
        raise Unsafe(f"{oid!r:.120} is no whole commit or object id (40 hex digits)")
    return oid
