"""The texts that the sample tenant is made of; braces of expressions are doubled."""

from __future__ import annotations

_HEAD = """\
id: {id}
namespace: {namespace}

labels:
  owner: {owner}
  tier: {tier}

"""

#: The flow of each verb.
FLOWS = {
    "load": "# Reads what {team} left in the inbox since the last run.\n"
    + _HEAD
    + """\
description: |
  Loads the records of {team} into the warehouse.

  Safe to run twice: records are keyed by their id.

inputs:
  - id: day
    type: STRING
    defaults: today
  - id: limit
    type: INT
    defaults: {limit}

tasks:
  # one attempt a minute, the source is slow in the morning
  - id: announce
    type: io.kestra.plugin.core.log.Log
    message: "Loading at most {{{{ inputs.limit }}}} records of {{{{ inputs.day }}}}"
  - id: manifest
    type: io.kestra.plugin.core.storage.Write
    content: |
      source: {area}/{team}
      day: {{{{ inputs.day }}}}
    extension: .yaml
  - id: result
    type: io.kestra.plugin.core.debug.Return
    format: "{{{{ outputs.manifest.uri }}}}"
""",
    "check": _HEAD
    + """\
description: Refuses records of {team} without an id, an owner or a date.

tasks:
  - id: rules
    type: io.kestra.plugin.core.flow.ForEach
    values: ["id", "owner", "date"]
    tasks:
      - id: rule
        type: io.kestra.plugin.core.log.Log
        message: "every record has {{{{ taskrun.value }}}}"

errors:
  - id: broken
    type: io.kestra.plugin.core.log.Log
    level: ERROR
    message: "{team}: at least one rule is broken"
""",
    "clean": _HEAD
    + """\
# --- schedule ---------------------------------------------
triggers:
  - id: nightly
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "{minute} {hour} * * *"
    timezone: Europe/Rome

# --- tasks ------------------------------------------------
tasks:
  - id: older_than
    type: io.kestra.plugin.core.debug.Return
    format: "{days}"
  - id: done
    type: io.kestra.plugin.core.log.Log
    message: "records of {team} older than {{{{ outputs.older_than.value }}}} days are gone"
""",
    "enrich": _HEAD
    + """\
variables:
  currency: EUR
  partners:
    - northgate
    - mill-lane

tasks:
  - id: both
    type: io.kestra.plugin.core.flow.Parallel
    concurrent: 2
    tasks:
      - id: prices
        type: io.kestra.plugin.core.log.Log
        message: "prices in {{{{ vars.currency }}}}"
      - id: names
        type: io.kestra.plugin.core.log.Log
        message: 'names of {team}, as {area} writes them'
""",
    "publish": _HEAD
    + """\
description: "Publishes {team} – for people, not for machines"

tasks:
  - id: is_worth_it
    type: io.kestra.plugin.core.flow.If
    condition: "{{{{ execution.startDate is defined }}}}"
    then:
      - id: write
        type: io.kestra.plugin.core.storage.Write
        content: >-
          Summary of {team},
          written for {owner}.
        extension: .txt
    else:
      - id: nothing
        type: io.kestra.plugin.core.log.Log
        message: nothing to publish
""",
    "archive": _HEAD
    + """\
disabled: true

tasks:
  # switched off until the new depot is open
  - id: keep
    type: io.kestra.plugin.core.log.Log
    message: "{team} is kept for {days} days"
""",
    "compare": _HEAD
    + """\
tasks:
  - id: sides
    type: io.kestra.plugin.core.flow.Dag
    tasks:
      - task:
          id: ours
          type: io.kestra.plugin.core.debug.Return
          format: "{limit}"
      - task:
          id: theirs
          type: io.kestra.plugin.core.debug.Return
          format: "{limit}"
      - task:
          id: difference
          type: io.kestra.plugin.core.log.Log
          message: "{{{{ outputs.ours.value }}}} and {{{{ outputs.theirs.value }}}}"
        dependsOn:
          - ours
          - theirs
""",
    "report": _HEAD
    + """\
triggers:
  - id: after_{first}
    type: io.kestra.plugin.core.trigger.Flow
    conditions:
      - type: io.kestra.plugin.core.condition.ExecutionFlow
        namespace: {namespace}
        flowId: {first}

tasks:
  - id: report
    type: io.kestra.plugin.core.log.Log
    message: |
      {area} / {team}
      ---------------
      rows: {limit}
""",
    "notify": _HEAD
    + """\
triggers:
  - id: from_outside
    type: io.kestra.plugin.core.trigger.Webhook
    key: {key}

tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: "{{{{ trigger.body ?? 'no body' }}}}"
    level: WARN
""",
    "run": "# The whole of {team}, step by step.\n"
    + _HEAD
    + """\
concurrency:
  limit: 1
  behavior: QUEUE

tasks:
  - id: start
    type: io.kestra.plugin.core.log.Log
    message: "{team} starts"
{calls}
triggers:
  - id: each_morning
    type: io.kestra.plugin.core.trigger.Schedule
    cron: "{minute} 6 * * 1-5"
""",
}

