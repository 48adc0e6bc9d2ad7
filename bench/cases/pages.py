"""Pages in a browser: what an idle one costs, the first sign of life, and frames while many events come."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from bench.machine import CORES
from bench.rounds import Bench, Outcome, at_most
from bench.servers import Server, product, redis

_ARGUMENTS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
_TICKS = os.sysconf("SC_CLK_TCK")
_TASKS, _PAUSE = 5, 0.01
"""Five tasks with a hundred events a second each."""

_FIRST_SIGN = """async () => {
  const text = document.getElementById('text');
  text.value = "What's my account balance?";
  const shown = (selector) => new Promise((resolve) => {
    const look = () => document.querySelector(selector) ? resolve(performance.now()) : setTimeout(look, 1);
    look();
  });
  const before = document.querySelectorAll('.turn').length;
  const begun = performance.now();
  document.getElementById('send').click();
  const echo = await shown('.pending .bubble');
  const step = await new Promise((resolve) => {
    const look = () => document.querySelectorAll('.turn').length > before ? resolve(performance.now()) : setTimeout(look, 1);
    look();
  });
  return [echo - begun, step - begun];
}"""
_FRAMES = """(seconds) => new Promise((resolve) => {
  const gaps = [];
  let last = performance.now();
  const end = last + seconds * 1000;
  const next = (now) => {
    gaps.push(now - last);
    last = now;
    if (now < end) requestAnimationFrame(next); else resolve(gaps);
  };
  requestAnimationFrame(next);
})"""


def run(bench: Bench) -> Outcome:
    """Measure all three on a platform and, for the events, an agent beside it."""
    outcome = Outcome()
    chromium = shutil.which("chromium")
    if chromium is None:
        outcome.notes.append("pages: left out, chromium isn't on PATH.")
        return outcome
    data = bench.folder / "pages"
    data.mkdir(exist_ok=True)
    with (
        redis(bench.folder, core=CORES) as store,
        product("up", store, bench.folder, core=CORES, data=data) as platform,
        product("bench.agents:PacingAgent", store, bench.folder, core=CORES) as pacing,
    ):
        found = asyncio.run(_look(bench, chromium, platform, pacing))
    for path, share in found["idle"].items():
        outcome.rows.append(at_most(f"idle page {path}, share of a core", 1, [share * 100], "%", 2))
    outcome.rows.append(at_most("first sign of life after sending", 100, found["echo"], "ms", 1))
    outcome.rows.append(
        at_most("first event on the page after sending", 100, found["step"], "ms", 1)
    )
    for what, gaps in found["frames"].items():
        p99 = statistics.quantiles(gaps, n=100)[98]
        outcome.rows.append(
            at_most(f"frame at 500 events a second, {what}, p99", 50, [p99], "ms", 1)
        )
    outcome.details = {**found, "frames": {k: sorted(v)[-20:] for k, v in found["frames"].items()}}
    return outcome


async def _look(bench: Bench, chromium: str, platform: Server, pacing: Server) -> dict[str, Any]:
    from playwright.async_api import async_playwright  # noqa: PLC0415 - a tool of development

    idle: dict[str, float] = {}
    async with async_playwright() as playwright:
        profile = bench.folder / "profile"
        context = await playwright.chromium.launch_persistent_context(
            str(profile), executable_path=chromium, args=list(_ARGUMENTS)
        )
        page = context.pages[0]
        for path in ("/", "/console", "/ops"):
            await page.goto(f"{platform.url}{path}")
            await page.wait_for_selector("html[data-ready]", state="attached")
            await asyncio.sleep(3)
            before, at = _cpu(profile), time.monotonic()
            await asyncio.sleep(bench.scaled(20, 3))
            idle[path] = (_cpu(profile) - before) / (time.monotonic() - at)
        echo: list[float] = []
        step: list[float] = []
        await page.goto(platform.url)
        await page.wait_for_selector("html[data-ready]", state="attached")
        for _ in range(bench.scaled(20, 3)):
            one, other = await page.evaluate(_FIRST_SIGN)
            echo.append(one)
            step.append(other)
            await asyncio.sleep(1)
        frames = {
            "overview": await _frames(bench, page, platform, pacing, None),
            "task": await _frames(bench, page, platform, pacing, "pace-task-0"),
        }
        await context.close()
    return {"idle": idle, "echo": echo, "step": step, "frames": frames}


async def _frames(
    bench: Bench, page: Any, platform: Server, pacing: Server, task: str | None
) -> list[float]:
    """Return the times between frames while five tasks go on, ms."""
    name = "task" if task else "overview"
    go = bench.folder / f"go-{name}"
    seconds = bench.scaled(10, 2)
    told = json.dumps({"go": str(go), "count": int(seconds / _PAUSE * 1.5), "pause": _PAUSE})
    for number in range(_TASKS):
        message = {"role": "user", "parts": [{"type": "text", "text": told}]}
        params = {"id": f"pace-{name}-{number}", "message": message, "sessionId": name}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tasks/send", "params": params}
        asyncio.get_running_loop().run_in_executor(None, pacing.post, "/", body)
    await asyncio.sleep(1)
    await page.goto(f"{platform.url}/ops{f'?task={task}' if task else ''}")
    await page.wait_for_selector("html[data-ready]", state="attached")
    go.touch()
    await asyncio.sleep(1)
    return await page.evaluate(_FRAMES, seconds)


def _cpu(profile: Path) -> float:
    """Return the CPU seconds of a browser's processes: the one with the profile, and those that it has started."""
    parents: dict[int, int] = {}
    spent: dict[int, int] = {}
    ours: set[int] = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
            if str(profile).encode() in (stat.parent / "cmdline").read_bytes():
                ours.add(int(stat.parent.name))
        except OSError:  # it has ended
            continue
        parents[int(stat.parent.name)] = int(fields[1])
        spent[int(stat.parent.name)] = int(fields[11]) + int(fields[12])
    for pid in sorted(parents):  # a child's number is higher than its parent's, but for a wrap
        if parents[pid] in ours:
            ours.add(pid)
    return sum(spent[pid] for pid in ours) / _TICKS
