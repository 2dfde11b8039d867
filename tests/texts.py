"""Texts of flows and dashboards for tests."""

from __future__ import annotations


def flow(namespace: str, name: str, message: str = "hello") -> str:
    """A flow that every server accepts."""
    return (
        f"id: {name}\nnamespace: {namespace}\n\ntasks:\n  - id: say\n"
        f"    type: io.kestra.plugin.core.log.Log\n    message: {message}\n"
    )


def dashboard(name: str, title: str = "Runs") -> str:
    """A dashboard that every server accepts."""
    return f"""id: {name}
title: {title}
timeWindow:
  default: P7D
  max: P365D
charts:
  - id: runs
    type: io.kestra.plugin.core.dashboard.chart.Table
    chartOptions:
      displayName: Runs
    data:
      type: io.kestra.plugin.core.dashboard.data.Executions
      columns:
        namespace:
          field: NAMESPACE
"""
