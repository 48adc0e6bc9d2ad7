"""Alerts, as operators see them: what was raised, what was done, and who sees to it."""

from __future__ import annotations

import re

from a2a_streaming.backbone.alerts import Alert
from a2a_streaming.backbone.manager import RedisManager
from a2a_streaming.caller import Caller
from a2a_streaming.errors import AlertNotFound, InvalidParams
from a2a_streaming.task import Json

_ID = re.compile(r"[0-9]{1,16}-[0-9]{1,16}")


class AlertBook:
    """Reads alerts for operators, and notes what they have seen.

    Args:
        manager: Redis.
    """

    def __init__(self, manager: RedisManager) -> None:
        self._manager = manager

    async def table(self, *, unseen: bool, size: int, token: str) -> Json:
        """Return a page of alerts, the latest first.

        Args:
            unseen: Only those that nobody has acknowledged.
            size: The most.
            token: `next` of the page before; empty for the first.

        Raises:
            InvalidParams: The token is none.
            Unavailable: Redis is away.
        """
        if token and not _ID.fullmatch(token):
            raise InvalidParams("token is `next` of the page before.")
        alerts = self._manager.alerts
        read = alerts.unseen if unseen else alerts.page
        found = await read(before=token or None, size=size + 1)
        page = found[:size]
        return {
            "alerts": [one.to_json() for one in page],
            "next": page[-1].id if len(found) > size else None,
            "open": await alerts.count(),
        }

    async def acknowledge(self, alert_id: str, caller: Caller, reason: str) -> Json:
        """Note that somebody sees to an alert: it isn't repeated. Who does so again changes nothing.

        Args:
            alert_id: The alert.
            caller: Who.
            reason: Why, if they say so; for the audit.

        Raises:
            AlertNotFound: There is none of that id.
            Unavailable: Redis is away.
        """
        alert = await self._find(alert_id)
        meta = await self._manager.snapshots.meta(alert.task)
        owner = meta.owner if meta is not None else ""
        await self._manager.audit.note(caller, "acknowledge", alert.task, owner, reason)
        return (await self._manager.alerts.acknowledge(alert, caller.owner)).to_json()

    async def _find(self, alert_id: str) -> Alert:
        found = await self._manager.alerts.get(alert_id) if _ID.fullmatch(alert_id) else None
        if found is None:
            raise AlertNotFound(alert_id)
        return found
