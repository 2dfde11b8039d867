"""Which keys and values a tenant's namespaces hold, and which type a written value gets."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from amazon.ion import simpleion  # type: ignore[import-untyped]
from amazon.ion.core import Timestamp  # type: ignore[import-untyped]
from amazon.ion.exceptions import IonException  # type: ignore[import-untyped]
from amazon.ion.simple_types import IonPyNull, IonPySymbol  # type: ignore[import-untyped]

from .journal import note

KEY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9._-]*")
_DURATION = re.compile(r"P(?=.)(?:\d+D)?(?:T(?=.)(?:\d+H)?(?:\d+M)?(?:\d+(?:\.\d+)?S)?)?")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One key's present value."""

    namespace: str
    key: str
    type: str
    value: Any
    #: The text it was written with.
    written: str
    revision: int
    created: float
    updated: float
    description: str | None = None
    expires: float | None = None

    @property
    def expired(self) -> bool:
        """True where its time to live is over."""
        return self.expires is not None and self.expires <= time.time()


class KvStore:
    """The keys of one tenant."""

    def __init__(self) -> None:
        self._rows: dict[tuple[str, str], Value] = {}

    def get(self, namespace: str, key: str) -> Value | None:
        """A key's value, expired or not."""
        return self._rows.get((namespace, key))

    def live(self) -> Iterator[Value]:
        """All values that have not expired, by namespace and key."""
        for place in sorted(self._rows):
            if not self._rows[place].expired:
                yield self._rows[place]

    def put(self, value: Value) -> None:
        """Store a value; its revision rises even where it is equal."""
        place = (value.namespace, value.key)
        before = self._rows.get(place)
        if before is not None:
            value = replace(value, revision=before.revision + 1, created=before.created)
        self._rows[place] = value
        note(f"kv {value.namespace}/{value.key}", self._put_back(place, before))

    def delete(self, namespace: str, key: str) -> bool:
        """Delete a key; False where it is absent."""
        before = self._rows.pop((namespace, key), None)
        if before is None:
            return False
        note(f"kv {namespace}/{key}", self._put_back((namespace, key), before))
        return True

    def _put_back(self, place: tuple[str, str], before: Value | None) -> Callable[[], None]:
        def undo() -> None:
            if before is None:
                self._rows.pop(place)
            else:
                self._rows[place] = before

        return undo


def read_value(text: str) -> tuple[str, Any]:
    """The type and value of a written text, read as Ion: `hello world` is `hello`."""
    try:
        found = next(iter(simpleion.loads(text, single_value=False)), None)
    except IonException:
        return "STRING", text
    if _DATE.match(text):
        return "DATE", text[:10]
    return _typed(found)


def _typed(found: Any) -> tuple[str, Any]:
    if found is None or isinstance(found, IonPyNull):
        return "STRING", None
    if isinstance(found, IonPySymbol):
        return _typed(found.text)
    if isinstance(found, bool) or type(found).__name__ == "IonPyBool":
        return "BOOLEAN", bool(found)
    if isinstance(found, int):
        return "NUMBER", int(found)
    if isinstance(found, Timestamp):
        return "DATETIME", found.isoformat()
    if isinstance(found, Mapping | list):
        return "JSON", plain(found)
    text = str(found)
    if isinstance(found, str):
        return ("DURATION" if _DURATION.fullmatch(text) else "STRING"), text
    return "NUMBER", float(text)


def plain(tree: Any) -> Any:
    """An Ion tree as JSON types."""
    if isinstance(tree, Mapping):
        return {str(key): plain(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [plain(value) for value in tree]
    return _typed(tree)[1] if not isinstance(tree, str) else str(tree)


def written_value(
    namespace: str,
    key: str,
    written: str,
    description: str | None = None,
    lasting: float | None = None,
) -> Value:
    """The value that a written text makes now; `lasting` is its time to live in seconds."""
    now = time.time()
    kind, value = read_value(written)
    return Value(
        namespace=namespace,
        key=key,
        type=kind,
        value=value,
        written=written,
        revision=1,
        created=now,
        updated=now,
        description=description,
        expires=None if lasting is None else now + lasting,
    )


def seconds(duration: str) -> float | None:
    """An ISO 8601 duration of days, hours, minutes and seconds; None where it is none."""
    if not _DURATION.fullmatch(duration):
        return None
    sizes = {"D": 86400.0, "H": 3600.0, "M": 60.0, "S": 1.0}
    return sum(
        float(number) * sizes[unit] for number, unit in re.findall(r"([\d.]+)([DHMS])", duration)
    )
