"""The Grafana dashboard, `deploy/grafana/a2a-streaming.json`: what it shows, and how that is written for Grafana.

`make docs` writes the file. Figures of the whole installation come from every process alike, so they are taken once
(`max`); a process's own are added up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_RATE = "[$__rate_interval]"
_OURS = 'instance=~"$instance"'


@dataclass(frozen=True)
class Panel:
    """A panel.

    Args:
        title: Its title.
        queries: What it shows: a query of Prometheus', and what its lines are called.
        unit: Grafana's name of their unit.
        told: What it means, and what to look for.
        stat: Whether it shows the latest figure alone.
    """

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    told: str = ""
    stat: bool = False


def _quantiles(metric: str, by: str = "") -> tuple[tuple[str, str], ...]:
    whole = f"sum by (le{by and f', {by}'}) (rate({metric}_bucket{{{_OURS}}}{_RATE}))"
    if by:
        return ((f"histogram_quantile(0.95, {whole})", f"{{{{{by}}}}} p95"),)
    return tuple(
        (f"histogram_quantile({share}, {whole})", f"p{share[2:]:0<2}")
        for share in ("0.5", "0.95", "0.99")
    )


def _rates(metric: str, by: str) -> tuple[tuple[str, str], ...]:
    called = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    name, _, chosen = metric.rstrip("}").partition("{")
    only = f"{chosen}, {_OURS}" if chosen else _OURS
    return ((f"sum by ({by}) (rate({name}{{{only}}}{_RATE}))", called),)


ROWS: tuple[tuple[str, tuple[Panel, ...]], ...] = (
    (
        "Now",
        (
            Panel("Processes", (("count(a2a_info)", ""),), stat=True),
            Panel(
                "Redis answers",
                (("min(a2a_redis_up)", ""),),
                "bool_yes_no",
                "No if any process can't reach it.",
                stat=True,
            ),
            Panel("Streams", (("sum(a2a_streams_open)", ""),), stat=True),
            Panel("Watchers", (("sum(a2a_watchers)", ""),), stat=True),
            Panel("Runs", (("sum(a2a_runs)", ""),), stat=True),
            Panel(
                "Silent tasks",
                (("max(a2a_tasks_silent)", ""),),
                told="Tasks that are to move on by themselves, and have had no event for A2A_SILENT_SECONDS.",
                stat=True,
            ),
        ),
    ),
    (
        "Tasks",
        (
            Panel("Accepted", _rates("a2a_tasks_begun_total", "agent"), "ops"),
            Panel("Ended", _rates("a2a_tasks_ended_total", "state"), "ops"),
            Panel(
                "In each state",
                (("sum by (state) (max by (agent, state) (a2a_tasks))", "{{state}}"),),
                told="By the lists in Redis; those that have ended count until they are forgotten.",
            ),
            Panel(
                "Time to the first event",
                _quantiles("a2a_first_event_seconds"),
                "s",
                "From a task's acceptance to the first event that a run writes.",
            ),
            Panel(
                "Time to the end",
                _quantiles("a2a_task_seconds"),
                "s",
                "From a task's acceptance to its terminal event; what it waited for its customer included.",
            ),
            Panel(
                "Events and deliveries",
                (
                    (f"sum(rate(a2a_events_total{{{_OURS}}}{_RATE}))", "events"),
                    (f"sum(rate(a2a_deliveries_total{{{_OURS}}}{_RATE}))", "deliveries"),
                ),
                "ops",
                "Appended to logs, and handed to streams.",
            ),
        ),
    ),
    (
        "Work",
        (
            Panel(
                "Waiting",
                (("max by (agent) (a2a_queue_waiting)", "{{agent}}"),),
                told="Hints that no worker has taken: the depth of each agent's queue.",
            ),
            Panel(
                "The oldest waits for",
                (("max by (agent) (a2a_queue_oldest_seconds)", "{{agent}}"),),
                "s",
                "Grows if no worker of that agent has room, or lives.",
            ),
            Panel("Taken, not settled", (("max by (agent) (a2a_queue_pending)", "{{agent}}"),)),
            Panel(
                "Leases granted",
                _rates("a2a_leases_total", "agent, turn"),
                "ops",
                "Again: the turn was begun before, by a process that died, drained, or lost its lease.",
            ),
            Panel("Leases lost", _rates("a2a_leases_lost_total", "agent"), "ops"),
            Panel(
                "Turns that agents didn't end",
                _rates("a2a_runs_failed_total", "agent, reason"),
                "ops",
            ),
        ),
    ),
    (
        "Streams",
        (
            Panel("Open", (("a2a_streams_open", "{{instance}}"),)),
            Panel("Closed", _rates("a2a_streams_closed_total", "reason"), "ops"),
            Panel(
                "Resets",
                _rates("a2a_stream_resets_total", "reason"),
                "ops",
                "Streams begun anew because their position couldn't be continued.",
            ),
            Panel(
                "Gaps in live events",
                (
                    (f"sum(rate(a2a_feed_heals_total{{{_OURS}}}{_RATE}))", "filled from the log"),
                    (
                        f"sum(rate(a2a_broadcast_breaks_total{{{_OURS}}}{_RATE}))",
                        "broken connections",
                    ),
                ),
                "ops",
            ),
        ),
    ),
    (
        "Requests and webhooks",
        (
            Panel("Requests", _rates("a2a_requests_total", "outcome"), "ops"),
            Panel("Time to the answer", _quantiles("a2a_request_seconds", "method"), "s"),
            Panel("Posts to webhooks", _rates("a2a_pushes_total", "outcome"), "ops"),
            Panel(
                "Webhooks that wait",
                (("max(a2a_push_due)", "due"), ("max(a2a_dead_letters)", "dead letters")),
                told="Tasks with something to push that no process has taken; webhooks that were given up.",
            ),
            Panel("Time of a post", _quantiles("a2a_push_seconds"), "s"),
        ),
    ),
    (
        "Service levels",
        (
            Panel(
                "Alerts raised",
                (
                    (
                        f"sum by (limit, agent) (increase(a2a_alerts_total{{{_OURS}}}[1h]))",
                        "{{limit}} {{agent}}",
                    ),
                ),
                told="In an hour, by the limit that a task exceeds.",
            ),
            Panel(
                "Alerts that nobody has acknowledged",
                (("max(a2a_alerts_open)", "open"),),
                told="/ops lists them; acknowledged ones aren't repeated.",
            ),
            Panel(
                "What was done about alerts",
                (
                    (
                        f"sum by (action, outcome) (increase(a2a_alert_actions_total{{{_OURS}}}[1h]))",
                        "{{action}} {{outcome}}",
                    ),
                ),
                told="In an hour.",
            ),
        ),
    ),
    (
        "Limits",
        (
            Panel(
                "Refused because of a limit",
                _rates('a2a_limited_total{limit!="runs"}', "limit"),
                "ops",
                "process_…: the process is full, and clients are sent to another one. The rest is what one owner asks too much.",
            ),
            Panel(
                "As many runs as allowed",
                _rates('a2a_limited_total{limit="runs"}', "instance"),
                "ops",
                "How often an agent took no more work in a process, because it had A2A_MAX_RUNS runs.",
            ),
        ),
    ),
    (
        "What has ended, and what was left behind",
        (
            Panel(
                "Archived and forgotten",
                _rates("a2a_archived_tasks_total", "outcome"),
                "ops",
                "Failed: the archive is away, or refuses; it is tried again, and the tasks live longer in Redis.",
            ),
            Panel(
                "Cleaned up by the janitor",
                _rates("a2a_janitor_cleaned_total", "what"),
                "ops",
                "What crashes have left behind; a little now and then is none to worry about.",
            ),
        ),
    ),
    (
        "People and Claude",
        (
            Panel(
                "Tickets raised as overdue",
                (
                    (
                        f"sum by (priority) (increase(a2a_handover_overdue_total{{{_OURS}}}[1h]))",
                        "{{priority}}",
                    ),
                ),
                told="In an hour.",
            ),
            Panel(
                "Requests to Claude", _rates("a2a_claude_calls_total", "purpose, outcome"), "ops"
            ),
            Panel("Time to Claude's answer", _quantiles("a2a_claude_seconds", "purpose"), "s"),
            Panel("Claude's first byte", _quantiles("a2a_claude_first_seconds", "purpose"), "s"),
            Panel("Tokens", _rates("a2a_claude_tokens_total", "kind"), "ops"),
            Panel(
                "Cost",
                ((f"sum(increase(a2a_claude_cost_usd_total{{{_OURS}}}[1h]))", "an hour"),),
                "currencyUSD",
                "By the prices in the settings.",
            ),
        ),
    ),
    (
        "Processes",
        (
            Panel(
                "Lag",
                ((f"a2a_loop_lag_seconds{{{_OURS}}}", "{{instance}}"),),
                "s",
                "By how much the event loop was late: something blocks it, or there is too much to do.",
            ),
            Panel(
                "CPU",
                ((f"rate(process_cpu_seconds_total{{{_OURS}}}{_RATE})", "{{instance}}"),),
                "percentunit",
                "Of one core.",
            ),
            Panel(
                "Memory",
                ((f"process_resident_memory_bytes{{{_OURS}}}", "{{instance}}"),),
                "bytes",
            ),
            Panel("Open files", ((f"process_open_fds{{{_OURS}}}", "{{instance}}"),)),
            Panel("Redis answers in", ((f"a2a_redis_seconds{{{_OURS}}}", "{{instance}}"),), "s"),
            Panel("Draining", ((f"a2a_draining{{{_OURS}}}", "{{instance}}"),), "bool_yes_no"),
        ),
    ),
)


def dashboard() -> str:
    """Return the dashboard as Grafana imports it."""
    panels: list[Any] = []
    y = 0
    for row, members in ROWS:
        panels.append(
            {
                "id": len(panels) + 1,
                "type": "row",
                "title": row,
                "collapsed": False,
                "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
                "panels": [],
            }
        )
        y += 1
        for place, panel in enumerate(members):
            width, height = (4, 4) if panel.stat else (8, 8)
            x, line = place * width % 24, place * width // 24
            grid = {"h": height, "w": width, "x": x, "y": y + line * height}
            panels.append(_panel(panel, len(panels) + 1, grid))
        y = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
    board = {
        "title": "a2a_streaming",
        "uid": "a2a-streaming",
        "description": "Made by tools/dashboard.py of a2a_streaming: change it there, or keep a copy.",
        "tags": ["a2a", "a2a_streaming"],
        "editable": True,
        "graphTooltip": 1,
        "schemaVersion": 39,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": _VARIABLES},
        "panels": panels,
    }
    return json.dumps(board, indent=2) + "\n"


_SOURCE = {"type": "prometheus", "uid": "${datasource}"}
_VARIABLES: list[Any] = [
    {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
    {
        "name": "instance",
        "label": "Process",
        "type": "query",
        "datasource": _SOURCE,
        "query": {"query": "label_values(a2a_info, instance)", "refId": "instance"},
        "definition": "label_values(a2a_info, instance)",
        "refresh": 2,
        "multi": True,
        "includeAll": True,
        "allValue": ".*",
        "sort": 1,
        "current": {"text": "All", "value": "$__all"},
    },
]


def _panel(panel: Panel, number: int, grid: dict[str, int]) -> Any:
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0}
    options: dict[str, Any]
    if panel.stat:
        options = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"}
    else:
        defaults["custom"] = {"fillOpacity": 8, "lineWidth": 1, "showPoints": "never"}
        options = {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    return {
        "id": number,
        "type": "stat" if panel.stat else "timeseries",
        "title": panel.title,
        "description": panel.told,
        "datasource": _SOURCE,
        "gridPos": grid,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": _SOURCE,
                "expr": query,
                "legendFormat": called or "__auto",
                "instant": panel.stat,
                "range": not panel.stat,
            }
            for place, (query, called) in enumerate(panel.queries)
        ],
    }
