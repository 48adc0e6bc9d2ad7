"""Calls of a server's JSON APIs."""

from __future__ import annotations

import re
from typing import Any, Self, cast

import httpx2
import orjson

from a2a_streaming.client import AgentUnreachable, http_client
from a2a_streaming.errors import A2AStreamingError
from a2a_streaming.task import Json

_AGENT_PATH = re.compile(r"/agents/[^/]+$")


class Refused(A2AStreamingError):
    """A server refused a call.

    Args:
        status: HTTP status.
        detail: What it says.
    """

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(f"The server refused (HTTP {status}): {detail}")
        self.status = status


class Remote:
    """A server, by its address. Use it as an async context manager.

    Args:
        url: The address.
        token: An API key or a bearer token; None without authentication.
    """

    def __init__(self, url: str, token: str | None) -> None:
        self._url = url.rstrip("/")
        self._root = _AGENT_PATH.sub("", self._url)
        self._headers = {"authorization": f"Bearer {token}"} if token else {}
        self._http = http_client()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._http.aclose()

    async def get(self, path: str, **asked: str) -> Json:
        """Return what is at a path of the server, whichever of its agents the address names.

        Args:
            path: The path, with its slash.
            asked: The query's parameters.

        Raises:
            Refused: The server refuses.
            AgentUnreachable: No usable answer.
        """
        return await self._ask("GET", f"{self._root}{path}", params=asked)

    async def call(self, path: str, method: str, params: Json) -> Json:
        """Call a method of the agent by JSON-RPC, and return its result.

        Args:
            path: The path, with its slash.
            method: The method.
            params: Its parameters.

        Raises:
            Refused: The server refuses.
            AgentUnreachable: No usable answer.
        """
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        told = await self._ask("POST", f"{self._url}{path}", json=body)
        if "error" in told:
            error: Json = told["error"]
            data: Json = error.get("data") or {}
            raise Refused(200, data.get("detail") or error.get("message", ""))
        return told["result"]

    async def _ask(self, method: str, url: str, **rest: Any) -> Json:
        try:
            response = await self._http.request(method, url, headers=self._headers, **rest)
        except httpx2.RequestError as error:
            raise AgentUnreachable(url, str(error) or type(error).__name__) from error
        try:
            told: Any = orjson.loads(response.content)
        except orjson.JSONDecodeError as error:
            if response.status_code in (404, 405):
                raise Refused(response.status_code, "there is nothing of that name") from error
            raise AgentUnreachable(
                url, f"HTTP {response.status_code}, the answer is no JSON"
            ) from error
        if not isinstance(told, dict):
            raise AgentUnreachable(url, "the answer is no JSON object")
        answer = cast("Json", told)
        if response.status_code >= 400:
            said: Any = answer.get("error")
            detail = cast("Json", said).get("message") if isinstance(said, dict) else None
            raise Refused(response.status_code, str(detail or response.reason_phrase))
        return answer
