"""Takes the lines of `tests.mutants.lines` away one at a time; each must turn a test red.

Works on copies of the tree, two at a time. Words choose lines by what they are for.
Exit status 1 when a mutant survives, or when a line is not in its file once.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.mutants.lines import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parent.parent.parent
#: Exit statuses of pytest: some tests failed; whoever ends otherwise has not judged the mutant.
FAILED, PASSED = 1, 0
#: Seconds that one test may take; a mutant that hangs a test is noticed as well.
TEST_LIMIT = 90


class Judged(NamedTuple):
    """What became of a mutant: whether a test failed, and the end of what the tests said."""

    mutant: Mutant
    status: int
    seconds: float
    said: str

    @property
    def noticed(self) -> bool:
        return self.status == FAILED


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    chosen = _chosen(options.words)
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        if not options.green and not _green(Path(folder) / "whole", chosen):
            return 1
        _say(f"{len(chosen)} lines are taken away, one at a time\n")
        survivors = [one for one in _all(Path(folder), chosen) if not one.noticed]
    for one in survivors:
        _say(f"\n{one.mutant.what}: no test misses {one.mutant.file}: {one.mutant.line}\n")
        _say(f"{one.said}\n")
    _say(f"{len(chosen) - len(survivors)} of {len(chosen)} lines are missed by a test\n")
    return 1 if survivors else 0


def mutated(mutant: Mutant, text: str) -> str:
    """The file without the line. Raises ValueError unless it is there once."""
    lines = text.split("\n")
    found = [at for at, line in enumerate(lines) if line.strip() == mutant.line]
    if len(found) != 1:
        raise ValueError(f"{mutant.file} has {len(found)} lines {mutant.line!r}, not one")
    old = lines[found[0]]
    indent = old[: len(old) - len(old.lstrip())]
    lines[found[0] : found[0] + 1] = [] if mutant.becomes is None else [indent + mutant.becomes]
    return "\n".join(lines)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="of what the lines are for; default: all")
    parser.add_argument(
        "--green", action="store_true", help="the tests as they are have just passed"
    )
    return parser.parse_args(arguments)


def _chosen(words: Sequence[str]) -> list[Mutant]:
    found = [one for one in MUTANTS if not words or any(word in one.what for word in words)]
    if not found:
        raise SystemExit(f"no line is for {' or '.join(words)}")
    return found


def _green(folder: Path, mutants: Sequence[Mutant]) -> bool:
    """Whether the tests pass as long as nothing is taken away."""
    _say("first the tests as they are ... ")
    whole = _judge(folder, None, sorted({test for one in mutants for test in one.tests}))
    _say(f"{_word(whole.status == PASSED)} {whole.seconds:.0f} s\n")
    if whole.status != PASSED:
        _say(f"{whole.said}\n")
    return whole.status == PASSED


def _all(folder: Path, mutants: Sequence[Mutant]) -> Iterator[Judged]:
    with ThreadPoolExecutor(2) as pool:
        jobs = [
            pool.submit(_judge, folder / str(number), mutant, mutant.tests)
            for number, mutant in enumerate(mutants)
        ]
        for job in jobs:
            judged = job.result()
            _say(f"{_word(judged.noticed)} {judged.seconds:4.0f} s  {judged.mutant.what}\n")
            yield judged


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()


def _word(good: bool) -> str:
    return "ok  " if good else "FAIL"


def _judge(folder: Path, mutant: Mutant | None, tests: Sequence[str]) -> Judged:
    """Runs the tests on a copy of the tree, with the mutant in it."""
    with _copy(folder) as copy:
        if mutant is not None:
            file = copy / mutant.file
            file.write_text(mutated(mutant, file.read_text(encoding="utf-8")), encoding="utf-8")
        started = time.monotonic()
        done = subprocess.run(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
                *(("-n0", "-x") if mutant else ()),
                f"--timeout={TEST_LIMIT}",
                *(f"tests/{test}" for test in tests),
            ],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": str(copy), "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
    said = "\n".join(done.stdout.splitlines()[-15:])
    return Judged(mutant or MUTANTS[0], done.returncode, time.monotonic() - started, said)


@contextmanager
def _copy(folder: Path) -> Iterator[Path]:
    """A copy of what git would commit, so that nothing of a mutant outlives its tests."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
