"""How do groups of commands behave? Bare, they show their help; commands stand in the order in
which people need them."""

from __future__ import annotations

from typing import Any

from typer.core import TyperGroup


class Group(TyperGroup):
    """A group that shows its help when nothing follows it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, args or ["--help"])


class Root(Group):
    """The whole command line, whose help lists the daily commands first."""

    def list_commands(self, ctx: Any) -> list[str]:
        order = ("demo", "sync", "runs", "approve", "reject", "syncs", "audit", "doctor", "config")
        rest = [name for name in super().list_commands(ctx) if name not in order]
        return [*(name for name in order if name in self.commands), *rest]


class SyncGroup(Group):
    """A group whose unknown commands are names of syncs; options may stand before the name."""

    #: The command that takes a name, as the help calls it.
    NAMED = "NAME"

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        known = {*self.commands, *ctx.help_option_names}
        named = bool(args) and args[0] not in known
        return super().parse_args(ctx, [self.NAMED, *args] if named else args)
