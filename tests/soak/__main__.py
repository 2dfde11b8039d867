"""`python -m tests.soak --runs 2000`: a soak of mixed runs over two worker groups with faults."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
import traceback
from pathlib import Path

from tests.postgresql import NoServer, postgresql
from tests.soak.soak import Options, Soak

#: Exit status where PostgreSQL is missing, by which two hosts share their records.
NO_SERVER = 3


def main() -> int:
    """0 when all is well, 1 with all that is not, and the folder that tells more."""
    options = _options()
    _say(f"soak: --runs {options.runs} --seed {options.seed} --faults {options.faults:g}")
    _say(f"folder: {options.folder}")
    try:
        with postgresql("-F") as server:
            found = Soak(options, server.create(), _say).go()
    except NoServer as error:
        _say(str(error))
        return NO_SERVER
    except Exception as error:  # what stops a soak is told like what it finds
        traceback.print_exc()
        found = [f"the soak was stopped: {error}"]
    if found:
        _say(f"\n{len(found)} things are not as they must be (seed {options.seed}):")
        _say("\n".join(f"- {one}" for one in found[:60]))
        _say(f"what was done: {options.folder}/actions.log; the workers: {options.folder}/*.log")
        return 1
    _say("\nall is as it must be")
    shutil.rmtree(options.folder)
    return 0


def _options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=main.__doc__)
    parser.add_argument("--runs", type=int, default=2000, help="how many runs it is long")
    parser.add_argument("--seed", type=int, help="what is chosen; default: by the clock")
    parser.add_argument(
        "--faults", type=float, default=0.3, help="share of asks before which a fault is struck"
    )
    parser.add_argument("--folder", type=Path, help="an empty folder for everything")
    chosen = parser.parse_args()
    return Options(
        runs=chosen.runs,
        seed=int(time.time()) % 1_000_000 if chosen.seed is None else chosen.seed,
        faults=chosen.faults,
        folder=chosen.folder or Path(tempfile.mkdtemp(prefix="soak-")),
    )


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
