"""Secrets that are found again in whatever form they come, and the places that take one."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from tasks.configured import _PATHS, Config
from tasks.secret import Secret
from workers.settings import Settings

#: Characters that URLs, JSON, shells and HTML write otherwise.
ODD = "/+%\"'\\&="


@dataclass
class Planted:
    """Every secret of a test, by the name of its place."""

    #: What is looked for: letters and digits alone, which no form of writing changes.
    cores: dict[str, str] = field(default_factory=dict)

    def new(self, place: str, odd: str = ODD) -> str:
        """A secret for a place, unique to this test."""
        core = f"Pl4nt{secrets.token_hex(9)}"
        self.cores[place] = core
        return core + odd

    def text(self, place: str, text: str) -> str:
        """A secret that is made elsewhere (a PEM file): a line out of its middle is looked for."""
        lines = text.strip().splitlines()
        self.cores[place] = lines[len(lines) // 2].strip()
        return text

    def found(self, content: bytes) -> list[str]:
        """The places whose secret is in a content as it is, in hex, or inside of any base64."""
        lower = content.lower()
        return [
            place
            for place, core in self.cores.items()
            if core.lower().encode() in lower
            or core.encode().hex().encode() in lower
            or any(form in content for form in _in_base64(core.encode()))
        ]


def _in_base64(core: bytes) -> Iterator[bytes]:
    """How base64 writes it, wherever it begins in what is encoded."""
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + core)
        yield encoded[(0, 2, 3)[before] : len(encoded) - 4]


def places() -> set[str]:
    """Where the models take a secret: every field that is a reference, every path of a file that
    may be one, and every setting that is not shown."""
    found = {f"TENANTSYNC_{n.upper()}" for n, f in Settings.model_fields.items() if not f.repr}
    for section, entry in Config.model_fields.items():
        for model in _models(entry.annotation):
            found |= {f"{section}.{place}" for place in _of_model(model)}
    return found


def written(config: Mapping[str, Any]) -> set[str]:
    """The places that a configuration as it is written gives, named as in `places`."""
    found = set()
    for section, entries in config.items():
        for entry in entries.values():
            for key, value in entry.items():
                found.add(f"{section}.{key}")
                found |= {f"{section}.{key}.{inner}" for inner in value} if _maps(value) else set()
    return found


def _maps(value: object) -> bool:
    return isinstance(value, Mapping)


def _of_model(model: type[BaseModel]) -> Iterator[str]:
    for name, entry in model.model_fields.items():
        inner = _models(entry.annotation)
        alias = entry.alias or name
        if Secret in inner or name in _PATHS:
            yield alias
        for one in inner:
            if one is not Secret:
                yield from (f"{alias}.{place}" for place in _of_model(one))


def _models(annotation: object) -> list[type[BaseModel]]:
    """The models in an annotation, wherever they stand in it."""
    if isinstance(annotation, type) and get_origin(annotation) is None:
        return [annotation] if issubclass(annotation, BaseModel) else []
    return [model for part in get_args(annotation) for model in _models(part)]


def files(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file below a folder with its bytes; one that goes away meanwhile is left out."""
    for path in folder.rglob("*"):
        try:
            if path.is_file() and not path.is_symlink():
                yield path, path.read_bytes()
        except FileNotFoundError:
            continue
