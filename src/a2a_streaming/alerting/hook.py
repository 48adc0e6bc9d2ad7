"""Alerts as signed webhooks, as Standard Webhooks say it (standardwebhooks.com): any of their libraries verifies them.

webhook-id          the alert's id: the same however often it is told
webhook-timestamp   when this was sent, s since 1970
webhook-signature   v1,<base64 of the HMAC-SHA256 of "<id>.<timestamp>.<body>">
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import UTC, datetime

import httpx2
import orjson

from a2a_streaming.backbone.alerts import Alert

TYPE = "sla.exceeded"
"""What kind of message it is."""


class AlertHook:
    """Sends alerts to one address.

    Args:
        client: The way out; it follows no redirects.
        url: The address.
        secret: What is signed with.
    """

    def __init__(self, client: httpx2.AsyncClient, url: str, secret: bytes) -> None:
        self._client = client
        self._url = url
        self._secret = secret

    async def post(self, alert: Alert) -> str | None:
        """Send an alert once; returns why it wasn't taken, None if it was.

        Args:
            alert: The alert.
        """
        body = told(alert)
        headers = {"content-type": "application/json", **signed(alert.id, body, self._secret)}
        try:
            response = await self._client.post(self._url, content=body, headers=headers)
        except (httpx2.HTTPError, OSError) as error:
            return f"{type(error).__name__}: {error}"
        return None if response.is_success else f"HTTP {response.status_code}"


def told(alert: Alert) -> bytes:
    """Return a message's body."""
    at = datetime.fromtimestamp(alert.at / 1000, UTC).isoformat(timespec="milliseconds")
    data = {"id": alert.id, **alert.about}
    return orjson.dumps({"type": TYPE, "timestamp": at, "data": data})


def signed(message_id: str, body: bytes, secret: bytes, at: int | None = None) -> dict[str, str]:
    """Return the headers that say who sent a message, and when.

    Args:
        message_id: Its id.
        body: Its body.
        secret: What is signed with.
        at: When it is sent, s since 1970; now if None.
    """
    sent = str(int(time.time()) if at is None else at)
    content = b".".join((message_id.encode(), sent.encode(), body))
    digest = hmac.new(secret, content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": sent,
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }
