"""What the live server held although no recorded request put it there, and what is left out."""

from __future__ import annotations

import json
from typing import Any

from sandbox.settings import Settings
from tests.contract.recorded import exchanges

#: Checks that no test replays, with the reason.
CHECKS_LEFT_OUT = {
    "17.executions": "executions need a worker; the sandbox does not run flows",
    "x.search-light": "chart queries are not answered by the sandbox",
    "x.updated-null": "2,017 flows of another tenant that the recording does not hold",
}

#: Single exchanges that are not replayed, by number, with the reason.
LEFT_OUT = {
    418: "its rows are all flows of the server that was recorded",
    419: "aggregates in charts are not answered by the sandbox",
    420: "the CSV export is not answered by the sandbox",
    525: "executions are not answered by the sandbox",
}

#: Exchanges of whose message only the beginning is compared, with the reason.
WORDING = {
    224: ("YAML parsing error:", "the words of the server's YAML reader"),
    381: ("YAML parsing error:", "the words of the server's YAML reader"),
    226: ("YAML parsing error:", "the words of the server's YAML reader"),
    408: ("Internal server error: SQL [", "the SQL of the server's database"),
    416: ("Internal server error: SQL [", "the SQL of the server's database"),
    425: ("Internal server error: SQL [", "the SQL of the server's database"),
}

#: Exchanges that were recorded after a key's time to live had run out: asked until it has.
AFTER_EXPIRY = frozenset({463, 464})

_DASHBOARD = """# dashboard comment
id: {0}
title: D
description: d
timeWindow:
  default: P30D
  max: P365D
charts:
  - id: t1
    type: io.kestra.plugin.core.dashboard.chart.Table
    chartOptions:
      displayName: Flows
    data:
      type: io.kestra.plugin.core.dashboard.data.Flows
      columns:
        namespace:
          field: NAMESPACE
        id:
          field: ID
"""


def _flow(namespace: str, flow_id: str) -> str:
    return (
        f"id: {flow_id}\nnamespace: {namespace}\ntasks:\n  - id: t\n"
        "    type: io.kestra.plugin.core.log.Log\n    message: hi\n"
    )


def _flows(*places: tuple[str, str]) -> dict[str, Any]:
    return {"flows": [_flow(namespace, flow_id) for namespace, flow_id in places]}


def _file(namespace: str, path: str, text: str) -> dict[str, str]:
    return {"namespace": namespace, "path": path, "text": text}


def _recorded_flows(number: int) -> dict[str, Any]:
    """The flows that a recorded export holds."""
    return {"flows": list(exchanges()[number].response["zip_entries"].values())}


def _recorded_dashboards(number: int) -> dict[str, Any]:
    """The dashboards that a recorded list shows."""
    results = json.loads(exchanges()[number].response["body"])["results"]
    return {"dashboards": [result["sourceCode"] for result in results]}


#: What is put in before an exchange, by its number.
PRECONDITIONS: dict[int, dict[str, Any]] = {
    193: _flows(
        ("ct.eight", "e1"), ("ct.eight.child", "e1"), ("ct.eight2", "e1"), ("ct.eighth.x", "e1")
    ),
    215: _flows(("ct.col-a", "x"), ("ct.col", "a-x")),
    274: _flows(("ct.ten", "fl")),
    355: {"files": [_file("ct.vers", "/ten.txt", f"v{number:03}") for number in range(1, 11)]},
    357: {"files": [_file("ct.zo1", "/dir/only.txt", "x"), _file("ct.zo2", "/dir/only.txt", "x")]},
    386: {"dashboards": [_DASHBOARD.format(f"p{number}") for number in range(3)]},
    516: _recorded_flows(519),
    531: _recorded_dashboards(531),
}

#: How the server of a check was set up, where it was not as usual.
SETTINGS = {
    "x.missing-plugin": Settings(missing_plugins=("io.kestra.plugin.git.*",)),
}
