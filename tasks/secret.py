"""Where is a secret kept? A reference, read at the moment of use, never the secret itself."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, StringConstraints, model_validator

from tasks.errors import ConfigError
from tasks.record import Record

Text = Annotated[str, StringConstraints(min_length=1)]


def _names_a_file(path: str) -> str:
    """Refuses what stands in a file in place of its name, which errors would show."""
    if "-----BEGIN" in path or any(character in path for character in "\r\n\0"):
        raise ValueError(
            "is no path but what stands in a file; write where the file lies, and change the"
            " secret if others have seen this"
        )
    return path


#: The path of a file, which may be a secret one: it stands in error texts.
FilePath = Annotated[Text, AfterValidator(_names_a_file)]


class Secret(Record, use_attribute_docstrings=True):
    """A reference to a secret: `{env: NAME}` or `{file: PATH}`, read where it is used."""

    env: Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Name of an environment variable of the worker."""
    file: FilePath | None = None
    """Path of a file on the worker's disk."""

    @model_validator(mode="after")
    def _one_place(self) -> Secret:
        if (self.env is None) == (self.file is None):
            raise ValueError("a secret is a reference: write {env: NAME} or {file: PATH}")
        return self

    def resolve(self) -> str:
        """The secret itself, without the line end of a file.

        Raises ConfigError naming the variable or file when it is not there, empty or no UTF-8.
        """
        if self.env is not None:
            octets = os.fsencode(os.environ.get(self.env, ""))
            place = f"environment variable {self.env}"
        else:
            octets = _read(Path(self.file or ""))
            place = f"file {self.file}"
        if not octets:
            raise ConfigError(f"secret: {place} is not set or empty; set it where the worker runs")
        try:
            return octets.decode()
        except UnicodeDecodeError:
            raise ConfigError(f"secret: {place} is no UTF-8 text; store it as such") from None

    def line(self) -> str:
        """The secret, which must be one line, as passwords are. Raises ConfigError."""
        value = self.resolve()
        if any(character in value for character in "\r\n\0"):
            raise ConfigError(f"secret: {self} holds a line end; store it as one line")
        return value

    def __str__(self) -> str:
        return f"env {self.env}" if self.env else f"file {self.file}"


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().rstrip(b"\r\n")
    except OSError:
        return b""
