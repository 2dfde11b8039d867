"""What disks, crashes and people do to a mirror; `path` is its directory."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


def zero_bytes(path: Path) -> None:
    pack = next(path.glob("objects/pack/*.pack"))
    pack.chmod(0o600)
    with pack.open("r+b") as file:
        file.seek(pack.stat().st_size // 2)
        file.write(b"\0" * 4096)


def truncated_pack(path: Path) -> None:
    pack = next(path.glob("objects/pack/*.pack"))
    pack.chmod(0o600)
    os.truncate(pack, pack.stat().st_size // 3)


def lost_pack(path: Path) -> None:
    for file in path.glob("objects/pack/*"):
        file.unlink()


def lost_index(path: Path) -> None:
    for file in path.glob("objects/pack/*.idx"):
        file.unlink()


def lost_head(path: Path) -> None:
    (path / "HEAD").unlink()


def lost_objects(path: Path) -> None:
    shutil.rmtree(path / "objects")


def lost_mirror(path: Path) -> None:
    shutil.rmtree(path)


def empty_refs(path: Path) -> None:
    for file in (path / "refs").rglob("*"):
        if file.is_file():
            file.write_bytes(b"")


def broken_config(path: Path) -> None:
    (path / "config").write_text("[core\n\0")


def truncated_index(path: Path) -> None:
    for file in path.glob("objects/pack/*.idx"):
        file.chmod(0o600)
        os.truncate(file, file.stat().st_size // 2)


def lost_object(path: Path) -> None:
    """One blob is gone, everything else is there."""
    listed = _git(path, "cat-file", "--batch-all-objects", "--batch-check").decode().split("\n")
    blob = next(line.split()[0] for line in listed if " blob " in line)
    packs = [file.rename(path / file.name) for file in path.glob("objects/pack/*.pack")]
    for file in path.glob("objects/pack/*"):
        file.unlink()
    for pack in packs:
        _git(path, "unpack-objects", "-q", stdin=pack.read_bytes())
        pack.unlink()
    (path / "objects" / blob[:2] / blob[2:]).unlink(missing_ok=True)


def broken_packed_refs(path: Path) -> None:
    (path / "packed-refs").write_text("# pack-refs with: peeled fully-peeled sorted\nnonsense\n")


def broken_multi_pack_index(path: Path) -> None:
    _git(path, "repack", "-adq", "--write-midx")
    file = path / "objects/pack/multi-pack-index"
    file.chmod(0o600)
    size = file.stat().st_size
    with file.open("r+b") as index:
        index.seek(size // 4)
        index.write(b"\xff" * (size // 2))


def truncated_multi_pack_index(path: Path) -> None:
    _git(path, "repack", "-adq", "--write-midx")
    file = path / "objects/pack/multi-pack-index"
    file.chmod(0o600)
    os.truncate(file, file.stat().st_size // 2)


def unterminated_packed_refs(path: Path) -> None:
    _git(path, "pack-refs", "--all")
    file = path / "packed-refs"
    os.truncate(file, file.stat().st_size - 5)


def _git(path: Path, *arguments: str, stdin: bytes = b"") -> bytes:
    command = ("git", f"--git-dir={path}", *arguments)
    return subprocess.run(command, input=stdin, check=True, capture_output=True).stdout


DAMAGES = [
    zero_bytes, truncated_pack, lost_pack, lost_index, truncated_index, lost_object, lost_head,
    lost_objects, lost_mirror, empty_refs, broken_packed_refs, unterminated_packed_refs,
    broken_multi_pack_index, truncated_multi_pack_index, broken_config,
]  # fmt: skip
