"""How one flow is created, updated, deleted, switched off, and what is refused on the way."""

from __future__ import annotations

import asyncio
import re
import time

from .call import Call
from .errors import (
    ApiError,
    EmptyError,
    invalid_entity,
    invalid_field,
    not_found,
    unreadable_entity,
)
from .flowmodel import Model, RejectedTextError, read_flow
from .flows import Revision, StoredFlow
from .flowtext import identity_of, scalar
from .settings import Dialect
from .validation import check_model


def guard(call: Call, namespace: str) -> None:
    """Refuse, with 403, a namespace that the login does not see."""
    if not call.login.sees(namespace):
        raise EmptyError(403)


def read_or_refuse(call: Call, source: str) -> Model:
    """The tree of a flow's text, or the 422 of a single write."""
    try:
        return read_flow(source, call.world.catalogue)
    except RejectedTextError as error:
        raise refusal(error) from error


def place_of(source: str, model: Model) -> tuple[str, str]:
    """The namespace and id under which a text is stored."""
    identity = identity_of(source)
    if identity is None:
        return scalar(model["namespace"]), scalar(model["id"])
    return identity.namespace, identity.id


def refusal(error: RejectedTextError) -> ApiError:
    """The 422 of a single write whose text cannot be read."""
    prefix = f"Illegal {error.kind} source: " if error.kind else ""
    return unreadable_entity(prefix + error.text, error.violations)


def refuse_broken_model(call: Call, model: Model) -> None:
    """422 where a readable flow breaks a constraint."""
    violations = check_model(model, call.world.catalogue)
    if violations:
        raise invalid_entity(violations)


def is_draft(call: Call) -> bool:
    """True where the call stores a draft, which only a 2.0 server knows."""
    return call.world.settings.dialect is Dialect.V2_0 and call.flag("draft")


async def create(call: Call, source: str) -> StoredFlow:
    """Store a new flow."""
    if is_draft(call):
        return _create_draft(call, source)
    model = read_or_refuse(call, source)
    refuse_broken_model(call, model)
    namespace, flow_id = place_of(source, model)
    guard(call, namespace)
    if call.tenant.flows.live(namespace, flow_id) is not None:
        raise invalid_field("flow.id", "Flow id already exists")
    return await store(call, namespace, flow_id, source, model)


def _create_draft(call: Call, source: str) -> StoredFlow:
    found = dict(re.findall(r"(?m)^(id|namespace):\s*(\S+)\s*$", source))
    if len(found) < 2:
        raise invalid_field("flow.id", "must not be null")
    guard(call, found["namespace"])
    revision = call.tenant.flows.save(
        found["namespace"], found["id"], source, disabled=False, draft=True
    )
    return StoredFlow(found["namespace"], found["id"], revision)


async def update(call: Call, namespace: str, flow_id: str, source: str) -> tuple[StoredFlow, bool]:
    """Store a text as the next revision; the flag says whether anything changed."""
    guard(call, namespace)
    live = call.tenant.flows.live(namespace, flow_id)
    if live is None:
        raise not_found()
    model = {} if is_draft(call) else read_or_refuse(call, source)
    if not is_draft(call):
        refuse_broken_model(call, model)
        if scalar(model["id"]) != flow_id:
            raise invalid_field("flow.id", "Illegal flow id update")
        if scalar(model["namespace"]) != namespace:
            raise invalid_field("flow.namespace", "Illegal namespace update")
    stored = await store(call, namespace, flow_id, source, model)
    return stored, stored.revision is not live


async def store(call: Call, namespace: str, flow_id: str, source: str, model: Model) -> StoredFlow:
    """Append a revision unless nothing changes.

    The number is chosen before other calls get their turn, as on the server: two writers of one
    flow at once are given the same number, and one text is lost.
    """
    flows = call.tenant.flows
    disabled, draft = scalar(model.get("disabled")).lower() == "true", is_draft(call)
    live = flows.live(namespace, flow_id)
    if live is not None and live.same(source, disabled, draft):
        return StoredFlow(namespace, flow_id, live)
    number = flows.next_number(namespace, flow_id)
    await asyncio.sleep(0)
    revision = Revision(number, source, time.time(), disabled=disabled, draft=draft)
    flows.put(namespace, flow_id, revision)
    return StoredFlow(namespace, flow_id, revision)


def switch(call: Call, namespace: str, flow_id: str, *, disabled: bool) -> bool:
    """Rewrite a flow's text so that it is on or off; False where it already is."""
    live = call.tenant.flows.live(namespace, flow_id)
    if live is None:
        raise not_found("No value present")
    if live.disabled is disabled:
        return False
    call.tenant.flows.save(namespace, flow_id, _switched(live.source, disabled), disabled=disabled)
    return True


def _switched(source: str, disabled: bool) -> str:
    old, new = ("false", "true") if disabled else ("true", "false")
    line = re.compile(rf"^disabled\s*:\s*{old}\s*", re.MULTILINE)
    if line.search(source):
        return line.sub(f"disabled: {new}\n", source)
    return f"{source}\ndisabled: {new}"
