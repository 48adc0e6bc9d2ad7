"""What a page shows of a task, and what its log says that it should show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2
import orjson
from playwright.async_api import Page

from a2a_streaming.client import Client, StreamEvent
from conversations.script import Json

_SHOWN = """() => [...document.querySelectorAll('#conversation task-story, #desk task-story')].map((story) =>
  [...story.querySelectorAll('.turn')].map((turn) => ({
    said: turn.querySelector('.bubble.customer .text')?.textContent ?? null,
    steps: [...turn.querySelectorAll('.step')].map((step) => step.textContent),
    items: [...turn.children].flatMap((child) => {
      if (child.matches('.bubble.agent, .bubble.human')) return [['said', child.querySelector('.text').textContent]];
      if (child.matches('task-artifact')) return [['artifact', child.querySelector('.text').textContent,
        [...child.querySelectorAll('.file .name')].map((name) => name.firstChild.textContent)]];
      if (child.matches('.understood')) return [['understood', child.querySelectorAll('.chip').length]];
      if (child.matches('.note')) return [['note', child.textContent]];
      return [];
    }),
  })))"""


async def shown(page: Page) -> list[Json]:
    """What a page shows: the turns of all its stories."""
    return [turn for story in await page.evaluate(_SHOWN) for turn in story]


def told(events: Sequence[Json]) -> list[Json]:
    """What a task's events (A2A 1.0) are to show."""
    turns: list[Json] = []
    artifacts: dict[str, list[Any]] = {}
    for event in events:
        match event:
            case {"task": task}:
                if not turns:
                    turns += [_turn(_text(said)) for said in task["history"]]
            case {"statusUpdate": update}:
                _status(update["status"], update.get("metadata", {}), turns)
            case {"artifactUpdate": update}:
                _artifact(update, turns[-1], artifacts)
            case _:
                raise AssertionError(f"it isn't known how {event} is shown")
    return turns


def _turn(said: str) -> Json:
    return {"said": said, "steps": [], "items": []}


def _status(status: Json, metadata: Json, turns: list[Json]) -> None:
    said = status.get("message")
    if said is None:
        if status["state"] == "TASK_STATE_CANCELED":
            turns[-1]["items"].append(["note", "Canceled."])
    elif said["role"] == "ROLE_USER":
        if not any("handover" in part.get("data", {}) for part in said["parts"]):
            turns.append(_turn(_text(said)))
    elif status["state"] == "TASK_STATE_WORKING" and "human" not in metadata:
        agent = metadata.get("agent") if "step" not in metadata else None
        turns[-1]["steps"].append(f"{agent.capitalize()} Agent" if agent else _text(said))
    elif _text(said):
        turns[-1]["items"].append(["said", _worded(said)])


def _artifact(update: Json, turn: Json, known: dict[str, list[Any]]) -> None:
    artifact = update["artifact"]
    parts, key = artifact.get("parts", []), artifact["artifactId"]
    if artifact.get("name") == "intent":
        [data] = [part["data"] for part in parts]
        turn["items"].append(["understood", len(data["intents"])])
        return
    if key not in known:
        known[key] = ["artifact", "", []]
        turn["items"].append(known[key])
    item = known[key]
    if not update.get("append"):
        item[1:] = ["", []]
    item[1] += "".join(part.get("text", "") for part in parts)
    item[2] += [part["filename"] for part in parts if "raw" in part]


def _worded(said: Json) -> str:
    """An answer as it is shown: a form shows its choices itself."""
    text = _text(said)
    forms = [part["data"] for part in said["parts"] if "form" in part.get("data", {})]
    if forms and forms[0].get("choices"):
        text = text.split("\n- ")[0]
    return text.removesuffix(" (yes or no)")


def _text(message: Json) -> str:
    return "".join(part.get("text", "") for part in message["parts"])


async def log_of(url: str, task: str) -> list[Json]:
    """A task's log in A2A 1.0, up to where the task has ended or waits."""
    events: list[Json] = []
    state = (await _task(url, task))["status"]
    async with httpx2.AsyncClient(timeout=20) as http:
        asked = {"tasks": {task: None}}
        async with http.stream("POST", f"{url}/web/events", json=asked) as answer:
            async for line in answer.aiter_lines():
                if line.startswith("data: "):
                    events.append(orjson.loads(line.removeprefix("data: ")))
                    if events[-1].get("statusUpdate", {}).get("status") == state:
                        return events
    return events


async def state_of(url: str, task: str) -> str:
    """The state that a task is in."""
    return (await _task(url, task))["status"]["state"]


async def _task(url: str, task: str) -> Json:
    async with httpx2.AsyncClient(timeout=20) as http:
        return (await http.get(f"{url}/ops/api/tasks/{task}")).json()["task"]


async def sights_of(url: str, task: str) -> list[StreamEvent]:
    """A task's log in the first dialect, as conversations' files are read by."""
    async with Client(f"{url}/rpc/0.1") as client:  # also what was born in 1.0
        return [event async for event in client.resubscribe(task)]
