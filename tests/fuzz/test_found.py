"""What fuzzing has found, by name."""

from __future__ import annotations

import pytest

from tasks.errors import Doubtful, TaskError
from tasks.repo.tree import parse as entries
from workers.producer import parse


@pytest.mark.parametrize("output", [b"\0", b"100644 blob\0", b"100644 blob x\ta\0", b"a\tb\0"])
def test_a_listing_of_another_form_is_doubtful(output: bytes) -> None:
    with pytest.raises(Doubtful, match="another form"):
        list(entries(output))


def test_an_unknown_field_is_named_without_its_escapes() -> None:
    with pytest.raises(TaskError, match=r"\\x1b\[2J: no such field") as caught:
        parse("tenant_sync", {"\x1b[2J": 1})
    assert caught.value.message.isprintable()
