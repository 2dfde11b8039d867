from __future__ import annotations

import pytest

from tasks.errors import ConfigError
from tasks.store.engine import address


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://me:p@hunter2@db/records",
        "postgresql://me:p@hunter2/x@db/records",
        "postgresql://me:p@hunter2:5432/x@db/records",
        "postgresql://me:hunter2@db:port/records",
        "postgresql://db/records?password=hunter2",
        "postgresql:/me:hunter2@db/records",
    ],
)
def test_an_address_whose_password_would_be_taken_for_something_else_is_refused_unread(
    url: str,
) -> None:
    with pytest.raises(ConfigError, match="%40 for an @ in the password") as caught:
        address(url)
    assert "hunter" not in f"{caught.value} {caught.value.__cause__}"


@pytest.mark.parametrize(
    ("url", "password"),
    [
        ("postgresql://me:p%40s/s#x?y:z@db:5432/records", "p@s/s#x?y:z"),
        ("postgresql+psycopg://me@db/records?sslmode=require", None),
        ("sqlite:////var/lib/a@b/tenantsync.db", None),
    ],
)
def test_an_address_is_taken_as_it_is_meant(url: str, password: str | None) -> None:
    assert address(url).password == password
