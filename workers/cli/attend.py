"""What does a command do with a run that it asked for or approved? It waits, shows how the run
ended and what to type next, and ends with the run's code."""

from __future__ import annotations

import typer

from tasks.run import Run, outcome
from workers.cli.codes import UNKNOWN, code_of
from workers.cli.console import say, tell
from workers.cli.desk import Desk
from workers.cli.options import Wish
from workers.cli.output import Output, write
from workers.cli.progress import TimedOut, follow
from workers.cli.show import show_end


def attend(desk: Desk, run: Run, wish: Wish) -> None:
    """Follows the run and ends the command with the code of its outcome."""
    if not wish.wait and not run.state.at_rest:
        _result(desk, run, wish)
        say(_goes_on(desk, run))
        raise typer.Exit(0)
    try:
        ended = follow(desk, run, wish.timeout)
    except TimedOut:
        say(f"run {run.id} is not at rest after {wish.timeout:g} s. {_goes_on(desk, run)}")
        raise typer.Exit(UNKNOWN) from None
    except KeyboardInterrupt:
        say(f"\nrun {run.id} was not stopped. {_goes_on(desk, run)}")
        raise
    _result(desk, ended, wish)
    raise typer.Exit(code_of(outcome(ended), tell_changes=wish.exit_code))


def _result(desk: Desk, run: Run, wish: Wish) -> None:
    if wish.output is Output.TABLE:
        if run.state.in_motion:
            tell(f"run {run.id} is {run.state}")
        else:
            show_end(desk.tools, run)
    else:
        write(outcome(run).to_dict(), wish.output)


def _goes_on(desk: Desk, run: Run) -> str:
    where = (
        "It goes on as soon as a worker runs (`tenantsync up`, or the next command that waits)."
        if desk.embedded
        else "It goes on in the workers."
    )
    return (
        f"{where}\n  look at it: tenantsync runs wait {run.id}\n"
        f"  end it:     tenantsync runs cancel {run.id}"
    )
