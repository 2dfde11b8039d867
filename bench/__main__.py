"""`python -m bench`: measures TenantSync beside the bare calls, in one run."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from bench.barekestra import BareKestra
from bench.floors import Floors
from bench.measure import Measured
from bench.operations import Bench, repositories
from bench.report import as_json, show
from bench.stack import FLOOR, BenchError, stack
from bench.tenant import Size
from sandbox.settings import DEFAULT_PASSWORD, DEFAULT_USER

_EPILOG = """\
Each operation is asked of real workers by a Celery message, as another service does, and stands
beside a floor: the bare API calls and git commands that any correct implementation needs (what
each holds, and why, is said in bench/floors.py). Compare ratios, not times: both ways take turns,
so that other load on the machine slows both.
"""


def main() -> None:
    """Parses the command line, measures, prints."""
    options = _parser().parse_args()
    size = Size(namespaces=options.namespaces, flows=options.flows, files=options.files)
    try:
        measured = _measured(size, options.repeat)
    except BenchError as error:
        sys.exit(f"bench: {error}")
    if options.output == "json":
        sys.stdout.write(as_json(size, measured) + "\n")
    else:
        show(Console(highlight=False, soft_wrap=True), size, measured)


def _measured(size: Size, repeat: int) -> list[Measured]:
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        _progress("starting a worker, Kestra, a Git server and Valkey")
        with (
            stack(folder, repositories(repeat)) as running,
            BareKestra(running.kestra.url, FLOOR, DEFAULT_USER, DEFAULT_PASSWORD) as kestra,
            Floors(kestra, folder / "floor.git", running.repository_url(FLOOR)) as floors,
        ):
            bench = Bench(
                stack=running, floors=floors, size=size, folder=folder, progress=_progress
            )
            _progress("filling two tenants and their repositories")
            bench.plant()
            return bench.all(repeat)


def _progress(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--namespaces", type=_positive, default=50, help="default: 50")
    parser.add_argument("--flows", type=_positive, default=40, help="of each namespace; 40")
    parser.add_argument("--files", type=_positive, default=20, help="of each namespace; 20")
    parser.add_argument("--repeat", type=_positive, default=5, help="times of each way, at most; 5")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


if __name__ == "__main__":
    main()
