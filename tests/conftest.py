"""Options of the whole suite, and the servers that tests of several folders share."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from tests import bucket
from tests.bucket import ObjectStore, object_store
from tests.faults import table
from tests.postgresql import NoServer, PostgreSQL
from tests.postgresql import postgresql as running


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crossing")
    group.addoption("--all-pairs", action="store_true", help="cross runs at every pair of points")
    group.addoption("--all-commits", action="store_true", help="cut every COMMIT of a run in turn")
    group.addoption("--pairs-seed", type=int, help="which pairs are chosen; default: of the day")
    group = parser.getgroup("faults")
    group.addoption("--all-faults", action="store_true", help="every fault at every point")
    group.addoption("--faults-seed", type=int, help="which faults are chosen; default: of the day")
    parser.addoption(
        "--all-damages", action="store_true", help="all damages at all steps, largest repositories"
    )
    group = parser.getgroup("fuzzing")
    group.addoption("--fuzz-seconds", type=float, default=1.5, help="seconds for each parser")
    group.addoption("--fuzz-seed", type=int, help="where fuzzing starts; default: of the day")


def pytest_configure(config: pytest.Config) -> None:
    # Chosen once, so that all processes of a run collect the same tests.
    today = datetime.datetime.now(datetime.UTC).date().toordinal()
    for seed in ("pairs_seed", "faults_seed", "fuzz_seed"):
        if getattr(config.option, seed) is None:
            setattr(config.option, seed, today)


def pytest_report_header(config: pytest.Config) -> list[str]:
    option = config.option
    pairs, faults = "all pairs of points", "all faults"
    if not option.all_pairs:
        pairs = f"pairs chosen by --pairs-seed {option.pairs_seed}"
    if not option.all_faults:
        faults = f"faults chosen by --faults-seed {option.faults_seed}"
    fuzzing = f"--fuzz-seed {option.fuzz_seed}, {option.fuzz_seconds:g} s each"
    return [f"crossing runs: {pairs}", f"named points: {faults}", f"fuzzing: {fuzzing}"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [one for found in terminalreporter.stats.values() for one in found]
    rows = table.lines(one for one in reports if getattr(one, "when", None) == "call")
    if rows:
        terminalreporter.section("faults at named points")
        terminalreporter.write_line("\n".join(rows))


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[PostgreSQL]:
    """A PostgreSQL server; each test makes a database of its own in it."""
    try:
        # No sync to the disk: nothing here has to survive a loss of power.
        with running("-F") as server:
            yield server
    except NoServer as error:
        pytest.skip(str(error))


@pytest.fixture
def postgresql(postgresql_server: PostgreSQL) -> str:
    """The URL of a database without tables on that server."""
    return postgresql_server.create()


@pytest.fixture(scope="session")
def bucket_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """An object store with one bucket; each test gets a place of its own in it."""
    try:
        with object_store(tmp_path_factory.mktemp("bucket")) as store:
            yield store
    except bucket.NoServer as error:
        pytest.skip(str(error))
