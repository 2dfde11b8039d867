"""Which options does a task have? Made from the fields of its model, so that they cannot differ."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, StrEnum
from inspect import Parameter
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from tasks.errors import TaskError
from tasks.requests import NamespaceSync, Sync, TenantSync

Model = type[TenantSync] | type[NamespaceSync]

_KEYWORD = Parameter.KEYWORD_ONLY


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOption:
    """One field of a task as an option of the command line."""

    field: str
    #: The name in the task, camelCase.
    alias: str
    #: `--name`, or `--name/--no-name` for yes and no.
    names: str
    #: What typer reads it as.
    read_as: Any
    #: Given several times, as `KEY=VALUE`.
    pairs: bool
    required: bool
    help: str

    @property
    def flag(self) -> str:
        return self.names.split("/", maxsplit=1)[0]

    def parameter(self) -> Parameter:
        """The parameter of a typer command; what was not given is None or an empty list."""
        option = typer.Option(
            self.names,
            help=self.help,
            show_default=False,
            case_sensitive=False,
            metavar="KEY=VALUE" if self.pairs else _metavar(self.read_as),
        )
        optional: Any = Union[self.read_as, None]  # noqa: UP007
        return Parameter(self.field, _KEYWORD, default=None, annotation=Annotated[optional, option])


def options(model: Model) -> tuple[FieldOption, ...]:
    """The options of a task, the required ones first; fields with fields of their own and `type`
    are not among them (`--set` gives them)."""
    found = [_option(name, field) for name, field in model.model_fields.items() if name != "type"]
    known = [one for one in found if one is not None]
    return tuple(sorted(known, key=lambda one: not one.required))


def structured() -> tuple[str, ...]:
    """The fields of all syncs that only `--set` gives in full, by their name in the task."""
    fields = Sync.model_fields.values()
    return tuple(str(field.alias) for field in fields if _models(field.annotation))


def task_value(
    model: Model, given: Mapping[str, Any], assignments: Sequence[str]
) -> dict[str, object]:
    """The task as JSON-ready value: the options that were given, then `--set FIELD=JSON`.

    Raises TaskError for an assignment that cannot be read or repeats an option.
    """
    value: dict[str, object] = {}
    for option in options(model):
        chosen = given.get(option.field)
        if chosen is not None and chosen != []:
            value[option.alias] = _pairs(option, chosen) if option.pairs else _plain(chosen)
    for assignment in assignments:
        name, parsed = _assigned(assignment)
        if name in value:
            raise TaskError(f"{name} is given twice: by --set and by its option; keep one")
        value[name] = parsed
    return value


def missing(model: Model, value: Mapping[str, object]) -> list[FieldOption]:
    """The required options that a task does not have yet."""
    return [one for one in options(model) if one.required and one.alias not in value]


def _option(name: str, field: FieldInfo) -> FieldOption | None:
    read = _read_as(field.annotation)
    if read is None:
        return None
    many, pairs = get_origin(read) is list, _is_mapping(field.annotation)
    word = name.removesuffix("s") if many else name
    flag = "--" + word.replace("_", "-")
    return FieldOption(
        field=name,
        alias=str(field.alias),
        names=f"{flag}/--no-{flag[2:]}" if read is bool else flag,
        read_as=read,
        pairs=pairs,
        required=field.is_required(),
        help=_help(field, many=many),
    )


def _help(field: FieldInfo, *, many: bool) -> str:
    text = " ".join((field.description or "").split())
    default = field.get_default(call_default_factory=True)
    notes = ["may be repeated"] if many else []
    if field.is_required():
        notes.append("required")
    elif isinstance(default, tuple) and default:
        notes.append(f"default: {', '.join(map(str, default))}")
    elif isinstance(default, str) and default:
        notes.append(f"default: {default}")
    if _models(field.annotation):
        notes.append("more by --set")
    return text + (f" ({'; '.join(notes)})" if notes else "")


def _read_as(annotation: Any) -> Any:
    """The type of the option: text, a number, yes or no, a choice, or a list of such; None for a
    field that has fields of its own."""
    simple = [one for one in _alternatives(annotation) if not _is_model(one)]
    if len(simple) != 1:
        return None
    only = simple[0]
    if _is_mapping(only):
        return list[str]
    if get_origin(only) is tuple:
        return list[_single(get_args(only)[0])]  # type: ignore[misc]
    return _single(only)


def _single(annotation: Any) -> Any:
    plain = get_args(annotation)[0] if get_origin(annotation) is Annotated else annotation
    if get_origin(plain) is Literal:
        words = [str(word.value if isinstance(word, Enum) else word) for word in get_args(plain)]
        return StrEnum("Word", {word: word for word in words})
    return plain


def _alternatives(annotation: Any) -> list[Any]:
    if get_origin(annotation) not in {Union, types.UnionType}:
        return [annotation]
    return [one for one in get_args(annotation) if one is not type(None)]


def _models(annotation: Any) -> bool:
    return any(_is_model(one) for one in _alternatives(annotation))


def _is_model(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _is_mapping(annotation: Any) -> bool:
    return any(
        isinstance(origin := get_origin(one), type) and issubclass(origin, Mapping)
        for one in _alternatives(annotation)
    )


def _metavar(read_as: Any) -> str | None:
    """`TEXT`, or the words to choose from as a task has them."""
    single = get_args(read_as)[0] if get_origin(read_as) is list else read_as
    if isinstance(single, type) and issubclass(single, Enum):
        return f"<{'|'.join(str(word.value) for word in single)}>"
    return None if single is bool else "TEXT"


def _plain(chosen: Any) -> object:
    if isinstance(chosen, list):
        return [_plain(one) for one in chosen]
    return str(chosen.value) if isinstance(chosen, Enum) else chosen


def _pairs(option: FieldOption, chosen: Sequence[str]) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for one in chosen:
        key, equals, value = one.partition("=")
        if not equals:
            raise TaskError(f"{option.flag}: write KEY=VALUE, e.g. {option.flag} FILE=KESTRA")
        pairs[key.upper()] = value.upper()
    return pairs


def _assigned(assignment: str) -> tuple[str, object]:
    name, equals, text = assignment.partition("=")
    if not equals or not name:
        raise TaskError("--set: write FIELD=JSON, e.g. --set 'deletionBudget={\"items\": 50}'")
    try:
        return name, json.loads(text)
    except ValueError:
        raise TaskError(
            f"--set {name}: its value is no JSON; write texts in double quotes inside single ones:"
            f" --set '{name}=\"...\"'"
        ) from None
