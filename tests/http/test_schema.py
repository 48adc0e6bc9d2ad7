"""The first dialect's own JSON schema, over real HTTP: every frame and every answer is what it says."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest

from a2a_streaming import Agent, Run, agent_card, create_app
from a2a_streaming.event import data_part, message, text_part
from a2a_streaming.http.legacy import ENVELOPE_HEADER
from a2a_streaming.node import Node
from a2a_streaming.settings import Settings
from a2a_streaming.sse import Decoder
from conftest import Validate, serving

HOOK = "http://127.0.0.1:1/hook"
EVENTS = {"status": "TaskStatusUpdateEvent", "artifact": "TaskArtifactUpdateEvent"}


class Everything(Agent):
    """Says everything that an agent can say, in every way of ending."""

    card = agent_card(
        "everything",
        skills=[{"id": "all", "name": "All", "tags": ["x"], "examples": ["Say it"]}],
    )
    may_answer_with_message = True

    async def run(self, run: Run) -> None:
        match run.text:
            case "answer":
                said = [text_part("hello")]
                await run.answer(
                    message("agent", said, task_id=run.task_id, context_id=run.context_id)
                )
            case "ask":
                await run.input_required("Which one?", data_part({"choices": [1, 2]}))
            case "authorize":
                await run.auth_required("Sign in at https://example.com")
            case "reject":
                await run.reject("Not here")
            case "fail":
                await run.fail("It can't be done", metadata={"why": "no"})
            case _:
                await self._say_all(run)

    async def _say_all(self, run: Run) -> None:
        await run.working()
        await run.working("on it", data_part([1, None]), metadata={"progress": 0.5})
        file = {"filename": "a.txt", "mediaType": "text/plain"}
        parts = [{"raw": "aGk=", **file}, {"url": "https://example.com/a", **file}]
        await run.attach("files", *parts, description="Two files", metadata={"count": 2})
        await run.attach("data", data_part({"a": {"b": [1]}}), data_part("a word"), data_part(None))
        async with run.artifact("chunks") as chunks:
            for word in ("one", "two", "three"):
                await chunks.write(word)
        await run.complete("done")


@dataclass
class Client:
    """Speaks the first dialect, and holds every answer and every frame to the schema."""

    http: httpx2.AsyncClient
    url: str
    address: str
    validate: Validate
    ids: int = 0

    async def asks(self, kind: str, method: str, **params: Any) -> Any:
        """The result of a request that doesn't stream."""
        answer = await self._answer(self.body(method, params))
        self.validate(kind, answer)
        return answer["result"]

    async def refused(self, kind: str, method: str, **params: Any) -> None:
        """An error of that kind."""
        answer = await self._answer(self.body(method, params))
        self.validate("JSONRPCResponse", answer)
        self.validate(kind, answer["error"])

    async def reads(self, method: str, *, after: str = "", **params: Any) -> list[tuple[str, Any]]:
        """A stream's events, each in a response of its own, with their types."""
        headers = {"Last-Event-ID": after} if after else {}
        told: list[tuple[str, Any]] = []
        body = self.body(method, params)
        async for event, data in self._frames("POST", body, headers):
            self.validate("SendTaskStreamingResponse", data)
            assert data["id"] == body["id"]
            self.validate(EVENTS[event], data["result"])
            told.append((event, data["result"]))
            if "reset" in data["result"].get("metadata", {}):
                break  # a task that waits for its customer leaves its stream open after it
        return told

    async def reads_bare(self, http_method: str, path: str, body: Any = None) -> int:
        """How many events a stream of ours tells, on which there is no envelope."""
        count = 0
        async for event, data in self._frames(http_method, body, {}, path):
            self.validate(EVENTS[event], data)
            count += 1
        return count

    async def _frames(
        self, http_method: str, body: Any, headers: dict[str, str], path: str = ""
    ) -> AsyncIterator[tuple[str, Any]]:
        path = path or self.address.format(method=body["method"])
        decoder = Decoder()
        content = None if body is None else json.dumps(body)
        async with self.http.stream(
            http_method, self.url + path, content=content, headers=headers
        ) as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            async for chunk in response.aiter_raw():
                for told in decoder.feed(chunk):
                    yield told.event, json.loads(told.data)

    def body(self, method: str, params: Any) -> dict[str, Any]:
        """A request, with an id of its own."""
        self.ids += 1
        request_id = self.ids if self.ids % 2 else f"call-{self.ids}"
        return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}

    async def _answer(self, body: Any) -> Any:
        path = self.address.format(method=body["method"])
        answer = (await self.http.post(self.url + path, json=body)).json()
        assert answer["id"] == body["id"]
        return answer


def said(words: str) -> Any:
    return {"role": "user", "parts": [{"type": "text", "text": words}], "metadata": {"m": 1}}


