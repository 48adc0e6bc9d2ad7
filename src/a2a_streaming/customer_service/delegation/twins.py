"""Twins: a request that is made again while a specialist still works on the first one."""

from __future__ import annotations

import re

from a2a.types import Task
from a2a.utils.errors import A2AError
from google.protobuf.json_format import MessageToDict

from a2a_streaming.customer_service.delegation.child import Errand
from a2a_streaming.customer_service.delegation.client import SpecialistClient
from a2a_streaming.task import Json, State
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_WORD = re.compile(r"\w+")
_APOSTROPHE = re.compile("['\u2019]")
_IDLE = frozenset(
    re.findall(
        r"\w+",
        """a again an any but can could er going happened hello hey hi i is it just kindly me my no now oh ok
        please pls quick quickly soon sorry still thank thanks the there um update urgent waiting what whats
        when yet""",
    )
)
"""Words that make no other request of one."""


async def find_twin(
    client: SpecialistClient, context: str, errand: Errand, said: Json
) -> str | None:
    """Return the child that a specialist already works on for the same request; None if there is none.

    The same request has the same intents, in the same conversation, and says the same but for idle words:
    "move my flight to Oslo" is another one than "move my flight to Lisbon".

    Args:
        client: The way to the specialist.
        context: The conversation.
        errand: What is wanted.
        said: The message that would be sent (A2A 1.0 JSON).
    """
    try:
        tasks = await client.tasks(context)
    except A2AError as error:  # then it is asked twice
        _log.info("a specialist lists no tasks", agent=errand.agent, reason=str(error))
        return None
    for task in tasks:
        if State(MessageToDict(task.status)["state"]).terminal or not task.history:
            continue
        first: Json = MessageToDict(task.history[0])
        wanted = first.get("metadata", {}).get("intents", [])
        if wanted == list(errand.intents) and same_request(first["parts"], said["parts"]):
            return task.id
    return None


async def holds_message(client: SpecialistClient, context: str, message: str) -> str | None:
    """Return the task that a message has begun; None if it hasn't begun any.

    Args:
        client: The way to the specialist.
        context: The conversation.
        message: The message's id.

    Raises:
        A2AError: The specialist doesn't say.
    """
    return next((t.id for t in await client.tasks(context) if _began(t, message)), None)


def same_request(one: list[Json], other: list[Json]) -> bool:
    """Say whether two requests say the same, but for idle words.

    Args:
        one: A request, A2A parts.
        other: Another.
    """
    return _words(one) == _words(other)


def _words(parts: list[Json]) -> set[str]:
    texts = [_APOSTROPHE.sub("", part["text"].lower()) for part in parts if "text" in part]
    words = {word for text in texts for word in _WORD.findall(text)}
    return (words - _IDLE) or words


def _began(task: Task, message: str) -> bool:
    return bool(task.history) and task.history[0].message_id == message
