"""What the documentation says is so."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx2
import pytest

import a2a_streaming
from a2a_streaming import create_app
from a2a_streaming.settings import Settings
from conftest import serving
from streams import called, message, states

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]


def test_the_pages_made_from_the_code_are_as_the_code_has_them() -> None:
    made = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "make_docs.py"), "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_public_names_are_those_that_are_exported_on_purpose() -> None:
    assert a2a_streaming.__all__ == [
        "Agent",
        "RedisManager",
        "Run",
        "Settings",
        "StreamSession",
        "agent_card",
        "create_app",
    ]
    for name in a2a_streaming.__all__:
        assert getattr(a2a_streaming, name).__name__ == name
    with pytest.raises(AttributeError, match="Manager2"):
        _ = a2a_streaming.Manager2  # pyright: ignore[reportAttributeAccessIssue]


def blocks(page: str, name: str) -> list[str]:
    """A page's blocks of code, by what stands behind their beginning."""
    pattern = rf"^```{name}\n(.*?)^```$"
    return re.findall(pattern, (ROOT / page).read_text(), re.MULTILINE | re.DOTALL)


def example(page: str, name: str) -> dict[str, Any]:
    """What an example in a page defines."""
    [code] = blocks(page, f"python {name}")
    module = ModuleType(name)
    exec(code, module.__dict__)  # noqa: S102 - our own pages
    return module.__dict__


async def test_the_readmes_agent_runs(settings: Settings, http: httpx2.AsyncClient) -> None:
    app = create_app(example("README.md", "agent")["GreetingAgent"](), settings=settings)
    async with serving(app) as served:
        told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("you"))
    assert states(told) == ["submitted", "working", "completed"]
    chunks = [frame.data["artifact"]["parts"] for frame in told if "artifact" in frame.data]
    assert "".join(part["text"] for parts in chunks for part in parts) == "Hello, you!"


async def test_the_clients_example_shows_stories_resets_and_several_tasks(
    settings: Settings, http: httpx2.AsyncClient, capsys: pytest.CaptureFixture[str]
) -> None:
    client = example("docs/resume.md", "client")
    app = create_app(example("README.md", "agent")["GreetingAgent"](), settings=settings)
    async with serving(app) as served:
        told = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("you"))
        await called(http, f"{served.url}/", "tasks/sendSubscribe", "t2", message("all"))
        assert await client["show"](served.url, "t1") == {0: "Hello, you!"}
        assert await client["show"](served.url, "t1", "123-4") == {
            0: "Hello, you!"
        }  # after a reset
        assert await client["show"](served.url, "t1", told[-1].id) == {}  # all was told before
        positions = {"t1": told[-2].id, "t2": "nowhere"}
        await client["follow"](served.url, positions)
        await client["follow"](served.url, positions)  # all was told before
    assert positions["t1"] == told[-1].id
    assert sorted(capsys.readouterr().out.splitlines()) == [
        "t1 status completed",
        "t2 reset completed",
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/executors.md"])
async def test_a_program_of_a2a_sdk_has_its_tasks_in_redis_after_the_change_shown(
    settings: Settings, http: httpx2.AsyncClient, page: str
) -> None:
    program = blocks("docs/executors.md", "python program")[0]
    [change] = blocks(page, "diff")
    signs = re.findall(r"((?:^-.*\n)+)((?:^\+.*\n)+)", change, re.MULTILINE)
    for before, after in signs:
        was, now = (re.sub(r"^[-+]", "", lines, flags=re.MULTILINE) for lines in (before, after))
        assert was in program
        program = program.replace(was, now)
    program = program.replace("redis://localhost", settings.redis_url)
    ran = ModuleType("program")
    await asyncio.to_thread(exec, program, ran.__dict__)
    said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "count"}]}
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": {"message": said}}
    try:
        async with serving(ran.__dict__["app"]) as served:
            told = await http.post(served.url, json=body, headers={"A2A-Version": "1.0"})
            task = told.json()["result"]["task"]
            stored = await ran.__dict__["handler"].node.manager.snapshots.get(task["id"])
    finally:
        await ran.__dict__["handler"].aclose()
    assert [part["text"] for part in task["artifacts"][0]["parts"]] == ["0 ", "1 ", "2 "]
    assert stored.task["status"]["state"] == "TASK_STATE_COMPLETED"
