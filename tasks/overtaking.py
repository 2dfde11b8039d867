"""Which texts of other writers did a write overwrite unseen, and where are they kept?

The newest revision of each artifact is noted before the target is looked at, and asked for again
when its write was read back. What was noted is kept with the write job, so that whoever takes the
job over, or settles it later, still knows it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tasks.artifacts import Key, Kind
from tasks.errors import Doubtful, LoginRefused, NotFound, Refused, Unsupported
from tasks.kestra.side import KestraSide, Saved, Sent
from tasks.look import Ended, How, OvertakenText
from tasks.plan import Action, Change
from tasks.problems import Code, Problem
from tasks.store.contents import Contents

#: What a server answers that counts no revisions, or not in the form that is known.
_NOT_COUNTED = (Doubtful, NotFound, Refused, Unsupported)

#: How a change ended that may have been sent, also by a delivery of its job that died and whose
#: write somebody has overwritten since. A deletion that did not land has deleted nothing.
_SENT = {False: {How.LANDED, How.FAILED, How.STALE}, True: {How.LANDED}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Looks:
    """What the write job has noted: the revisions before its first look at each artifact that it
    was about to write, and how more of them are noted."""

    noted: Mapping[Key, int]
    note: Callable[[Mapping[Key, int]], None]


def newest_revisions(kestra: KestraSide, changes: Iterable[Change]) -> Mapping[Key, int]:
    """The newest revision of what the changes are about; 0 where nothing is there. Dashboards have
    none, and neither has what this server does not count.

    To be asked before the target is looked at: what is saved in between is then seen by the look.
    """
    keys = {change.key: change for change in changes if change.kind is not Kind.DASHBOARD}
    # A file that is not there has no revisions to ask for.
    asked = [
        key
        for key, change in keys.items()
        if not (change.kind is Kind.FILE and change.action is Action.ADD)
    ]
    try:
        found = kestra.revisions(asked) if asked else {}
    except _NOT_COUNTED:
        return {}
    return {key: found.get(key, 0) for key in keys}


def with_overtaken(
    ended: Sequence[Ended], kestra: KestraSide, contents: Contents
) -> tuple[tuple[Ended, ...], tuple[Problem, ...]]:
    """The changes as they ended, with what they overwrote unseen, whose texts are stored; and what
    kept us from asking.

    Only changes whose `revision` was noted are asked about.
    """
    sent = [_sent(one) for one in ended if one.revision is not None and _may_be_sent(one)]
    try:
        found = kestra.overtaken(sent) if sent else {}
    except (*_NOT_COUNTED, LoginRefused) as error:
        return tuple(ended), (_not_asked(sent[0].key.namespace, error.message),)
    kept = {key: tuple(_kept(one, contents) for one in saved) for key, saved in found.items()}
    return tuple(
        one.model_copy(update={"overtaken": kept.get(one.change.key, ())}) for one in ended
    ), ()


def _not_asked(namespace: str, why: str) -> Problem:
    message = f"whether somebody saved a text just before it was overwritten cannot be read: {why}"
    return Problem(code=Code.UNKNOWN, where=namespace, message=message)


def _may_be_sent(one: Ended) -> bool:
    return one.how in _SENT[one.change.action is Action.DELETE]


def _sent(one: Ended) -> Sent:
    change = one.change
    return Sent(key=change.key, after=change.after, before=change.before, looked=one.revision or 0)


def _kept(saved: Saved, contents: Contents) -> OvertakenText:
    return OvertakenText(
        revision=saved.revision,
        updated=saved.updated,
        kept_content=None if saved.text is None else contents.put(saved.text),
    )
