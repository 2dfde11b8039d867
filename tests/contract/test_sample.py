"""The sample tenant: the same every time, as large as asked, and valid to the last text."""

from __future__ import annotations

import pytest

from sandbox.sample import namespace_names, sample_seed
from tests.contract.kestra import YAML, Kestra


def test_the_default_sample_has_the_size_of_the_demo() -> None:
    seed = sample_seed()
    assert len({flow["namespace"] for flow in seed["flows"]}) == 42
    assert (len(seed["flows"]), len(seed["files"]), len(seed["dashboards"])) == (420, 630, 12)


def test_the_sample_is_the_same_every_time_and_names_are_unique() -> None:
    seed = sample_seed(namespaces=60, flows_each=25, files_each=40)
    assert seed == sample_seed(namespaces=60, flows_each=25, files_each=40)
    assert len({(flow["namespace"], flow["id"]) for flow in seed["flows"]}) == 60 * 25
    assert len({(file["namespace"], file["path"]) for file in seed["files"]}) == 60 * 40
    assert len(set(namespace_names(1200))) == 1200


def test_a_smaller_sample_is_part_of_a_larger_one() -> None:
    small = sample_seed(namespaces=2, flows_each=5, files_each=5, dashboards=2)
    large = sample_seed(namespaces=4, flows_each=12, files_each=20, dashboards=5)
    for kind, entries in small.items():
        assert all(entry in large[kind] for entry in entries)


@pytest.mark.parametrize("kind", ["flows", "dashboards"])
def test_every_text_of_the_sample_is_valid(kestra: Kestra, kind: str) -> None:
    seed = sample_seed(flows_each=12)
    if kind == "flows":
        verdicts = kestra.validate("\n---\n".join(flow["source"] for flow in seed["flows"]))
        assert len(verdicts) == len(seed["flows"])
    else:
        verdicts = [
            kestra.client.post("/dashboards/validate", content=text.encode(), headers=YAML).json()
            for text in seed["dashboards"]
        ]
    assert [one for one in verdicts if one.get("constraints")] == []
