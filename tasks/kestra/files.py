"""Which files does a namespace hold, and how are files written and deleted?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

from tasks.artifacts import LARGEST, Key
from tasks.errors import Doubtful, NotFound, Passing, Refused, Unsupported, UserError
from tasks.kestra.answers import ServerFailed
from tasks.kestra.archives import chunked, folded, unfold
from tasks.kestra.calls import Call, Repeat, Upload, get
from tasks.kestra.client import Client

#: Files and bytes of one upload. The server takes about 12 ms a file (measured).
UPLOAD_COUNT, UPLOAD_SIZE = 200, 8 << 20
#: Seconds allowed for each file of an upload when chunks are sized for a short timeout.
UPLOAD_SECONDS = 0.1
#: Older servers put the flows of the namespace here when files are exported.
_FLOWS = "_flows/"
#: Names that an archive carries unchanged: others are refused or decoded there (measured).
_PLAIN = re.compile(r"[A-Za-z0-9._-]+(?:/[A-Za-z0-9._-]+)*")


class Files(NamedTuple):
    """What a namespace holds, by name as Kestra lists it, without leading slash."""

    contents: Mapping[str, bytes]
    #: Those with more than `LARGEST` bytes: how many they have.
    large: Mapping[str, int]


def read_files(client: Client, namespace: str) -> Files:
    """All files of exactly one namespace.

    Where the server cannot build the export, files are listed and read one by one. Raises
    Doubtful for a file that is listed and cannot be read, Unsupported when the server has no
    namespace files.
    """
    call = get("namespaces", namespace, "files", "export", bulk=True)
    try:
        what = f"{client!r}: export of the files of {namespace}"
        found = unfold(client.send(call), what, without=_FLOWS)
    except (NotFound, Unsupported) as error:
        raise Unsupported(f"This server does not list namespace files: {error.message}") from None
    except ServerFailed:
        # Two rows of one file, left by writers at the same time, break the export until the file
        # is written once more.
        return _one_by_one(client, namespace)
    contents = {name.removeprefix("/"): content for name, content in found.entries}
    large = {name.removeprefix("/"): size for name, size in found.large}
    if len(contents.keys() | large.keys()) != len(found.entries) + len(found.large):
        raise Doubtful(f"export of the files of {namespace}: a file comes twice; ask again")
    return Files(contents, large)


def _one_by_one(client: Client, namespace: str) -> Files:
    call = get("namespaces", namespace, "files", "search", query=(("q", "/"),))
    listed = client.read(call)
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise Doubtful(f"{client!r}: {call} did not answer a list of names")
    names = sorted({str(name).removeprefix("/") for name in listed})
    names = [name for name in names if not name.startswith(_FLOWS)]
    read = client.each(lambda name: _listed(client, namespace, name), names)
    contents = {n: c for n, c in zip(names, read, strict=True) if isinstance(c, bytes)}
    large = {n: c for n, c in zip(names, read, strict=True) if isinstance(c, int)}
    return Files(contents, large)


def read_file(client: Client, namespace: str, name: str) -> bytes:
    """One file. Raises NotFound where there is none of this name."""
    path = (("path", f"/{name}"),)
    return client.send(get("namespaces", namespace, "files", query=path, bulk=True))


def _listed(client: Client, namespace: str, name: str) -> bytes | int:
    """The bytes of a file, or how many it has where they are too many."""
    try:
        content = read_file(client, namespace, name)
        return content if len(content) <= LARGEST else len(content)
    except (Passing, UserError) as error:
        raise Doubtful(
            f"file {name} of {namespace} is listed and cannot be read: {error.message}"
        ) from None


def in_archives(name: str) -> bool:
    """Whether an archive carries a file of this name unchanged into its namespace."""
    return (
        _PLAIN.fullmatch(name) is not None
        and not name.startswith(_FLOWS)
        and not name.lower().endswith(".zip")
    )


def upload_chunks(
    files: Sequence[tuple[Key, bytes]], timeout: float
) -> Iterator[tuple[tuple[Key, bytes], ...]]:
    """The files in order, in chunks that one upload takes within `timeout` seconds."""
    count = max(1, min(UPLOAD_COUNT, int(timeout / UPLOAD_SECONDS)))
    sized = [((key, content), len(content)) for key, content in files]
    return chunked(sized, count=count, size=UPLOAD_SIZE)


def upload_files(
    client: Client,
    namespace: str,
    files: Sequence[tuple[Key, bytes]],
    guard: Callable[[float], None],
) -> None:
    """Writes files whose names `in_archives` allows with one request."""
    archive = folded((key.name, content) for key, content in files)
    _post(client, namespace, "/", "files.zip", archive, guard)


def put_file(
    client: Client, namespace: str, name: str, content: bytes, guard: Callable[[float], None]
) -> None:
    """Writes one file. The name goes into the query, whole; the part has a neutral one, because
    the server unfolds a part whose name ends in .zip."""
    _post(client, namespace, f"/{name}", "file", content, guard)


def _post(
    client: Client,
    namespace: str,
    path: str,
    filename: str,
    content: bytes,
    guard: Callable[[float], None],
) -> None:
    upload = Upload(
        field="fileContent",
        filename=filename,
        content=content,
        content_type="application/octet-stream",
    )
    call = Call(
        method="POST",
        path=("namespaces", namespace, "files"),
        query=(("path", path),),
        uploads=(upload,),
        # Each upload of a file is a revision and an object in the storage for ever.
        repeat=Repeat.ONCE,
    )
    client.send(call, guard)


def delete_file(client: Client, namespace: str, name: str, guard: Callable[[float], None]) -> None:
    """Deletes one file; one that is not there is deleted already. A folder left empty goes too.

    The server deletes the folder of the name, whatever is left in it, when it is asked for a file
    that is gone and one other is there (measured). So it is asked for a file that it has just
    shown, and never by itself a second time.
    """
    if not name.strip("/"):
        raise Refused(f"a file without a name cannot be deleted in {namespace}")
    if not _is_file(client, namespace, name):
        return
    call = Call(
        method="DELETE",
        path=("namespaces", namespace, "files"),
        query=(("path", f"/{name}"),),
        repeat=Repeat.ONCE,
    )
    try:
        client.send(call, guard)
    except NotFound:
        return


def _is_file(client: Client, namespace: str, name: str) -> bool:
    call = get("namespaces", namespace, "files", "stats", query=(("path", f"/{name}"),))
    try:
        said = client.read(call)
    except NotFound:
        return False
    if not isinstance(said, dict) or "type" not in said:
        raise Doubtful(f"{client!r}: {call} did not answer whether it is a file")
    return bool(said["type"] == "File")
