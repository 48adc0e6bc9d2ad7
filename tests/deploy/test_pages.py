"""What the pages on running it say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from a2a_streaming.settings import Settings

ROOT = Path(__file__).parent.parent.parent
PAGES = ("deploy.md", "reverse-proxies.md", "upgrading.md")


def anchors(page: Path) -> set[str]:
    """The places in a page that can be linked to."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_alert_has_a_place_in_the_pages_and_in_the_runbook() -> None:
    rules = yaml.safe_load((ROOT / "deploy" / "prometheus" / "rules.yml").read_text())
    alerts = {one["alert"]: one["annotations"]["runbook"] for one in rules["groups"][0]["rules"]}
    assert alerts
    for alert, runbook in alerts.items():
        page, _, place = runbook.partition("#")
        assert place in anchors(ROOT / page), f"{alert} leads to {runbook}"
    told = (ROOT / "docs" / "deploy.md").read_text()
    runbook = told[told.index("\n## Runbook") :]
    assert set(re.findall(r"`(A2a\w+)`", runbook)) == alerts.keys()


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_places_that_are_there(page: str) -> None:
    text = (ROOT / "docs" / page).read_text()
    for target, place in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text):
        assert place in anchors(ROOT / "docs" / (target or page)), f"{page}: {target}#{place}"


@pytest.mark.parametrize("page", PAGES)
def test_the_settings_that_pages_name_are_some(page: str) -> None:
    known = {f"A2A_{name.upper()}" for name in Settings.model_fields}
    filled = {"A2A_LISTEN", "A2A_NAME", "A2A_FRONTS", "A2A_SITE", "A2A_PUBLISH"}
    named = set(re.findall(r"\bA2A_[A-Z_]+\b", (ROOT / "docs" / page).read_text()))
    assert named <= known | filled


def test_proxies_are_told_what_fits_the_settings() -> None:
    settings = Settings.model_construct()
    nginx = (ROOT / "deploy" / "nginx" / "a2a-streaming.conf.template").read_text()
    caddy = (ROOT / "deploy" / "caddy" / "Caddyfile").read_text()
    envoy = (ROOT / "deploy" / "envoy" / "envoy.yaml").read_text()
    assert settings.max_body_bytes == 1024 * 1024
    assert "client_max_body_size 1m;" in nginx
    assert "max_size 1MiB" in caddy
    silences = [
        *re.findall(r"proxy_read_timeout (\d+)s;", nginx),
        *re.findall(r"read_timeout (\d+)s", caddy),
        *re.findall(r"stream_idle_timeout: (\d+)s", envoy),
    ]
    assert len(silences) == 3
    assert min(map(int, silences)) > 2 * settings.heartbeat_seconds
    stalls = re.findall(r"send_timeout (\d+)s;", nginx)
    assert int(stalls[0]) > settings.stall_seconds
