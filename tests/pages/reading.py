"""What a page shows of a task, and what its log says that it should show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

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


def told(events: Sequence[StreamEvent]) -> list[Json]:
    """What the events of a task are to show."""
    turns: list[Json] = []
    artifacts: dict[int, list[Any]] = {}
    for event in events:
        if event.kind == "artifact":
            _artifact(event.data["artifact"], turns[-1], artifacts)
            continue
        status, metadata = event.data["status"], event.data.get("metadata", {})
        said = status.get("message")
        if said is None:
            if status["state"] == "canceled":
                turns[-1]["items"].append(["note", "Canceled."])
        elif said["role"] == "user":
            if not any("handover" in part.get("data", {}) for part in said["parts"]):
                turns.append({"said": _text(said), "steps": [], "items": []})
        elif status["state"] == "working" and "human" not in metadata:
            agent = metadata.get("agent") if "step" not in metadata else None
            turns[-1]["steps"].append(f"{agent.capitalize()} Agent" if agent else _text(said))
        elif _text(said):
            turns[-1]["items"].append(["said", _worded(said)])
    return turns


def _artifact(artifact: Json, turn: Json, known: dict[int, list[Any]]) -> None:
    index = artifact["index"]
    if artifact.get("name") == "intent":
        [data] = [part["data"] for part in artifact["parts"]]
        turn["items"].append(["understood", len(data["intents"])])
        return
    if index not in known:
        known[index] = ["artifact", "", []]
        turn["items"].append(known[index])
    item = known[index]
    if not artifact.get("append"):
        item[1:] = ["", []]
    item[1] += "".join(part.get("text", "") for part in artifact["parts"])
    item[2] += [part["file"]["name"] for part in artifact["parts"] if "file" in part]


def _worded(said: Json) -> str:
    """An answer as it is shown: a form shows its choices itself."""
    text = _text(said)
    forms = [part["data"] for part in said["parts"] if "form" in part.get("data", {})]
    if forms and forms[0].get("choices"):
        text = text.split("\n- ")[0]
    return text.removesuffix(" (yes or no)")


def _text(message: Json) -> str:
    return "".join(part.get("text", "") for part in message["parts"])


async def log_of(url: str, task: str, agent: str = "") -> list[StreamEvent]:
    """A task's log, as far as it is told in one go."""
    async with Client(f"{url}{agent}") as client:
        return [event async for event in client.resubscribe(task)]
