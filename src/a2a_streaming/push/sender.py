"""Sending: one signed request to a webhook, to an address that was checked, within a time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import NamedTuple

import httpx2

from a2a_streaming import tracing
from a2a_streaming.addresses import resolve
from a2a_streaming.push import figures
from a2a_streaming.push.receivers import Receiver, Receivers
from a2a_streaming.push.signing import KeyRing
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json

ID_HEADER = "A2A-Notification-Id"
"""The same for each try, each process and each replay of one event for one webhook."""
TOKEN_HEADER = "X-A2A-Notification-Token"  # noqa: S105 - a header's name (specification 1.0, section 6.6)
JWT_HEADER = "A2A-Notification-JWT"
_READ = 64 * 1024
"""The most bytes that are read of an answer, so that its connection can be used again."""
_GONE = 410


@dataclass(frozen=True, slots=True)
class Notification:
    """What is to be posted.

    Args:
        id: The same however often it is posted.
        url: Where to.
        body: JSON.
        content_type: Its type.
        token: The client's own token, as it set it; empty if it did not.
        authentication: How the receiver wants to be spoken to: `scheme`, and `credentials` if there are any.
        headers: More headers.
        claims: What its signed token says beside what each says.
        trace: Where the trace context stands that it belongs to, if there is any; the receiver is told it.
    """

    id: str
    url: str
    body: bytes
    content_type: str = "application/json"
    token: str = ""
    authentication: Json = field(default_factory=dict[str, object])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    claims: Mapping[str, str] = field(default_factory=dict[str, str])
    trace: tracing.Carrier = field(default_factory=dict[str, str])


class Outcome(NamedTuple):
    """What came of a post.

    Args:
        reason: Why it wasn't taken; empty if it was.
        wait: For how long the receiver wants not to be asked again, seconds.
        gone: Whether the receiver says that it is there no more.
    """

    reason: str = ""
    wait: float = 0.0
    gone: bool = False


class Sender:
    """Posts notifications. Use it as an async context manager, or call `start` and `aclose`.

    Args:
        settings: Where to it may post, for how long, how many at once.
        keys: What signs.
        trusted: Whom TLS trusts; the usual authorities if None.
    """

    def __init__(
        self, settings: Settings, keys: KeyRing, *, trusted: ssl.SSLContext | None = None
    ) -> None:
        self._settings = settings
        self._reach = settings.push_reach
        self._keys = keys
        self._trusted = trusted
        self._receivers: Receivers | None = None

    async def start(self) -> None:
        """Get ready."""
        trusted = self._trusted or await asyncio.to_thread(httpx2.create_ssl_context)
        settings = self._settings
        self._receivers = Receivers(settings.push_concurrency, settings.push_timeout, trusted)

    async def aclose(self) -> None:
        """Close all connections."""
        if self._receivers is not None:
            await self._receivers.aclose()

    async def send(
        self, notification: Notification, *, first: Callable[[], Awaitable[None]] | None = None
    ) -> Outcome:
        """Post a notification, once.

        Args:
            notification: The notification.
            first: Called when it is its turn, before anything is sent; what it raises is raised.

        Raises:
            Busy: There are posts enough under way to its receiver, or in all.
            Unavailable: It can't be signed.
        """
        if self._receivers is None:
            raise RuntimeError("the sender hasn't started")
        try:
            async with self._receivers.turn(notification.url) as receiver:
                if first is not None:
                    await first()
                begun = time.monotonic()
                task = notification.claims.get("taskId", "")
                parent = notification.trace
                try:
                    with tracing.span("push", "client", parent=parent, task_id=task) as span:
                        outcome = await self._post(receiver, notification)
                        if outcome.reason:
                            span.fail("refused")
                    return outcome
                finally:
                    figures.PUSH_SECONDS.observe(time.monotonic() - begun)
        except (ValueError, httpx2.InvalidURL) as error:
            return Outcome(f"{error}")

    async def _post(self, receiver: Receiver, notification: Notification) -> Outcome:
        try:
            async with asyncio.timeout(self._settings.push_timeout):
                headers = await self._headers(notification)
                addresses = await resolve(notification.url, self._reach)
                for address in addresses[:-1]:
                    try:
                        return await _ask(receiver, notification, address, headers)
                    except (httpx2.ConnectError, httpx2.ConnectTimeout):
                        continue
                return await _ask(receiver, notification, addresses[-1], headers)
        except TimeoutError:
            receiver.answers = False
            return Outcome(f"no answer within {self._settings.push_timeout:g} s")
        except (httpx2.HTTPError, OSError) as error:
            receiver.answers = False
            return Outcome(f"{type(error).__name__}: {error}"[:500])

    async def _headers(self, notification: Notification) -> dict[str, str]:
        claims = {**notification.claims, "notificationId": notification.id}
        signed = await self._keys.token(notification.url, notification.body, claims)
        headers = {
            **notification.headers,
            **tracing.carrier(),
            "content-type": notification.content_type,
            "user-agent": "a2a-streaming",
            ID_HEADER: notification.id,
            JWT_HEADER: signed,
        }
        if notification.token:
            headers[TOKEN_HEADER] = notification.token
        scheme = str(notification.authentication.get("scheme") or "")
        credentials = str(notification.authentication.get("credentials") or "")
        if scheme.lower() == "bearer":
            credentials = (
                credentials or signed
            )  # a bearer token is wanted, and none was set: it is ours
        if scheme:
            headers["authorization"] = f"{scheme} {credentials}".strip()
        return headers


async def _ask(
    receiver: Receiver, notification: Notification, address: str, headers: Mapping[str, str]
) -> Outcome:
    """Post to an address, which was checked: it is spoken to, whatever the name resolves to next."""
    url = httpx2.URL(notification.url)
    request = receiver.client.build_request(
        "POST",
        url.copy_with(host=address),
        content=notification.body,
        headers={**headers, "host": url.netloc.decode()},
        extensions={"sni_hostname": url.host},
    )
    response = await receiver.client.send(request, stream=True)
    try:
        receiver.answers = True
        left = _READ
        async for chunk in response.aiter_raw():
            left -= len(chunk)
            if left <= 0:
                break
    finally:
        await response.aclose()
    if response.is_success:
        return Outcome()
    return Outcome(
        f"HTTP {response.status_code}",
        _seconds(response.headers.get("retry-after", "")),
        response.status_code == _GONE,
    )


def _seconds(told: str) -> float:
    """Return for how long a header `Retry-After` asks to wait, seconds (RFC 9110, section 10.2.3)."""
    if told.isascii() and told.isdigit():
        return float(told[:9])
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except ValueError:
        return 0.0
