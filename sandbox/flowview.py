"""How a flow looks in an answer."""

from __future__ import annotations

from typing import Any

from .catalogue import Catalogue
from .filters import labels_json
from .flowmodel import Model, missing_plugin, unresolved
from .flows import Revision, StoredFlow, iso
from .flowtext import UnreadableTextError, load_yaml, scalar

#: Fields of the text that the server answers from its own records.
_OWN = ("id", "namespace", "revision", "deleted", "updated", "tenantId", "source", "draft")


def flow_json(
    flow: StoredFlow, catalogue: Catalogue, *, source: bool = False, fresh: bool = False
) -> dict[str, Any]:
    """A flow as the server answers it.

    `source` adds the text; `fresh` is the form of a text that was stored by this very call (no
    `updated`, no empty `triggers`).
    """
    revision = flow.revision
    model = _model(revision)
    lacking = missing_plugin(model, catalogue)
    if lacking is not None:
        return _broken(flow, unresolved(lacking, "Flow"))
    shown: dict[str, Any] = {
        # The value of the scalar, which is not always the id it is stored under.
        "id": scalar(model["id"]) if fresh and "id" in model else flow.id,
        "namespace": flow.namespace,
        "revision": revision.number,
    }
    if not fresh and not revision.deleted:
        shown["updated"] = iso(revision.updated)
    shown |= _written_fields(model)
    shown |= {"disabled": revision.disabled, "deleted": revision.deleted}
    if revision.draft:
        shown["draft"] = True
    shown["tasks"] = model.get("tasks") or []
    if not fresh:
        shown.setdefault("triggers", [])
    if source:
        shown["source"] = revision.source
    return shown


def _model(revision: Revision) -> Model:
    try:
        model = load_yaml(revision.source)
    except UnreadableTextError:
        return {}
    return model if isinstance(model, dict) else {}


def _written_fields(model: Model) -> dict[str, Any]:
    shown = {
        str(name): value
        for name, value in model.items()
        if name not in _OWN and name not in ("tasks", "disabled") and value is not None
    }
    if "labels" in shown:
        shown["labels"] = labels_json(shown["labels"])
    if isinstance(shown.get("inputs"), list):
        shown["inputs"] = [
            {**one, "required": one.get("required", True)} if isinstance(one, dict) else one
            for one in shown["inputs"]
        ]
    return shown


def _broken(flow: StoredFlow, exception: str) -> dict[str, Any]:
    return {
        "id": flow.id,
        "namespace": flow.namespace,
        "revision": flow.revision.number,
        "disabled": flow.revision.disabled,
        "deleted": flow.revision.deleted,
        "tasks": [],
        "source": flow.revision.source,
        "exception": exception,
    }
