"""Which namespaces are protected from deletions?"""

from __future__ import annotations

from collections.abc import Iterable


def is_protected(namespace: str, protected: Iterable[str]) -> bool:
    """Whether one of the names covers the namespace: `p` covers `p` and `p.*`; `_global` covers
    the dashboards."""
    return any(namespace == name or namespace.startswith(f"{name}.") for name in protected)
