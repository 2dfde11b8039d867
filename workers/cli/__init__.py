"""The command `tenantsync`: what people type, what they see, and how it ends.

This module starts it, and turns every error that a person can cause into one message.
"""

from __future__ import annotations

import os
import sys

from typer import Abort, TyperException

from tasks.errors import TenantSyncError
from tasks.visible import visible

#: A failed command, and one that was typed wrongly.
FAILED = 1
#: Ended by ctrl-C, as shells write it.
INTERRUPTED = 130


def main() -> None:
    """The console script: runs the command line of this process and exits with its code."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Runs one command line; returns its exit code (`workers.cli.codes`)."""
    from workers.cli.app import app

    try:
        code = app(args=arguments, prog_name="tenantsync", standalone_mode=False)
        sys.stdout.flush()
    except TyperException as error:
        return _misused(error)
    except TenantSyncError as error:
        return _failed(error.message)
    except Abort:
        return _failed("nothing was done: no answer")
    except BrokenPipeError:
        # Whoever read the output has gone (`| head`); Python would complain at its own end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except KeyboardInterrupt:
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _misused(error: TyperException) -> int:
    place = getattr(getattr(error, "ctx", None), "command_path", "tenantsync")
    return _failed(f"{error.format_message()}\nSee `{place} --help`.")


def _failed(message: str) -> int:
    sys.stderr.write(f"tenantsync: {visible(message)}\n")
    return FAILED
