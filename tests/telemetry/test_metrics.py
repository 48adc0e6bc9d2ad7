"""What is shown, alerted on and documented is what is measured."""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

import httpx2
import pytest
import redis.asyncio
from prometheus_client.parser import text_string_to_metric_families

from a2a_streaming.http.app import node_app
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from agents import Scripted, echo
from chaos.proxy import Proxy
from conftest import serving
from streams import asked, message
from tasks import until

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "a2a-streaming.json"
RULES = ROOT / "deploy" / "prometheus" / "rules.yml"
SUFFIXES = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}


@pytest.fixture
async def measured(settings: Settings, http: httpx2.AsyncClient) -> dict[str, str]:
    """Every metric of a process, by name, with its kind."""
    importlib.import_module("a2a_streaming.customer_service.platform")
    agent = Scripted(echo)
    async with serving(node_app(Node([agent], settings), {"": agent})) as served:
        await asked(http, f"{served.url}/", "tasks/send", "t1", message("hello"))
        shown = (await http.get(f"{served.url}/metrics")).text
    return {one.name: one.type for one in text_string_to_metric_families(shown)}


def queries() -> list[str]:
    """The dashboard's queries, as Prometheus is asked them."""
    panels = json.loads(DASHBOARD.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel.get("targets", ())]
    return [one.replace("$__rate_interval", "5m") for one in asked]


def unknown(text: str, measured: dict[str, str], *more: str) -> set[str]:
    """The names in a text that no metric has."""
    names = {name + suffix for name, kind in measured.items() for suffix in SUFFIXES.get(kind, ())}
    return set(re.findall(r"\b(?:a2a|process)_[a-z_]+\b", text)) - {*names, *more, "a2a_streaming"}


async def test_the_dashboard_and_the_alerts_ask_for_what_is_measured(
    measured: dict[str, str],
) -> None:
    assert unknown("\n".join(queries()), measured) == set()
    assert unknown(RULES.read_text(), measured) == set()


async def test_the_pages_name_all_metrics_and_no_others(measured: dict[str, str]) -> None:
    page = (ROOT / "docs" / "telemetry.md").read_text()
    assert unknown(page, measured, *measured) == set()
    pages = "".join(one.read_text() for one in (ROOT / "docs").glob("*.md"))
    ours = {one for one in measured if one.startswith("a2a_") and not one.endswith("_created")}
    assert {name for name in ours if name not in pages} == set()


def test_each_alert_has_a_chapter_that_says_what_to_do() -> None:
    page = (ROOT / "docs" / "telemetry.md").read_text()
    chapters = {
        title.lower().replace(" ", "-") for title in re.findall(r"^### (.+)$", page, re.MULTILINE)
    }
    books = re.findall(r"runbook: docs/telemetry\.md#(\S+)", RULES.read_text())
    assert set(books) == chapters
    assert len(books) == RULES.read_text().count("- alert:")


@pytest.fixture(scope="session")
def promtool() -> str:
    """Prometheus' own tool."""
    found = shutil.which("promtool")
    if found is None and os.environ.get("CI") != "true":
        pytest.skip("not on PATH: promtool")
    return found or "promtool"


def well(promtool: str, *arguments: str) -> None:
    """Have it check something."""
    done = subprocess.run([promtool, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_rules_and_the_configuration_and_each_alert_is_tested(
    promtool: str,
) -> None:
    well(promtool, "check", "rules", str(RULES))
    well(promtool, "check", "config", str(RULES.with_name("prometheus.yml")))
    tests = RULES.with_name("rules_test.yml")
    well(promtool, "test", "rules", str(tests))
    alerts = re.findall(r"- alert: (\w+)", RULES.read_text())
    fires = re.findall(r"alertname: (\w+)\n +exp_alerts:", tests.read_text())
    assert sorted(set(fires)) == sorted(alerts)


def test_prometheus_takes_the_dashboards_queries(promtool: str, tmp_path: Path) -> None:
    rules = tmp_path / "queries.yml"
    rules.write_text(as_rules(queries()))
    well(promtool, "check", "rules", str(rules))


def as_rules(queries: Iterable[str]) -> str:
    """Queries as rules that record what they find."""
    recorded = [{"record": f"dashboard:query{n}", "expr": query} for n, query in enumerate(queries)]
    return json.dumps({"groups": [{"name": "dashboard", "rules": recorded}]})


async def test_how_the_installation_is_is_told_and_that_redis_is_away(
    settings: Settings, http: httpx2.AsyncClient, raw: redis.asyncio.Redis, redis_socket: Path
) -> None:
    agent = Scripted(echo)
    async with Proxy(str(redis_socket)) as proxy:
        through = settings.model_copy(
            update={"redis_url": f"redis://127.0.0.1:{proxy.port}", "redis_timeout": 1.0}
        )
        async with serving(node_app(Node([agent], through), {"": agent})) as served:
            await asked(http, f"{served.url}/", "tasks/send", "t1", message("hello"))

            async def shows(line: str) -> bool:
                return line in (await http.get(f"{served.url}/metrics")).text.splitlines()

            await until(lambda: shows('a2a_tasks{agent="scripted",state="completed"} 1.0'))
            assert await shows('a2a_queue_waiting{agent="scripted"} 0.0')
            assert await shows("a2a_redis_up 1.0")
            proxy.swallow()
            await until(lambda: shows("a2a_redis_up 0.0"))
            shown = (await http.get(f"{served.url}/metrics")).text
            assert "a2a_queue_waiting" not in shown  # nobody knows
            assert "a2a_events_total" in shown
