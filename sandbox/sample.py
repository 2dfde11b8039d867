"""A plausible tenant of an invented company, the same every time: flows, files and dashboards.

Larkfield is a grocer that delivers. Its namespaces are departments and their teams; flows load,
check and publish, call each other, and run on schedules, webhooks and other flows' ends. Only core
plugins are used, so a real server takes every text as well.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from random import Random
from typing import Any

from .sampletexts import DASHBOARD, FILES, FLOWS

COMPANY = "larkfield"

#: Departments with their teams; the first 42 namespaces are department.team.
TEAMS = {
    "sales": ("orders", "pricing", "returns", "loyalty", "promotions", "forecast", "checkout"),
    "logistics": ("routes", "fleet", "depots", "couriers", "packing", "tracking", "coldchain"),
    "finance": ("billing", "ledger", "payouts", "tax", "budget", "audit", "treasury"),
    "produce": ("suppliers", "quality", "harvest", "imports", "waste", "shelflife", "organic"),
    "customers": ("support", "surveys", "profiles", "consent", "churn", "reviews", "newsletter"),
    "platform": ("ingest", "warehouse", "backups", "alerts", "costs", "access", "catalog"),
}

#: Where a team is split further, in tenants of more than 42 namespaces.
REGIONS = (
    "north",
    "south",
    "east",
    "west",
    "coast",
    "island",
    "metro",
    "valley",
    "alpine",
    "delta",
)

#: What flows do; the id is `<verb>-<noun>`.
VERBS = (
    "load",
    "check",
    "clean",
    "enrich",
    "publish",
    "archive",
    "compare",
    "report",
    "notify",
    "run",
)

#: What they do it to, beside the team's own name.
NOUNS = ("daily", "hourly", "history", "drafts", "exceptions", "totals", "snapshots", "partners")


def sample_seed(
    *, namespaces: int = 42, flows_each: int = 10, files_each: int = 15, dashboards: int = 12
) -> dict[str, Any]:
    """The seed document of a tenant with that many namespaces, flows and files in each.

    By default 42 namespaces, 420 flows, 630 files, 12 dashboards. Flows, files and dashboards of a
    smaller tenant are the same texts in a larger one.
    """
    names = namespace_names(namespaces)
    return {
        "flows": [flow for name in names for flow in sample_flows(name, flows_each)],
        "files": [file for name in names for file in sample_files(name, files_each)],
        "dashboards": [sample_dashboard(number) for number in range(dashboards)],
    }


def namespace_names(count: int) -> list[str]:
    """The first `count` namespaces: teams, then their regions, then numbered desks of these."""
    teams = [f"{COMPANY}.{area}.{team}" for area, all_teams in TEAMS.items() for team in all_teams]
    names = list(teams)
    for region in REGIONS:
        names += [f"{team}.{region}" for team in teams]
    desk = 1
    while len(names) < count:
        names += [f"{team}.desk{desk}" for team in teams]
        desk += 1
    return names[:count]


def sample_flows(namespace: str, count: int) -> Iterator[dict[str, str]]:
    """The flows of one namespace."""
    ids = flow_ids(namespace, count)
    for number, flow_id in enumerate(ids):
        yield {
            "namespace": namespace,
            "id": flow_id,
            "source": _flow_source(namespace, flow_id, ids[:number]),
        }


def flow_ids(namespace: str, count: int) -> list[str]:
    """The ids of a namespace's flows; the last verb of each ten calls the ones before it."""
    team = namespace.split(".")[2]
    nouns = (team, *(f"{team}-{noun}" for noun in NOUNS))
    ids = []
    for number in range(count):
        lap, verb = divmod(number, len(VERBS))
        noun = nouns[lap % len(nouns)]
        generation = lap // len(nouns)
        ids.append(f"{VERBS[verb]}-{noun}" + (f"-{generation + 1}" if generation else ""))
    return ids


def _flow_source(namespace: str, flow_id: str, before: list[str]) -> str:
    chance = Random(f"{namespace}/{flow_id}")
    verb = flow_id.partition("-")[0]
    area, team = namespace.split(".")[1:3]
    template = FLOWS[verb]
    return template.format(
        id=flow_id,
        namespace=namespace,
        area=area,
        team=team,
        owner=f"{area}-{chance.choice(('desk', 'crew', 'team'))}",
        tier=chance.choice(("gold", "silver", "bronze")),
        minute=chance.randrange(60),
        hour=chance.randrange(24),
        limit=chance.choice((100, 250, 500, 1000)),
        days=chance.choice((7, 14, 30, 90)),
        key=f"{chance.getrandbits(64):016x}",
        calls=_calls(namespace, before[-9:]) if verb == "run" else "",
        first=before[0] if before else flow_id,
    )


def _calls(namespace: str, ids: list[str]) -> str:
    tasks = []
    for number, called in enumerate(ids[:4] or [""]):
        if called:
            tasks.append(
                f"  - id: step_{number + 1}\n"
                "    type: io.kestra.plugin.core.flow.Subflow\n"
                f"    namespace: {namespace}\n"
                f"    flowId: {called}\n"
                "    wait: true\n    transmitFailed: true\n"
            )
    # Every team ends at the same desk of another department.
    if namespace != f"{COMPANY}.platform.alerts":
        tasks.append(
            "  - id: tell_the_platform\n"
            "    type: io.kestra.plugin.core.flow.Subflow\n"
            f"    namespace: {COMPANY}.platform.alerts\n"
            "    flowId: load-alerts\n"
            "    wait: false\n"
        )
    return "".join(tasks)


def sample_files(namespace: str, count: int) -> Iterator[dict[str, str]]:
    """The files of one namespace, one of them binary."""
    area, team = namespace.split(".")[1:3]
    for number in range(count):
        lap, kind = divmod(number, len(FILES))
        path, template = FILES[kind]
        chance = Random(f"{namespace}{path}{lap}")
        if lap:
            stem, dot, suffix = path.rpartition(".")
            path = f"{stem}_{lap + 1}{dot}{suffix}"
        file = {"namespace": namespace, "path": path.format(team=team)}
        if template is None:
            file["base64"] = base64.b64encode(b"\x89PNG\r\n\x1a\n" + chance.randbytes(200)).decode()
        else:
            file["text"] = template.format(
                team=team, area=area, namespace=namespace, number=chance.randrange(1000)
            )
        yield file


def sample_dashboard(number: int) -> str:
    """The text of one dashboard."""
    areas = list(TEAMS)
    area = areas[number % len(areas)]
    lap = number // len(areas)
    subject = ("executions", "flows", "late runs", "totals")[lap % 4]
    return DASHBOARD.format(
        id=f"{area}-{subject.replace(' ', '-')}" + (f"-{lap + 1}" if lap > 3 else ""),
        title=f"{area.capitalize()}: {subject}" + (f" {lap + 1}" if lap > 3 else ""),
        company=COMPANY,
        area=area,
        subject=subject,
    )
