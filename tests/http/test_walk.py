"""SEED's walk, step by step, over real HTTP: send, watch, cut, come back, from anywhere."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import redis.asyncio

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.settings import Settings
from conftest import Served, serving
from processes import started
from streams import asked, called, frames, message, request, states, streaming
from tasks import until


class Gated(Agent):
    """Works until the test lets it go on, one gate after the other."""

    card = agent_card("greeting")  # the name under which another process serves the same tasks

    def __init__(self) -> None:
        self.gate = asyncio.Event()

    async def run(self, run: Run) -> None:
        if run.text == "ask":
            await run.input_required("Which one?", metadata={"asked": "which"})
            return
        await run.working("Looking")
        async with run.artifact("answer") as answer:
            await answer.write("one ")
            await self.gate.wait()
            await answer.write("two")
        await run.complete("Done")


@pytest.fixture
def agent() -> Gated:
    return Gated()


@pytest.fixture
async def served(agent: Gated, settings: Settings) -> AsyncIterator[Served]:
    async with serving(create_app(agent, settings=settings)) as running:
        yield running


async def test_the_frames_are_exactly_seeds_with_an_id(
    served: Served, agent: Gated, http: httpx2.AsyncClient
) -> None:
    agent.gate.set()
    body = request("tasks/sendSubscribe", "task-123", message("What's my account balance?"))
    response = await http.post(f"{served.url}/tasks/sendSubscribe", json=body)
    assert response.headers["content-type"].startswith("text/event-stream")
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-accel-buffering"] == "no"
    blocks = response.text.removesuffix("\n\n").split("\n\n")
    assert re.fullmatch(
        r"retry: \d+\nevent: status\nid: \d+-1\n"
        r'data: \{"id":"task-123","status":\{"state":"submitted","timestamp":"[^"]+"\},"final":false\}',
        blocks[0],
    )
    for offset, block in enumerate(blocks[1:], start=2):
        assert re.fullmatch(rf"event: (status|artifact)\nid: \d+-{offset}\ndata: \{{.*\}}", block)
    assert re.search(r'"state":"completed".*"final":true\}$', blocks[-1])


@pytest.mark.parametrize("path", ["/", "/rpc/0.1", "/tasks/sendSubscribe"])
async def test_every_path_tells_the_same(
    path: str, served: Served, agent: Gated, http: httpx2.AsyncClient
) -> None:
    agent.gate.set()
    told = await called(http, served.url + path, "tasks/sendSubscribe", "t1", message("go"))
    assert states(told) == ["submitted", "working", "completed"]


async def test_a_cut_connection_doesnt_stop_the_work_and_another_process_tells_the_whole_story(
    served: Served, agent: Gated, http: httpx2.AsyncClient, settings: Settings, tmp_path: Path
) -> None:
    url = f"{served.url}/"
    async with streaming(http, url, "tasks/sendSubscribe", "t1", message("go")) as told:
        seen = [await anext(told), await anext(told)]
    with started(
        *("serve", "apps.greeting:GreetingAgent", "--role", "front"),
        data_dir=tmp_path / "other",
        A2A_REDIS_URL=settings.redis_url,
    ) as other:
        async with streaming(http, f"{other.url}/", "tasks/resubscribe", "t1") as told:
            again = [await anext(told) for _ in range(3)]
            assert frames(again[:2]) == frames(seen)
            agent.gate.set()  # history is told; what follows comes live
            live = [frame async for frame in told]
        rest = await called(http, f"{other.url}/", "tasks/resubscribe", "t1", after=seen[-1].id)
    assert states(live) == ["completed"]
    assert frames(rest) == frames(again[2:] + live)
    task = (await asked(http, url, "tasks/get", "t1"))["result"]
    assert [part["text"] for part in task["artifacts"][0]["parts"]] == ["one ", "two"]


async def test_a_finished_task_is_told_to_its_end_and_closed(
    served: Served, agent: Gated, http: httpx2.AsyncClient
) -> None:
    agent.gate.set()
    url = f"{served.url}/"
    told = await called(http, url, "tasks/sendSubscribe", "t1", message("go"))
    assert frames(await called(http, url, "tasks/resubscribe", "t1")) == frames(told)
    assert await called(http, url, "tasks/resubscribe", "t1", after=told[-1].id) == []
    for place in range(len(told) - 1):
        rest = await called(http, url, "tasks/resubscribe", "t1", after=told[place].id)
        assert frames(rest) == frames(told[place + 1 :])


async def test_many_watchers_see_the_same_story_at_once(
    served: Served, agent: Gated, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    url = f"{served.url}/"
    first = asyncio.create_task(called(http, url, "tasks/sendSubscribe", "t1", message("go")))
    await until(lambda: _holds(raw, "task:{t1}"))
    others = [asyncio.create_task(called(http, url, "tasks/resubscribe", "t1")) for _ in range(20)]

    async def all_watch() -> bool:
        return await raw.zcard("subscriptions:{t1}") == 21

    await until(all_watch)
    assert await raw.pubsub_numsub("channel:task:{t1}") == [(b"channel:task:{t1}", 1)]
    agent.gate.set()
    story = frames(await first)
    for other in others:
        assert frames(await other) == story

    async def nobody_watches() -> bool:
        return await raw.zcard("subscriptions:{t1}") == 0

    await until(nobody_watches)


async def _holds(raw: redis.asyncio.Redis, key: str) -> bool:
    return bool(await raw.exists(key))


async def test_sending_again_joins_and_replays_and_other_words_to_a_finished_task_are_refused(
    served: Served, agent: Gated, http: httpx2.AsyncClient
) -> None:
    agent.gate.set()
    url = f"{served.url}/"
    told = await called(http, url, "tasks/sendSubscribe", "t1", message("go"))
    assert frames(await called(http, url, "tasks/sendSubscribe", "t1", message("go"))) == frames(
        told
    )
    same = await asked(http, url, "tasks/send", "t1", message("go"))
    assert same["result"]["status"]["state"] == "completed"
    refused = await asked(http, url, "tasks/send", "t1", message("something else"))
    assert refused["error"]["code"] == -32004
    assert "new task id" in refused["error"]["data"]["detail"]


async def test_a_question_ends_the_turn_and_the_answer_goes_on_with_the_task(
    served: Served, agent: Gated, http: httpx2.AsyncClient
) -> None:
    agent.gate.set()
    url = f"{served.url}/"
    told = await called(http, url, "tasks/sendSubscribe", "t1", message("ask"))
    assert states(told) == ["submitted", "input-required"]
    assert told[-1].data["final"] is True
    assert told[-1].data["status"]["message"]["parts"][0]["text"] == "Which one?"
    more = await called(http, url, "tasks/sendSubscribe", "t1", message("this one"))
    assert more[0].data["status"]["message"] == message("this one")
    assert states(more) == ["working", "working", "completed"]
    whole = await called(http, url, "tasks/resubscribe", "t1")
    assert [frame.id for frame in whole] == [frame.id for frame in told + more]
    # What ended a turn doesn't end a stream that goes on after it.
    assert [frame.data["final"] for frame in whole if "final" in frame.data].count(True) == 1
    task = (await asked(http, url, "tasks/get", "t1", historyLength=10))["result"]
    assert task["metadata"]["asked"] == "which"
    said = [part["text"] for said in task["history"] for part in said["parts"]]
    assert said == ["ask", "Which one?", "this one", "Looking"]


async def test_a_watcher_who_has_seen_the_question_waits_for_the_next_turn(
    served: Served, agent: Gated, http: httpx2.AsyncClient, raw: redis.asyncio.Redis
) -> None:
    agent.gate.set()
    url = f"{served.url}/"
    told = await called(http, url, "tasks/sendSubscribe", "t1", message("ask"))
    waiting = asyncio.create_task(called(http, url, "tasks/resubscribe", "t1", after=told[-1].id))

    async def watches() -> bool:
        return await raw.zcard("subscriptions:{t1}") == 1

    await until(watches)
    more = await called(http, url, "tasks/sendSubscribe", "t1", message("this one"))
    assert frames(await waiting) == frames(more)


async def test_get_send_and_cancel_speak_the_same_dialect(
    served: Served, agent: Gated, http: httpx2.AsyncClient, settings: Settings
) -> None:
    url = f"{served.url}/"
    async with streaming(http, url, "tasks/sendSubscribe", "t1", message("go")) as told:
        await anext(told)
        running = (await asked(http, f"{url}tasks/get", "tasks/get", "t1"))["result"]
        assert running["status"]["state"] in ("submitted", "working")
        canceled = (await asked(http, f"{url}tasks/cancel", "tasks/cancel", "t1"))["result"]
        assert canceled["status"]["state"] == "canceled"
        rest = [frame async for frame in told]
    assert rest[-1].data["status"]["state"] == "canceled"
    assert rest[-1].data["final"] is True
    again = await asked(http, url, "tasks/cancel", "t1")
    assert again["error"]["code"] == -32002
    agent.gate.set()
    sent = (
        await asked(http, f"{url}tasks/send", "tasks/send", "t2", message("go"), sessionId="s1")
    )["result"]
    assert sent["sessionId"] == "s1"
    assert sent["status"]["state"] == "completed"
    assert sent["artifacts"][0]["name"] == "answer"


async def test_a_silent_stream_sends_comments_and_no_empty_blocks(
    agent: Gated, http: httpx2.AsyncClient, settings: Settings
) -> None:
    quick = settings.model_copy(update={"heartbeat_seconds": 0.05})
    async with serving(create_app(agent, settings=quick)) as served:
        body = request("tasks/sendSubscribe", "t1", message("go"))
        async with http.stream("POST", f"{served.url}/", json=body) as response:
            text = ""
            async for chunk in response.aiter_text():
                text += chunk
                if text.count("\n: \n") + text.count("\n: \n: ") >= 1 and ": \n: \n" in text:
                    agent.gate.set()
    for block in text.removesuffix("\n\n").split("\n\n"):
        assert "\ndata: " in block


async def test_an_enveloped_stream_carries_json_rpc_responses(
    served: Served, agent: Gated, http: httpx2.AsyncClient
) -> None:
    agent.gate.set()
    body = request("tasks/sendSubscribe", "t1", message("go"))
    bare = await called(http, f"{served.url}/", "tasks/sendSubscribe", "t1", message("go"))
    response = await http.post(f"{served.url}/", json=body, headers={"A2A-Legacy-SSE": "enveloped"})
    lines = [line for line in response.text.splitlines() if line.startswith("data: ")]
    assert len(lines) == len(bare)
    for line in lines:
        assert line.startswith('data: {"jsonrpc":"2.0","id":"1","result":{"id":"t1",')
