"""`tenantsync up`, `worker`, `beat` and `demo`: the processes that do the work."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tasks.errors import UserError
from workers.cli.console import say

if TYPE_CHECKING:
    from workers.runtime import Runtime

ConcurrencyOption = Annotated[
    int | None,
    typer.Option(
        "--concurrency", "-c", min=1, max=256, help="Jobs at a time (TENANTSYNC_CONCURRENCY)."
    ),
]


def up(
    concurrency: ConcurrencyOption = None,
    flower: Annotated[
        bool, typer.Option("--flower/--no-flower", help="Flower, the pages of Celery.")
    ] = True,
    flower_port: Annotated[
        int, typer.Option("--flower-port", min=1, max=65535, help="Its port on this machine.")
    ] = 5555,
) -> None:
    """A worker, the schedule and Flower in one terminal, until ctrl-C; Redis is brought along."""
    from workers.cli.children import run_together

    with _runtime() as runtime:
        module = [sys.executable, "-m"]
        commands = {
            "worker": [*module, *_worker(runtime, f"up-{os.getpid()}", concurrency)],
            "beat": [*module, "workers.cli", "beat", "--with-parent"],
        }
        if flower:
            _expect_free(flower_port)
            commands["flower"] = [*module, "workers.cli.flower", str(flower_port)]
            say(f"Flower: http://127.0.0.1:{flower_port}")
        raise typer.Exit(run_together(commands))


def worker(
    concurrency: ConcurrencyOption = None,
    name: Annotated[
        str, typer.Option("--name", help="Its name in logs and Flower; one of its own per host.")
    ] = "worker",
) -> None:
    """A worker alone, until SIGTERM or ctrl-C; it gives unfinished jobs back."""
    from workers.cli.children import run_alone

    with _runtime() as runtime:
        command = [sys.executable, "-m", *_worker(runtime, name, concurrency)]
        raise typer.Exit(run_alone(command))


def beat(
    with_parent: Annotated[bool, typer.Option("--with-parent", hidden=True)] = False,
) -> None:
    """The schedule alone, until SIGTERM or ctrl-C: asks the syncs that have a `schedule`."""
    import logging

    from workers import beat as schedule
    from workers.logs import FORMAT, install
    from workers.worker import end_with_parent

    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format=FORMAT)
    install(logging.getLogger())
    if with_parent:
        end_with_parent()
    with _runtime() as runtime:
        syncs = [name for name, sync in runtime.tools.config.syncs.items() if sync.schedule]
        say(f"schedule: {', '.join(syncs) or 'no sync has one'}")
        schedule.main(runtime)


def demo(
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave the servers running after the story.")
    ] = False,
    folder: Annotated[
        Path, typer.Option("--folder", help="Where it plays; made anew each time.")
    ] = Path("tenantsync-demo"),
) -> None:
    """The whole story on this machine: a small Kestra, a Git server, workers, and a sample tenant
    that goes to Git and back."""
    from workers.demo import main

    raise typer.Exit(main(keep=keep, folder=folder))


@contextmanager
def _runtime() -> Iterator[Runtime]:
    """The runtime without a worker, its Redis kept alive for the children. The configuration
    is read, so that its mistakes show here and not in each job."""
    from workers.session import session

    with session() as runtime:
        _ = runtime.tools.config
        yield runtime


def _worker(runtime: Runtime, name: str, concurrency: int | None) -> list[str]:
    chosen = concurrency or runtime.settings.concurrency
    return ["workers.worker", name, str(chosen), "INFO"]


def _expect_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            raise UserError(
                f"port {port} is taken: give Flower another with --flower-port, or leave it out "
                "with --no-flower"
            ) from None
