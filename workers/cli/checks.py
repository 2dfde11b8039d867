"""`tenantsync config check` and `schema`: what may be written, and what is wrong in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tasks.errors import UserError
from workers.cli.console import say, tell
from workers.cli.groups import Group
from workers.cli.output import Output, write

if TYPE_CHECKING:
    from pydantic import BaseModel

config_app = typer.Typer(cls=Group, help="The configuration file.")


@config_app.command("check")
def check() -> None:
    """Name every mistake of the configuration with its line, and syncs that undo each other."""
    from tasks.config import load as load_config
    from tasks.overlaps import overlaps
    from workers.settings import load

    path = load().config
    config = load_config(path)
    for warning in overlaps(config):
        say(f"warning: {warning}", "yellow")
    tell(
        f"{path}: no mistakes ({len(config.kestra)} kestra, {len(config.repositories)} "
        f"repositories, {len(config.syncs)} syncs, {len(config.access)} people)"
    )


def schema(
    name: Annotated[
        str | None, typer.Argument(help="One of them; without it all, by name.")
    ] = None,
    output: Annotated[
        Literal["json", "yaml", "ion"], typer.Option("--output", "-o", help="The form.")
    ] = "json",
) -> None:
    """The JSON schemas of the tasks, the configuration, the outcome, the plan and a change."""
    from tasks.names import advice
    from tasks.schema import json_schema

    models = _models()
    if name is not None and name not in models:
        raise UserError(f"there is no schema {name}; {advice(name, models)}")
    if name is not None:
        write(json_schema(models[name]), Output(output))
    else:
        write({each: json_schema(model) for each, model in models.items()}, Output(output))


def _models() -> dict[str, type[BaseModel]]:
    from tasks.configured import Config
    from tasks.outcome import Outcome
    from tasks.plan import Plan
    from tasks.requests import NamespaceSync, TenantSync

    return {
        "tenantSync": TenantSync,
        "namespaceSync": NamespaceSync,
        "configuration": Config,
        "outcome": Outcome,
        "plan": Plan,
    }