#: Path and text of the files of a namespace; None = binary.
FILES: tuple[tuple[str, str | None], ...] = (
    ("/README.md", "# {namespace}\n\nWhat the {team} team of {area} keeps beside its flows.\n"),
    (
        "/scripts/load_{team}.py",
        '"""Loads the records of {team}."""\n\nLIMIT = {number}\n\n\n'
        'def load(rows):\n    return [row for row in rows if row["id"]][:LIMIT]\n',
    ),
    (
        "/scripts/lib/dates.py",
        "from datetime import date\n\n\ndef today() -> str:\n    return date.today().isoformat()\n",
    ),
    ("/sql/{team}.sql", "select id, owner, day\nfrom {area}.{team}\nwhere shard = {number};\n"),
    (
        "/sql/migrations/001_create.sql",
        "create table {area}.{team} (id bigint primary key, owner text, day date);\n",
    ),
    ("/config/limits.yaml", "team: {team}\nlimit: {number}\nretries: 3\n"),
    ("/config/partners.json", '{{"team": "{team}", "partners": ["northgate", "mill-lane"]}}\n'),
    ("/templates/mail.html", "<h1>{team}</h1>\r\n<p>Report {number} of {area}.</p>\r\n"),
    ("/templates/mail.txt", "Report {number} of {area}/{team}\n\nGrüße, Larkfield\n"),
    ("/data/regions.csv", "region,code\nnorth,1\nsouth,2\ncoast,{number}\n"),
    ("/data/holidays.csv", "day,name\n2026-01-01,New Year\n2026-12-25,Christmas\n"),
    ("/assets/logo.png", None),
    ("/docs/runbook.md", "# Runbook\n\n1. Look at `load-{team}`.\n2. Call the desk ({number}).\n"),
    ("/tests/test_load_{team}.py", "def test_limit():\n    assert {number} >= 0\n"),
    ("/config/flags.toml", 'team = "{team}"\nnightly = true\n'),
)

DASHBOARD = """\
# {title}
id: {id}
title: "{title}"
description: What {area} looks at every morning
timeWindow:
  default: P30D
  max: P365D

charts:
  - id: by_namespace
    type: io.kestra.plugin.core.dashboard.chart.Table
    chartOptions:
      displayName: {subject} of {area}
    data:
      type: io.kestra.plugin.core.dashboard.data.Executions
      columns:
        namespace:
          field: NAMESPACE
        total:
          agg: COUNT
      where:
        - field: NAMESPACE
          type: STARTS_WITH
          value: {company}.{area}
  - id: notes
    type: io.kestra.plugin.core.dashboard.chart.Markdown
    chartOptions:
      displayName: Notes
    source:
      type: Text
      content: |
        Ask the {area} desk first.
"""
