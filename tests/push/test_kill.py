"""Processes are killed between an event and its delivery: nothing is lost, the order stays, the ids are the same."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx2
import redis.asyncio

from processes import started
from receivers import receiving
from tasks import until

APP = "apps.overseen:OverseenAgent"


async def test_whoever_comes_after_a_killed_process_tells_what_it_didnt(
    http: httpx2.AsyncClient, raw: redis.asyncio.Redis, redis_url: str, tmp_path: Path
) -> None:
    told: dict[str, Any] = {
        "A2A_REDIS_URL": redis_url,
        "A2A_PUSH_PRIVATE": "true",
        "A2A_LEASE_SECONDS": "1",
        "A2A_PUSH_CONCURRENCY": "32",
    }
    tasks = 4
    async with receiving() as receiver:
        receiver.holding = asyncio.Event()
        with started("serve", APP, data_dir=tmp_path / "one", **told) as one:
            for n in range(tasks):
                said = {"messageId": f"m{n}", "role": "ROLE_USER", "parts": [{"text": "done"}]}
                wanted = {"taskPushNotificationConfig": {"url": receiver.url}}
                body = {
                    "jsonrpc": "2.0",
                    "id": 1,
                    "method": "SendMessage",
                    "params": {"message": said, "configuration": wanted},
                }
                answer = (await http.post(one.url, json=body)).json()["result"]["task"]
                assert answer["status"]["state"] == "TASK_STATE_COMPLETED"
                await receiver.until_tried(n + 1)  # and it has no answer yet
            assert receiver.taken == []
            assert one.ended(signal.SIGKILL) == -signal.SIGKILL
        receiver.holding.set()
        before = dict(receiver.tried)
        with started("serve", APP, data_dir=tmp_path / "other", **told):

            async def are_told() -> bool:
                return receiver.states.count("completed") >= tasks

            await until(are_told)
        by_task: dict[str, dict[str, int]] = {}
        for (_, _, event), offset, one_id in zip(
            receiver.taken, receiver.offsets, receiver.ids, strict=True
        ):
            [inner] = event.values()
            by_task.setdefault(inner.get("taskId") or inner["id"], {}).setdefault(one_id, offset)
        assert len(by_task) == tasks
        for offsets in by_task.values():
            assert [*offsets.values()] == [*range(1, len(offsets) + 1)]
        again = dict(receiver.tried)
        assert before.items() <= again.items()  # under the same ids the same
