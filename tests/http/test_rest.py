"""REST, by hand: what the official clients don't show."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.position import Position
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from conftest import Served, serving

V1 = {"A2A-Version": "1.0"}


class Telling(Agent):
    """Tells two lines and ends."""

    card = agent_card("telling")

    async def run(self, run: Run) -> None:
        await run.working("one")
        await run.working("two")
        await run.complete("three")


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Served]:
    async with serving(create_app(Telling(), settings=settings)) as running:
        yield running


def sent(message_id: str) -> Any:
    said = {"messageId": message_id, "role": "ROLE_USER", "parts": [{"text": "hello"}]}
    return {"message": said}


async def streamed(
    http: httpx2.AsyncClient, served: Served, path: str, method: str = "POST", **request: Any
) -> list[tuple[str, Any]]:
    """What a stream tells: each frame's position, and its JSON."""
    decoder, told = Decoder(), []
    async with http.stream(method, f"{served.url}{path}", **request) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        async for chunk in response.aiter_bytes():
            told += [(frame.id, json.loads(frame.data)) for frame in decoder.feed(chunk)]
    return told


async def test_a_stream_has_positions_and_goes_on_after_one(
    served: Served, http: httpx2.AsyncClient
) -> None:
    whole = await streamed(http, served, "/v1/message:stream", json=sent("m1"), headers=V1)
    assert [[*told] for _, told in whole] == [["task"], *[["statusUpdate"]] * 3]
    assert [Position.parse(at).offset for at, _ in whole if at] == [1, 2, 3, 4]
    task = whole[0][1]["task"]["id"]
    path = f"/v1/tasks/{task}:subscribe"
    for method in ("GET", "POST"):
        headers = {**V1, "Last-Event-ID": str(whole[1][0])}
        rest = await streamed(http, served, path, method, headers=headers)
        assert rest == whole[2:]


async def test_oh_three_is_spoken_to_who_says_no_version(
    served: Served, http: httpx2.AsyncClient
) -> None:
    body = {
        "message": {"messageId": "m1", "role": "ROLE_USER", "content": [{"text": "hello"}]},
        "configuration": {"blocking": True},
    }
    answer = (await http.post(f"{served.url}/v1/message:send", json=body)).json()
    task = answer["task"]
    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    body["message"]["messageId"] = "m2"
    told = [event for _, event in await streamed(http, served, "/v1/message:stream", json=body)]
    assert [next(iter(one)) for one in told] == ["task", *["statusUpdate"] * 3]
    assert [one["statusUpdate"].get("final", False) for one in told[1:]] == [False, False, True]
    assert "a2a_streaming" not in json.dumps(told)


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "reason"),
    [
        ("GET", "/v1/tasks/none", V1, 404, "TASK_NOT_FOUND"),
        ("GET", "/v1/tasks/none", {}, 404, "TASK_NOT_FOUND"),
        ("POST", "/v1/tasks/none:cancel", V1, 404, "TASK_NOT_FOUND"),
        ("GET", "/v1/tasks/none:subscribe", V1, 404, "TASK_NOT_FOUND"),
        ("GET", "/v1/tasks/none?historyLength=x", {}, 400, "INVALID_PARAMS"),
        ("GET", "/v1/tasks/none?historyLength=-1", V1, 400, "INVALID_PARAMS"),
        ("DELETE", "/v1/tasks/none/pushNotificationConfigs/x", V1, 404, "TASK_NOT_FOUND"),
        ("DELETE", "/v1/tasks/none/pushNotificationConfigs/x", {}, 404, "TASK_NOT_FOUND"),
        ("GET", "/v1/tasks?pageSize=0", V1, 400, "INVALID_PARAMS"),
        ("GET", "/v1/tasks", {}, 404, "METHOD_NOT_FOUND"),
        ("GET", "/v1/elsewhere", V1, 404, "METHOD_NOT_FOUND"),
        ("PUT", "/v1/message:send", V1, 404, "METHOD_NOT_FOUND"),
        ("GET", "/v1/tasks", {"A2A-Version": "1.7"}, 400, "VERSION_NOT_SUPPORTED"),
        ("GET", "/v1/tasks", {"A2A-Version": "0.1"}, 400, "VERSION_NOT_SUPPORTED"),
        ("POST", "/v1/message:send", V1, 400, "INVALID_REQUEST"),
        ("POST", "/v1/message:stream", V1, 400, "INVALID_REQUEST"),
        ("GET", "/v1/extendedAgentCard", V1, 400, "UNSUPPORTED_OPERATION"),
    ],
)
async def test_errors_say_what_is_wrong_in_words_and_codes(
    served: Served,
    http: httpx2.AsyncClient,
    method: str,
    path: str,
    headers: dict[str, str],
    status: int,
    reason: str,
) -> None:
    content = b"no json" if method == "POST" and "message" in path else None
    if content:
        headers = {**headers, "content-type": "application/json"}
    response = await http.request(method, f"{served.url}{path}", headers=headers, content=content)
    assert response.status_code == status
    body = response.json()
    assert body["error"]["code"] == status
    assert body["error"]["message"]
    assert body["error"]["details"][0]["reason"] == reason


@pytest.mark.parametrize("suffix", [":cancel", ":subscribe"])
async def test_to_oh_three_errors_say_also_what_its_clients_look_for(
    served: Served, http: httpx2.AsyncClient, suffix: str
) -> None:
    body = (await http.post(f"{served.url}/v1/tasks/none{suffix}")).json()
    assert (body["type"], body["code"]) == ("TaskNotFoundError", -32001)
    assert body["message"] == body["error"]["message"]


async def test_what_isnt_json_by_its_own_word_is_refused(
    served: Served, http: httpx2.AsyncClient
) -> None:
    for kind, status in (("text/plain", 400), ("application/a2a+json; charset=utf-8", 200)):
        response = await http.post(
            f"{served.url}/v1/message:send",
            content=json.dumps(sent("m1")).encode(),
            headers={**V1, "content-type": kind},
        )
        assert response.status_code == status
        assert response.headers["content-type"] == "application/a2a+json"
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": sent("m1")}
    response = await http.post(
        f"{served.url}/", content=json.dumps(body).encode(), headers={"content-type": "text/plain"}
    )
    assert response.json()["error"]["code"] == -32005


async def test_a_body_that_is_too_large_is_refused(
    served: Served, http: httpx2.AsyncClient
) -> None:
    said = sent("m1")
    said["message"]["parts"][0]["text"] = "x" * 2_000_000
    response = await http.post(f"{served.url}/v1/message:send", json=said, headers=V1)
    assert response.status_code == 413
    assert "A2A_MAX_BODY_BYTES" in response.json()["error"]["message"]
