"""`python -m workers.demo.serve kestra|git FOLDER`: one server of the demo, as a process that
ends with the demo. Its first line of output is its address."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

from sandbox.__main__ import main as serve_kestra
from sandbox.git_server import GitServer
from sandbox.sample import COMPANY, sample_seed
from workers.worker import end_with_parent


def kestra(folder: Path) -> None:
    """Serves a small Kestra that holds the sample tenant."""
    seed = folder / "sample.json"
    seed.write_text(json.dumps(sample_seed()), encoding="utf-8")
    serve_kestra(["--snapshot", str(seed)])


def git(folder: Path) -> None:
    """Serves one empty repository over http, until a signal ends the process."""
    with GitServer(folder) as server:
        server.create(COMPANY)
        sys.stdout.write(f"{server.url(COMPANY)}\n")
        sys.stdout.flush()
        signal.pause()


if __name__ == "__main__":
    end_with_parent()
    {"kestra": kestra, "git": git}[sys.argv[1]](Path(sys.argv[2]))
