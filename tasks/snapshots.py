"""What does one side hold for one part, and what of it cannot take part in a sync?"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.artifacts import GLOBAL, LARGEST, Entry, Kind, Part, Snapshot, blob_oid, digest
from tasks.identity import possible_ids, read_identity
from tasks.layout import (
    MAX_PATH,
    check_namespace,
    check_path,
    held_name,
    kestra_name,
    stem,
)
from tasks.problems import Code, Problem
from tasks.visible import visible_line

#: Path below the repository root, mode and blob id of one entry in Git.
GitFile = tuple[str, str, str]
#: The bytes of blobs by id.
Read = Callable[[Collection[str]], Mapping[str, bytes]]
#: How many bytes blobs have, by id, without reading them.
Sizes = Callable[[Collection[str]], Mapping[str, int]]

#: In `withheld`, the whole part; `folder/` there stands for every name below a folder.
EVERYTHING = "/"
_FILE_MODES = {"100644", "100755"}
#: Bytes of a name that leave room for the folders above it in a path of Git.
_MAX_NAME = MAX_PATH // 2
#: Names in which no rule below can find anything, as most are: short words of letters, digits,
#: `_` and `-`, with a dot or slash between two of them.
_FIT = re.compile(r"(?!_flows)[A-Za-z0-9_-]{1,40}(?:[./][A-Za-z0-9_-]{1,40}){0,5}")


@dataclass(frozen=True, slots=True)
class Known:
    """A text whose blob id tells what it says."""

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class _Refused:
    """An artifact that cannot take part: why, and every name that it may stand for."""

    problem: Problem
    names: frozenset[str]


def kestra(
    part: Part,
    contents: Mapping[str, bytes],
    drafts: Collection[str] = (),
    large: Mapping[str, int] | None = None,
) -> Snapshot:
    """A part as Kestra holds it: name as the server lists it → bytes; `large` are the names of
    those that were not read, with how many bytes they have.

    Drafts are neither exported nor overwritten. A file whose name the server lists but cannot
    hold (`#`, `%xx`) shares its content with others, and a name that cannot be a path in Git is
    never written there: such artifacts are left alone.
    """
    if (
        part.namespace != GLOBAL
        and (contents or large)
        and (reason := check_namespace(part.namespace))
    ):
        problem = _problem(Code.UNSAFE_PATH, f"namespace {part.namespace}", f"left alone: {reason}")
        return Snapshot(problems=(problem,), withheld=frozenset({EVERYTHING}))
    refused = [one for name in sorted(contents) if (one := _unfit(part, name))]
    refused += [
        _too_large(f"Kestra, {part}: {name}", size, name)
        for name, size in sorted((large or {}).items())
    ]
    withheld = frozenset(drafts).union(*(one.names for one in refused))
    entries = {
        name: Entry(digest=digest(part.kind, content), oid=blob_oid(content), path=name)
        for name, content in sorted(contents.items())
        if name not in withheld
    }
    problems = tuple(one.problem for one in refused)
    return Snapshot(entries=entries, problems=problems, withheld=withheld)


def git(
    part: Part,
    folder: str,
    files: Sequence[GitFile],
    known: Mapping[str, Known],
    read: Read,
    sizes: Sizes,
) -> Snapshot:
    """A part as a commit holds it.

    `files` are the entries at and below `folder`, the folder of the part; `known` says, by blob
    id, which texts Kestra holds in this part: equal blobs say the same, so they are not read.
    Namespace files are never read. `sizes` is asked for what is not known.

    Two files of one id, and a text that names another namespace than its folder, are fatal; the
    other problems concern one file alone. A link in the place of the folder hides the whole part.
    """
    outside = [path for path, _, _ in files if not path.startswith(f"{folder}/")]
    if outside:
        message = "no folder, but a link or a file; nothing is read or written behind it"
        problems = tuple(_problem(Code.UNSAFE_PATH, path, message) for path in outside)
        return Snapshot(problems=problems, withheld=frozenset({EVERYTHING}))
    refused: list[_Refused] = []
    plain: list[GitFile] = []
    fitting = [file for file in files if file[1] in _FILE_MODES and file[2] not in known]
    large = _large(fitting, sizes)
    for file in sorted(files):
        odd = _odd(part, folder, file, large)
        refused += [odd] if odd else []
        plain += [] if odd else [file]
    if part.kind is Kind.FILE:
        entries, more = _files(part, folder, plain)
    else:
        entries, more = _texts(part, plain, known, read)
    withheld = frozenset[str]().union(*(one.names for one in (*refused, *more)))
    return Snapshot(
        entries={name: entry for name, entry in entries.items() if name not in withheld},
        problems=tuple(one.problem for one in (*refused, *more)),
        withheld=withheld,
    )


def _unfit(part: Part, name: str) -> _Refused | None:
    if _FIT.fullmatch(name) and (part.kind is Kind.FILE or "/" not in name):
        return None
    where = f"Kestra, {part}: {name}"
    if part.kind is Kind.FILE and (reason := held_name(name)):
        return _not_held(where, reason, name)
    if part.kind is not Kind.FILE and "/" in name:
        reason = "an id with a slash cannot be a file name"
    elif len(name.encode("utf-8", "surrogateescape")) > _MAX_NAME:
        reason = f"it is longer than {_MAX_NAME} bytes"
    else:
        reason = check_path(name if part.kind is Kind.FILE else f"{name}.yaml") or ""
    message = f"left alone, it cannot be a file in Git: {reason}; rename it to sync it"
    return _refused(Code.UNSAFE_PATH, where, message, name) if reason else None


def _large(files: Sequence[GitFile], sizes: Sizes) -> dict[str, int]:
    """Blob id → bytes of those that are larger than may be."""
    found = sizes({oid for _, _, oid in files}) if files else {}
    return {oid: size for oid, size in found.items() if size > LARGEST}


def _odd(part: Part, folder: str, file: GitFile, large: Mapping[str, int]) -> _Refused | None:
    path, mode, oid = file
    if mode not in _FILE_MODES:
        reason: str | None = "a symbolic link or a submodule is never followed"
    else:
        reason = check_path(path)
    if reason is None and oid not in large:
        return None
    name = _promised(part, folder, path)
    if reason is None:
        # The id of a text that is not read is unknown, so nothing of its part is missing.
        return _too_large(path, large[oid], name if part.kind is Kind.FILE else EVERYTHING)
    # What lies behind a link is unknown, so nothing below its name is missing.
    names = (name, f"{name}/") if part.kind is Kind.FILE else (name,)
    return _refused(Code.UNSAFE_PATH, path, f"left alone: {reason}", *names)


def _promised(part: Part, folder: str, path: str) -> str:
    """The name that the path alone promises."""
    rest = path.removeprefix(f"{folder}/")
    return kestra_name(rest) if part.kind is Kind.FILE else stem(rest)


def _files(
    part: Part, folder: str, files: Iterable[GitFile]
) -> tuple[dict[str, Entry], list[_Refused]]:
    by_name: dict[str, list[GitFile]] = defaultdict(list)
    for file in files:
        by_name[_promised(part, folder, file[0])].append(file)
    entries: dict[str, Entry] = {}
    refused: list[_Refused] = []
    for name, same in by_name.items():
        path, mode, oid = same[0]
        if reason := held_name(name):
            refused.append(_not_held(path, reason, name))
        elif len(same) > 1:
            paths = " and ".join(one[0] for one in same)
            message = f"Kestra holds {paths} under one name, {name}; rename one of them"
            refused.append(_refused(Code.NAME_CLASH, path, message, name))
        else:
            entries[name] = Entry(digest=oid, oid=oid, path=path, mode=mode)
    return entries, refused


def _texts(
    part: Part, files: Sequence[GitFile], known: Mapping[str, Known], read: Read
) -> tuple[dict[str, Entry], list[_Refused]]:
    unknown = [oid for _, _, oid in files if oid not in known]
    texts = read(unknown) if unknown else {}
    by_id: dict[str, list[GitFile]] = defaultdict(list)
    refused: list[_Refused] = []
    for file in files:
        oid = file[2]
        found = known[oid].name if oid in known else _identify(part, file[0], texts[oid])
        if isinstance(found, str):
            by_id[found].append(file)
        else:
            refused.append(found)
    for name, same in by_id.items():
        if len(same) > 1:
            refused.append(_duplicate(part, name, [path for path, _, _ in same]))
    entries = {
        name: Entry(digest=_digest(part, oid, known, texts), oid=oid, path=path, mode=mode)
        for name, same in by_id.items()
        for path, mode, oid in same[:1]
    }
    return entries, refused


def _digest(part: Part, oid: str, known: Mapping[str, Known], texts: Mapping[str, bytes]) -> str:
    return known[oid].digest if oid in known else digest(part.kind, texts[oid])


def _identify(part: Part, path: str, text: bytes) -> str | _Refused:
    """The id in a text, or why it cannot take part."""
    identity = read_identity(text)
    names = {stem(path), *filter(None, [identity.id])}
    if not _is_utf8(text):
        message = "left alone: the text is not UTF-8; save it as UTF-8"
        return _refused(Code.NO_ID, path, message, *names, *possible_ids(text))
    if identity.id is None:
        message = (
            "left alone: no id can be read from the text; write one `id:` line, or mend the YAML "
            "above it"
        )
        return _refused(Code.NO_ID, path, message, *names, *possible_ids(text))
    if part.kind is Kind.FLOW and identity.namespace != part.namespace:
        message = (
            f"the text says {identity.namespace or 'no namespace'}, the folder says "
            f"{part.namespace}; move the file or change its namespace"
        )
        return _refused(Code.WRONG_NAMESPACE, path, message, *names, fatal=True)
    return identity.id


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _duplicate(part: Part, name: str, paths: Sequence[str]) -> _Refused:
    message = f"{' and '.join(paths)} hold one id, {name}; remove or rename one of them"
    names = (name, *map(stem, paths))
    return _refused(Code.DUPLICATE_ID, f"{part.namespace}/{name}", message, *names, fatal=True)


def _too_large(where: str, size: int, name: str) -> _Refused:
    message = (
        f"left alone on both sides: it has {size} bytes, the limit is {LARGEST}; make it smaller "
        "or keep it elsewhere"
    )
    return _refused(Code.TOO_LARGE, where, message, name)


def _not_held(where: str, reason: str, name: str) -> _Refused:
    message = f"{reason}; this file is left alone on both sides, rename it to sync it"
    return _refused(Code.NAME_NOT_HELD, where, message, name)


def _refused(code: Code, where: str, message: str, *names: str, fatal: bool = False) -> _Refused:
    return _Refused(_problem(code, where, message, fatal=fatal), frozenset(names))


def _problem(code: Code, where: str, message: str, *, fatal: bool = False) -> Problem:
    return Problem(code=code, where=visible_line(where), message=visible_line(message), fatal=fatal)
