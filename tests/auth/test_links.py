"""A conversation goes on on another device, by a signed link: in one task, for a while, and in no other."""

from __future__ import annotations

from urllib.parse import parse_qs

import httpx2
import pytest

from a2a_streaming.caller import Role
from a2a_streaming.client import Client, RemoteError
from a2a_streaming.settings import Settings
from auth.signing_in import V1, front
from tasks import until


async def test_a_link_opens_one_task_to_whoever_has_it(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http) as served:
        anna = await served.customer("anna")
        for task in ("t1", "t2"):
            await anna.begins(task)
        given = (await anna.post({"id": "t1"}, "/auth/link")).json()
        path, _, fragment = given["link"].partition("#")
        assert (path, given["expiresIn"]) == ("/", 600)
        asked = {key: value for key, [value] in parse_qs(fragment).items()}
        assert asked == {"task": "t1", "token": given["token"]}
        async with Client(served.url, token=given["token"]) as phone:
            told = [event async for event in phone.send_subscribe("t1", "go", after="0-1")]
            assert told[-1].state == "completed"
            assert (await phone.get("t1"))["status"]["state"] == "completed"
            for refused in (phone.get("t2"), phone.cancel("t2"), phone.send("t3", "hello")):
                with pytest.raises(RemoteError):
                    await refused
        headers = {"authorization": f"Bearer {given['token']}"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": {}}
        listed = (await http.post(served.url, json=body, headers={**headers, **V1})).json()
        assert [task["id"] for task in listed["result"]["tasks"]] == ["t1"]
        said = {"messageId": "m1", "role": "ROLE_USER", "parts": [{"text": "hi"}]}
        body |= {"method": "SendMessage", "params": {"message": said}}
        new = (await http.post(served.url, json=body, headers={**headers, **V1})).json()
        assert "alone" in new["error"]["message"]
        # For a page's EventSource there, and for nothing else.
        for where, task, code in (
            ("ticket", "t1", 200),
            ("ticket", "t2", 404),
            ("link", "t1", 403),
        ):
            answer = await http.post(
                f"{served.url}/auth/{where}", json={"id": task}, headers=headers
            )
            assert answer.status_code == code


async def test_a_link_that_is_over_or_of_a_service_opens_nothing(
    settings: Settings, http: httpx2.AsyncClient
) -> None:
    async with front(settings, http, auth_link_seconds=0.001) as served:
        anna = await served.customer("anna")
        await anna.begins("t1")
        given = (await anna.post({"id": "t1"}, "/auth/link")).json()
        service = await served.customer("desk", Role.SERVICE)
        of_service = (await service.post({"id": "t1"}, "/auth/link")).json()
        headers = {"authorization": f"Bearer {of_service['token']}"}
        acting = await http.post(
            f"{served.url}/auth/token", json={"customer": "anna"}, headers=headers
        )
        assert acting.status_code in (401, 403)
        async with Client(served.url, token=given["token"]) as phone:

            async def over() -> bool:
                try:
                    await phone.get("t1")
                except RemoteError as error:
                    return "time is over" in str(error)
                return False

            await until(over)
