"""`python -m workers.cli.flower PORT`: Flower for this machine alone, ending with its parent."""

from __future__ import annotations

import sys

from workers.worker import end_with_parent


def main(port: int) -> None:
    """Runs until it is told to stop. Flower may end tasks and workers, so nobody but this machine
    reaches it."""
    from workers.app import app

    app.start(["flower", "--address=127.0.0.1", f"--port={port}"])


if __name__ == "__main__":
    end_with_parent()
    main(int(sys.argv[1]))
