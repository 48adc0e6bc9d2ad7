"""Fronts behind a load balancer that knows nothing of tasks, by the configurations that are shipped."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncGenerator, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import httpx2
import pytest
import redis.asyncio

from a2a_streaming.settings import Settings
from agents import working
from apps.telling import TellingAgent
from deploy import proxies
from processes import Running, started
from programs import needs
from streams import Frame, Refused, asked, called, frames, message, request, streaming
from tasks import until

APP = "apps.telling:TellingAgent"
BEHIND = [
    pytest.param(proxies.nginx, marks=needs("nginx"), id="nginx"),
    pytest.param(proxies.caddy, marks=needs("caddy"), id="caddy"),
    pytest.param(proxies.envoy, marks=needs("envoy"), id="envoy"),
]


class Watcher:
    """A client that comes back through the proxy, after the last event that it has seen."""

    def __init__(self, http: httpx2.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url
        self.seen: list[Frame] = []
        self.streams = 0
        self._told = self._watch()

    async def _watch(self) -> AsyncGenerator[str]:
        while not (self.seen and self.seen[-1].data["final"]):
            after = self.seen[-1].id if self.seen else None
            try:
                async with streaming(
                    self._http, self._url, "tasks/resubscribe", "t1", after=after
                ) as told:
                    self.streams += 1
                    async for frame in told:
                        self.seen.append(frame)
                        yield _said(frame)
            except httpx2.TransportError:
                pass  # cut: it comes back
            except (
                Refused
            ) as refused:  # by the proxy, in the moment of a front's end: it comes back
                if refused.status not in {502, 503, 504}:
                    raise

    async def word(self) -> str:
        """What is said next."""
        return await anext(self._told)

    async def end(self) -> list[tuple[str, str]]:
        """All that was said, once it is over."""
        async for _ in self._told:
            pass
        return frames(self.seen)


def _said(frame: Frame) -> str:
    told = frame.data["status"].get("message")
    return told["parts"][0]["text"] if told else ""


async def streams_at(http: httpx2.AsyncClient, front: Running) -> int:
    """How many streams a front has open."""
    told = (await http.get(f"{front.url}/metrics")).text
    [count] = re.findall(r"^a2a_streams_open (\S+)$", told, re.MULTILINE)
    return int(float(count))


@contextmanager
def fronts_behind(
    prepare: proxies.Prepare, settings: Settings, folder: Path
) -> Iterator[tuple[str, list[Running]]]:
    """The proxy's address, and the three fronts behind it."""
    told = {"A2A_REDIS_URL": settings.redis_url}
    if prepare is proxies.envoy:
        # It tells the machine's own address in loopback's place, from where nobody is let in without a key.
        told["FORWARDED_ALLOW_IPS"] = ""
    front = partial(started, "serve", APP, "--role", "front", **told)
    with ExitStack() as stack:
        fronts = [stack.enter_context(front(data_dir=folder / str(n))) for n in range(3)]
        addresses = [one.url.removeprefix("http://") for one in fronts]
        yield stack.enter_context(proxies.running(prepare, addresses, folder)), fronts


@pytest.mark.parametrize("prepare", BEHIND)
async def test_streams_go_on_behind_a_proxy_whatever_becomes_of_fronts(
    prepare: proxies.Prepare,
    settings: Settings,
    raw: redis.asyncio.Redis,
    http: httpx2.AsyncClient,
    tmp_path: Path,
) -> None:
    agent = TellingAgent()
    say = agent.words.put_nowait
    with fronts_behind(prepare, settings, tmp_path) as (address, fronts):
        url = f"{address}/"

        async def is_open() -> bool:
            return (await http.get(f"{url}.well-known/agent.json")).status_code == 200

        await until(is_open)
        await guards(http, address)
        async with (
            working(settings, raw, agent, role="worker"),
            streaming(http, url, "tasks/sendSubscribe", "t1", message("speak")) as told,
        ):
            assert _said(await anext(told)) == ""  # submitted
            watchers = [Watcher(http, url) for _ in range(2)]
            for one in watchers:
                assert await one.word() == ""
            spread = {front.url: await streams_at(http, front) for front in fronts}
            assert sum(spread.values()) == 3
            if (
                prepare is proxies.nginx
            ):  # who has the fewest gets the next; others draw lots among some
                assert set(spread.values()) == {1}
            fronts.sort(key=lambda front: -spread[front.url])  # the busiest dies
            say("one")  # and nothing more until all have been told: what is held back never comes
            assert _said(await anext(told)) == "one"
            assert {await one.word() for one in watchers} == {"one"}

            fronts[0].process.kill()
            say("two")
            assert {await one.word() for one in watchers} == {"two"}
            assert await unary_calls(http, url) == {"working"}  # the dead front is asked no more
            fronts[1].process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(fronts[1].process.wait, 15)
            say("three")
            assert {await one.word() for one in watchers} == {"three"}
            assert await streams_at(http, fronts[2]) >= 2
            say("")
            stories = [await one.end() for one in watchers]
        whole = frames(await called(http, f"{fronts[2].url}/", "tasks/resubscribe", "t1"))
    assert stories == [whole, whole]
    assert {one.streams for one in watchers} <= {1, 2, 3}, "a front's end costs a client one"


async def guards(http: httpx2.AsyncClient, url: str) -> None:
    """Check what a proxy hides and passes on."""
    hidden = [await http.get(f"{url}/{path}") for path in ("metrics", "healthz", "readyz")]
    assert [one.status_code for one in hidden] == [404, 404, 404]
    card = (await http.get(f"{url}/.well-known/agent.json")).json()
    assert card["url"].startswith(f"{url}/"), "cards tell the address that clients use"
    # Whoever comes from elsewhere is refused here: what a client claims of itself isn't believed.
    claimed = {"X-Forwarded-For": "192.0.2.1"}
    unknown = await http.post(f"{url}/", json=request("tasks/get", "t0"), headers=claimed)
    assert unknown.json()["error"]["code"] == -32001
    large = await http.post(f"{url}/", content=b"x" * (1024 * 1024 + 1))
    assert large.status_code == 413
    token = {"Authorization": f"Bearer {'t' * 12_000}"}
    assert (await http.get(f"{url}/.well-known/agent.json", headers=token)).status_code == 200


async def unary_calls(http: httpx2.AsyncClient, url: str) -> set[str]:
    """The states that as many requests tell as there are fronts."""
    told = [await asked(http, url, "tasks/get", "t1") for _ in range(3)]
    return {one["result"]["status"]["state"] for one in told}
