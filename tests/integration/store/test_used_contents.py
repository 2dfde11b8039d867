"""Which contents does a record still name, so that tidying leaves them?"""

from __future__ import annotations

from pathlib import Path

from tasks.artifacts import Kind, Part
from tasks.requests import TenantSync
from tasks.run import Phase
from tasks.store.parts import PartRow, PartState
from tasks.tidying import used_contents
from tasks.toolbox import Places, Toolbox


def test_the_blob_of_a_slice_that_a_row_names_is_kept(url: str, tmp_path: Path) -> None:
    places = Places(
        config=tmp_path / "c.yaml",
        data=tmp_path,
        database_url=url,
        contents_url=str(tmp_path / "contents"),
    )
    tools = Toolbox(places)
    task = TenantSync.model_validate({"sourceOfTruth": "GIT", "branch": "main", "dryRun": True})
    asked, _ = tools.runs.ask(task, who="pat", message="m")
    run = tools.runs.claim(asked.id, 0, Phase.SPLIT, message="m", redelivered=False)
    assert run is not None
    survey, result = tools.contents.put_together([b"survey", b"result"])
    part = Part("company.team", Kind.FLOW)
    row = PartRow(
        run=run.id,
        namespace=part.namespace,
        kind=part.kind,
        state=PartState.EQUAL,
        survey=survey,
        result=result,
    )
    assert tools.parts.survey(run, [row], base_commit="a" * 40)
    assert tools.contents.remove_unused(used_contents(tools), older_than=-60) == 0
    assert tools.contents.get(result) == b"result"
    tools.close()
