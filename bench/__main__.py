"""`python -m bench`: measures TenantSync beside the bare calls, in one run."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from rich.console import Console

from bench import chord, hot, memory, ratios, slots, values
from bench.figures import Section
from bench.options import Options, progress
from bench.peer import beside
from bench.report import as_json, machine, show
from bench.stack import BenchError, Server
from bench.tenant import SIZES, Size

_EPILOG = """\
Each operation is asked of real workers by a Celery message, as another service does. Compare
ratios, not times: both ways take turns, so that other load on the machine slows both.

  ratios   beside a floor: the bare API calls and git commands that any correct implementation
           needs (what each holds, and why, is said in bench/floors.py)
  peer     beside the calls of Kestra's own Git plugin; with --kestra on a real server, which is
           only read (login: KESTRA_USER, KESTRA_PASSWORD)
  chord    runs of 100, 1,000 and 5,000 parts that all differ, beside bare chords of Celery
  slots    a reconcile of many namespaces by 4 and by 16 slots, with 50 ms for each call
  hot      other namespaces beside one with 100 queued runs, and without it
  memory   peak of each process of a worker, at 1,000 and at 30,000 artifacts (Linux)
  values   the largest value in Redis during runs (with --size large: 30,000 artifacts)
"""

_WIDTH = 110
#: Every measure by its name; the first is the default.
MEASURES: Mapping[str, Callable[[Options, Path], Section]] = {
    "ratios": ratios.run,
    "peer": beside.run,
    "chord": chord.run,
    "slots": slots.run,
    "hot": hot.run,
    "memory": memory.run,
    "values": values.run,
}


def main() -> None:
    """Parses the command line, measures, prints."""
    parsed = _parser().parse_args()
    # Leaves by the same way as an error does, which ends all processes of the bench.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    options = _options(parsed)
    load = os.getloadavg()[0]
    try:
        sections = {name: _section(name, options) for name in parsed.measures or ["ratios"]}
    except BenchError as error:
        sys.exit(f"bench: {error}")
    if parsed.output == "json":
        sys.stdout.write(as_json(options.size, machine(load), sections) + "\n")
    else:
        console = Console(highlight=False, soft_wrap=True)
        # Tables keep their names whole where the output is no terminal, which counts as 80 wide.
        console.width = max(console.width, _WIDTH)
        show(console, machine(load), sections)


def _section(name: str, options: Options) -> Section:
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        progress(f"== {name}")
        return MEASURES[name](options, Path(folder))


def _options(parsed: argparse.Namespace) -> Options:
    named = SIZES[parsed.size]
    return Options(
        size=Size(
            namespaces=parsed.namespaces or named.namespaces,
            flows=parsed.flows or named.flows,
            files=parsed.files or named.files,
        ),
        repeat=parsed.repeat,
        settings=_variables(parsed.set),
        latency=parsed.latency,
        kestra=_server(parsed.kestra, parsed.tenant) if parsed.kestra else None,
    )


def _server(url: str, tenant: str) -> Server:
    missing = [name for name in ("KESTRA_USER", "KESTRA_PASSWORD") if not os.environ.get(name)]
    if missing:
        sys.exit(f"bench: --kestra needs a login: set {' and '.join(missing)}")
    return Server(
        url=url.rstrip("/"),
        user=os.environ["KESTRA_USER"],
        password=os.environ["KESTRA_PASSWORD"],
        tenant=tenant,
    )


def _variables(given: Sequence[str]) -> dict[str, str]:
    return dict(one.split("=", 1) for one in given)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "measures", nargs="*", metavar="MEASURE", type=_measure,
        help=f"{', '.join(MEASURES)}; default: ratios",
    )  # fmt: skip
    sizes = "; ".join(f"{name}: {size}" for name, size in SIZES.items())
    parser.add_argument("--size", choices=SIZES, default="medium", help=f"default medium. {sizes}")
    parser.add_argument("--namespaces", type=_positive, help="in place of those of --size")
    parser.add_argument("--flows", type=_positive, help="of each namespace")
    parser.add_argument("--files", type=_positive, help="of each namespace")
    parser.add_argument("--repeat", type=_positive, default=5, help="times of each way, at most; 5")
    parser.add_argument(
        "--set", action="append", default=[], type=_variable, metavar="NAME=VALUE",
        help="a setting (TENANTSYNC_...) of all workers; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--latency", type=float, metavar="MS",
        help="what each call to the sandbox waits; default: peer 0, slots 50",
    )  # fmt: skip
    parser.add_argument("--kestra", metavar="URL", help="peer: this server, not the sandbox")
    parser.add_argument("--tenant", default="main", help="of --kestra; default: main")
    parser.add_argument("-o", "--output", choices=("table", "json"), default="table")
    return parser


def _measure(text: str) -> str:
    if text not in MEASURES:
        raise argparse.ArgumentTypeError(f"{text} is none of {', '.join(MEASURES)}")
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


def _variable(text: str) -> str:
    name, equals, _ = text.partition("=")
    if not equals or not name.isidentifier():
        raise argparse.ArgumentTypeError(f"{text} is not NAME=VALUE")
    return text


if __name__ == "__main__":
    main()
