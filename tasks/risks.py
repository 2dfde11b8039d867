"""What does a change of a flow do besides changing its text? Things that start or stop running."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tasks.visible import visible_line
from tasks.yamltext import scalars

#: Characters of one risk.
_LONGEST = 160
#: Risks of one change; a flow has a handful of triggers.
_MOST = 20
_TRUE = {"true", "True", "TRUE"}

#: The scalars of one trigger by their place in it.
_Trigger = Mapping[str, str]


@dataclass(slots=True)
class _Flow:
    """What of a flow decides when it runs."""

    disabled: bool = False
    triggers: dict[str, _Trigger] = field(default_factory=dict)


def risks(before: bytes | None, after: bytes | None) -> tuple[str, ...]:
    """One line per thing that starts or stops when the target's text `before` becomes `after`;
    None = absent. Texts that cannot be read tell what stands above their error."""
    old, new = _read(before), _read(after)
    found: list[str] = []
    if before is not None and after is not None:
        found += _flips("the flow", old.disabled, new.disabled)
    for name in sorted({*old.triggers, *new.triggers}):
        found += _trigger_risks(name, old.triggers.get(name), new.triggers.get(name))
    shown = [visible_line(risk)[:_LONGEST] for risk in found]
    more = [f"and {len(shown) - _MOST} more"] if len(shown) > _MOST else []
    return tuple(shown[:_MOST] + more)


def _trigger_risks(name: str, old: _Trigger | None, new: _Trigger | None) -> Iterator[str]:
    if old is None and new is not None:
        yield f"trigger {name} added{_when(new)}"
    elif new is None and old is not None:
        yield f"trigger {name} removed{_when(old)}"
    elif old is not None and new is not None and old != new:
        switch = list(_flips(f"trigger {name}", _is_off(old), _is_off(new)))
        yield from switch
        if _without_switch(old) != _without_switch(new):
            crons = old.get("cron"), new.get("cron")
            moved = f": {crons[0]} → {crons[1]}" if crons[0] != crons[1] else ""
            yield f"trigger {name} changed{moved}"


def _flips(what: str, was_off: bool, is_off: bool) -> Iterator[str]:
    if was_off and not is_off:
        yield f"{what} is disabled on the target and becomes enabled"
    elif is_off and not was_off:
        yield f"{what} is enabled on the target and becomes disabled"


def _when(trigger: _Trigger) -> str:
    words = [trigger.get("type", "").rsplit(".", 1)[-1], trigger.get("cron", "")]
    words += ["disabled"] if _is_off(trigger) else []
    named = " ".join(filter(None, words))
    return f" ({named})" if named else ""


def _is_off(trigger: _Trigger) -> bool:
    return trigger.get("disabled") in _TRUE


def _without_switch(trigger: _Trigger) -> _Trigger:
    return {place: value for place, value in trigger.items() if place != "disabled"}


def _read(text: bytes | None) -> _Flow:
    flow = _Flow()
    if text is None or not (b"triggers" in text or b"disabled" in text):
        return flow
    triggers: dict[int | str, dict[str, str]] = defaultdict(dict)
    for scalar in scalars(text):
        if scalar.path == ("disabled",):
            flow.disabled = scalar.value in _TRUE
        elif scalar.path[0] == "triggers" and len(scalar.path) > 2:
            place = "\0".join(map(str, scalar.path[2:]))
            triggers[scalar.path[1]][place] = "" if scalar.value is None else scalar.value
    flow.triggers = {_name(at, trigger): trigger for at, trigger in triggers.items()}
    return flow


def _name(at: int | str, trigger: _Trigger) -> str:
    return trigger.get("id") or f"#{at}"