@pytest.mark.parametrize("address", ["/", "/rpc/0.1", "/{method}"])
async def test_every_frame_and_every_answer_is_what_the_schema_calls_it(
    settings: Settings, http: httpx2.AsyncClient, validate: Validate, address: str
) -> None:
    enveloped = settings.model_copy(update={"legacy_sse": "enveloped", "push_private": True})
    app = create_app(Everything(), settings=enveloped)
    node: Node = app.state.node
    async with serving(app) as served:
        client = Client(http, served.url, address, validate)
        validate("AgentCard", (await http.get(f"{served.url}/.well-known/agent.json")).json())

        # Streams: every end, the whole story again, and resets.
        ends = {
            "all": "completed",
            "answer": "completed",
            "ask": "input-required",
            "authorize": "input-required",
            "reject": "failed",
            "fail": "failed",
        }
        for words, state in ends.items():
            told = await client.reads("tasks/sendSubscribe", id=words, message=said(words))
            assert told[-1][1]["status"]["state"] == state
            again = await client.reads("tasks/resubscribe", id=words, historyLength=5)
            assert again[-1] == told[-1]
            for lost in ("1-1", "nonsense"):
                [(_, reset)] = await client.reads("tasks/resubscribe", id=words, after=lost)
                validate("Task", reset["metadata"]["reset"]["task"])
        everything = await client.reads("tasks/resubscribe", id="all")
        assert {event for event, _ in everything} == {"status", "artifact"}
        follow = {"jsonrpc": "2.0", "id": 1, "method": "tasks/follow", "params": {}}
        follow["params"] = {"tasks": [{"id": "all"}, {"id": "fail"}]}
        assert await client.reads_bare("POST", "/", follow) > len(everything)

        # Answers.
        for words in ends:
            task = await client.asks(
                "SendTaskResponse",
                "tasks/send",
                id=f"sent {words}".replace(" ", "-"),
                sessionId="s1",
                historyLength=10,
                message=said(words),
                metadata={"m": 1},
            )
            assert task["sessionId"] == "s1"
            got = await client.asks("GetTaskResponse", "tasks/get", id=task["id"], historyLength=10)
            assert got["history"]
        push = {
            "url": HOOK,
            "token": "t",
            "authentication": {"schemes": ["Bearer"], "credentials": "c"},
        }
        task = await client.asks(
            "SendTaskResponse",
            "tasks/send",
            id="pushed",
            message=said("ask"),
            pushNotification={"url": HOOK},
        )
        for kind, method, params in (
            ("GetTaskPushNotificationResponse", "get", {}),
            ("SetTaskPushNotificationResponse", "set", {"pushNotificationConfig": push}),
            ("GetTaskPushNotificationResponse", "get", {}),
        ):
            set_ = await client.asks(
                kind, f"tasks/pushNotification/{method}", id="pushed", **params
            )
        assert set_["pushNotificationConfig"] == push
        task = await client.asks("CancelTaskResponse", "tasks/cancel", id="pushed")
        assert task["status"]["state"] == "canceled"

        # Errors, also in the place of a stream.
        await client.refused("TaskNotFoundError", "tasks/get", id="none")
        await client.refused("TaskNotFoundError", "tasks/resubscribe", id="none")
        await client.refused("TaskNotFoundError", "tasks/pushNotification/get", id="none")
        await client.refused("TaskNotCancelableError", "tasks/cancel", id="all")
        await client.refused("UnsupportedOperationError", "tasks/send", id="all", message=said("x"))
        await client.refused("InvalidParamsError", "tasks/sendSubscribe", id="new")
        await client.refused("InvalidParamsError", "tasks/pushNotification/get", id="all")
        node.draining = True
        await client.refused("InternalError", "tasks/get", id="all")
        node.draining = False


async def test_every_error_of_the_request_itself_is_what_the_schema_calls_it(
    settings: Settings, http: httpx2.AsyncClient, validate: Validate
) -> None:
    silent = settings.model_copy(update={"push": False, "max_body_bytes": 1000})
    async with serving(create_app(Everything(), settings=silent)) as served:
        client = Client(http, served.url, "/rpc/0.1", validate)
        await client.refused("MethodNotFoundError", "tasks/dance", id="t1")
        kind = "PushNotificationNotSupportedError"
        await client.refused(kind, "tasks/pushNotification/get", id="t1")
        push = {"url": HOOK}
        await client.refused(kind, "tasks/send", id="t1", message=said("x"), pushNotification=push)
        for headers in ({ENVELOPE_HEADER: "wrapped"}, {"A2A-Version": "1.0"}):
            body = client.body("tasks/sendSubscribe", {"id": "t1", "message": said("x")})
            answer = (await http.post(f"{served.url}/rpc/0.1", json=body, headers=headers)).json()
            validate("JSONRPCResponse", answer)
            validate("JSONRPCError", answer["error"])
        unread = {
            b"{": "JSONParseError",
            b"[]": "InvalidRequestError",
            b"x" * 1001: "InvalidRequestError",
        }
        for content, kind in unread.items():
            answer = (await http.post(f"{served.url}/rpc/0.1", content=content)).json()
            # JSON-RPC 2.0 has null for an id that can't be read; the schema has no word for it.
            assert answer.pop("id") is None
            validate("JSONRPCResponse", answer)
            validate(kind, answer["error"])


async def test_a_browsers_stream_is_of_the_schemas_events(
    settings: Settings, http: httpx2.AsyncClient, validate: Validate
) -> None:
    async with serving(create_app(Everything(), settings=settings)) as served:
        client = Client(http, served.url, "/", validate)
        await client.asks("SendTaskResponse", "tasks/send", id="t1", message=said("all"))
        assert await client.reads_bare("GET", "/tasks/resubscribe?id=t1") > 5
