"""What does one side hold for one part, and what of it cannot take part in a sync?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from tasks.artifacts import Entry, Kind, Part, Snapshot, blob_oid, digest
from tasks.identity import possible_ids, read_identity
from tasks.layout import check_path, held_name, kestra_name, stem
from tasks.problems import Code, Problem
from tasks.visible import visible_line

#: Path below the repository root, mode and blob id of one file in Git.
GitFile = tuple[str, str, str]
#: The bytes of blobs by id.
Read = Callable[[Collection[str]], Mapping[str, bytes]]

_FILE_MODES = {"100644", "100755"}


def kestra(part: Part, contents: Mapping[str, bytes], drafts: Collection[str] = ()) -> Snapshot:
    """A part as Kestra holds it: name as the server lists it → bytes.

    Drafts are neither exported nor overwritten; a file whose name the server lists but cannot
    hold (`#`, `%xx`) shares its content with others, so it is left alone.
    """
    entries, problems, withheld = {}, [], set(drafts)
    for name, content in sorted(contents.items()):
        reason = held_name(name) if part.kind is Kind.FILE else None
        if reason is not None:
            problems.append(_not_held(part, name, reason))
            withheld.add(name)
        elif name not in withheld:
            entries[name] = Entry(
                digest=digest(part.kind, content), oid=blob_oid(content), path=name
            )
    return Snapshot(entries=entries, problems=tuple(problems), withheld=frozenset(withheld))


def git(
    part: Part, folder: str, files: Sequence[GitFile], known: Mapping[str, str], read: Read
) -> Snapshot:
    """A part as a commit holds it.

    `folder` is the folder of the part, `known` the names of texts by blob id that Kestra holds in
    this part: equal blobs say the same, so they are not read. Namespace files are never read.
    """
    odd = [(path, reason) for path, mode, _ in files if (reason := _odd(path, mode))]
    paths = {path for path, _ in odd}
    plain = [file for file in files if file[0] not in paths]
    problems = [
        _problem(Code.UNSAFE_PATH, path, f"{reason}; it is left alone", fatal=False)
        for path, reason in odd
    ]
    withheld = {_promised(part, folder, path) for path, _ in odd}
    if part.kind is Kind.FILE:
        found = _files(part, folder, plain)
    else:
        found = _texts(part, plain, known, read)
    return Snapshot(
        entries=found.entries,
        problems=(*problems, *found.problems),
        withheld=found.withheld | withheld,
    )


def _odd(path: str, mode: str) -> str | None:
    if mode not in _FILE_MODES:
        return "it is a symbolic link or a submodule"
    return check_path(path)


def _promised(part: Part, folder: str, path: str) -> str:
    """The name that the path alone promises."""
    rest = path.removeprefix(f"{folder}/")
    return kestra_name(rest) if part.kind is Kind.FILE else stem(rest)


def _files(part: Part, folder: str, files: Iterable[GitFile]) -> Snapshot:
    by_name: dict[str, list[GitFile]] = defaultdict(list)
    for file in files:
        by_name[_promised(part, folder, file[0])].append(file)
    entries, problems, withheld = {}, [], set()
    for name, same in sorted(by_name.items()):
        reason = held_name(name)
        if reason is not None:
            problems.append(_not_held(part, name, reason))
        elif len(same) > 1:
            paths = ", ".join(sorted(path for path, _, _ in same))
            message = f"Kestra holds {paths} under one name; rename one of them"
            problems.append(_problem(Code.NAME_CLASH, same[0][0], message, fatal=False))
        else:
            path, mode, oid = same[0]
            entries[name] = Entry(digest=oid, oid=oid, path=path, mode=mode)
            continue
        withheld.add(name)
    return Snapshot(entries=entries, problems=tuple(problems), withheld=frozenset(withheld))


def _texts(part: Part, files: Sequence[GitFile], known: Mapping[str, str], read: Read) -> Snapshot:
    texts = read([oid for _, _, oid in files])
    by_id: dict[str, list[GitFile]] = defaultdict(list)
    problems: list[Problem] = []
    withheld: set[str] = set()
    for file in files:
        path, _, oid = file
        name = known.get(oid)
        if name is None:
            name, problem = _identify(part, path, texts[oid])
            if problem is not None:
                problems.append(problem)
                withheld |= {stem(path), *possible_ids(texts[oid]), *([name] if name else [])}
                continue
        by_id[name or ""].append(file)
    twice = {name for name, same in by_id.items() if len(same) > 1}
    problems += [_duplicate(part, name, by_id[name]) for name in sorted(twice)]
    entries = {
        name: Entry(
            digest=digest(part.kind, texts[same[0][2]]),
            oid=same[0][2],
            path=same[0][0],
            mode=same[0][1],
        )
        for name, same in sorted(by_id.items())
        if name not in twice | withheld
    }
    return Snapshot(entries=entries, problems=tuple(problems), withheld=frozenset(withheld | twice))


def _identify(part: Part, path: str, text: bytes) -> tuple[str | None, Problem | None]:
    """The id in a text, or why it cannot take part."""
    identity = read_identity(text)
    if identity.id is None:
        message = "no id can be read from the text; write one `id:` line, or mend the YAML above it"
        return None, _problem(Code.NO_ID, path, message, fatal=False)
    if part.kind is Kind.FLOW and identity.namespace != part.namespace:
        said = visible_line(identity.namespace or "no namespace")
        message = (
            f"the text says {said}, the folder says {part.namespace}; move the file or change "
            "its namespace"
        )
        return identity.id, _problem(Code.WRONG_NAMESPACE, path, message, fatal=True)
    return identity.id, None


def _duplicate(part: Part, name: str, same: Sequence[GitFile]) -> Problem:
    paths = " and ".join(sorted(visible_line(path) for path, _, _ in same))
    message = f"{paths} hold one id, {visible_line(name)}; remove or rename one of them"
    return Problem(
        code=Code.DUPLICATE_ID, where=f"{part.namespace}/{name}", message=message, fatal=True
    )


def _not_held(part: Part, name: str, reason: str) -> Problem:
    where = f"{part.namespace}: {visible_line(name)}"
    message = f"{reason}; this file is left alone on both sides, rename it to sync it"
    return Problem(code=Code.NAME_NOT_HELD, where=where, message=message)


def _problem(code: Code, path: str, message: str, *, fatal: bool) -> Problem:
    return Problem(code=code, where=visible_line(path), message=message, fatal=fatal)
