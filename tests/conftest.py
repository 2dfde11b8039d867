"""Options of the whole suite, and the servers that tests of several folders share."""

from __future__ import annotations

import datetime
from collections.abc import Iterator

import pytest

from tests import bucket
from tests.bucket import ObjectStore, object_store
from tests.postgresql import NoServer, PostgreSQL
from tests.postgresql import postgresql as running


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("crossing")
    group.addoption("--all-pairs", action="store_true", help="cross runs at every pair of points")
    group.addoption("--all-commits", action="store_true", help="cut every COMMIT of a run in turn")
    group.addoption("--pairs-seed", type=int, help="which pairs are chosen; default: of the day")


def pytest_configure(config: pytest.Config) -> None:
    # Chosen once, so that all processes of a run collect the same tests.
    if config.option.pairs_seed is None:
        config.option.pairs_seed = datetime.datetime.now(datetime.UTC).date().toordinal()


def pytest_report_header(config: pytest.Config) -> str:
    if config.option.all_pairs:
        return "crossing runs: all pairs of points"
    return f"crossing runs: pairs chosen by --pairs-seed {config.option.pairs_seed}"


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
