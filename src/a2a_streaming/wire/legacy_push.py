"""Push notifications in the first dialect: a task has one webhook, set and asked for by the task's id."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from a2a_streaming.task import Json
from a2a_streaming.wire.legacy import Params


class AuthenticationInfo(Params):
    """How the webhook wants to be spoken to; the first scheme counts."""

    schemes: Annotated[list[str], Field(min_length=1)]
    credentials: str | None = None


class PushNotificationConfig(Params):
    """A webhook."""

    url: str
    token: str | None = None
    authentication: AuthenticationInfo | None = None

    def to_config(self, task_id: str) -> Json:
        """Return it as 1.0 has it, under the task's id."""
        config: Json = {"id": task_id, "url": self.url}
        if self.token is not None:
            config["token"] = self.token
        if self.authentication is not None:
            said = {"scheme": self.authentication.schemes[0]}
            if self.authentication.credentials is not None:
                said["credentials"] = self.authentication.credentials
            config["authentication"] = said
        return config


class TaskPushNotificationConfig(Params):
    """A task, and its webhook."""

    id: str
    pushNotificationConfig: PushNotificationConfig  # noqa: N815 - the wire's name


def tell_webhook(task_id: str, config: Json) -> Json:
    """Tell a task's webhook.

    Args:
        task_id: The task.
        config: The webhook (A2A 1.0 JSON).
    """
    told: Json = {key: config[key] for key in ("url", "token") if key in config}
    if said := config.get("authentication"):
        rest = {key: value for key, value in said.items() if key != "scheme"}
        told["authentication"] = {"schemes": [said.get("scheme", "")], **rest}
    return {"id": task_id, "pushNotificationConfig": told}
