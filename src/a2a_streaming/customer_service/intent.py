"""The Intent Agent: finds out what a customer wants, and has specialists see to it.

message ──► waits a specialist for it? ──yes──► that child task goes on
               │ no
               ▼
            detect ──► `intent` artifact ──► small talk, a person, out of scope: answered here
                             │          └──► unsure: the customer is asked
                             ▼
            for each specialist: child task ──► its progress, artifacts, questions relayed
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any

from a2a_streaming import Agent, Run
from a2a_streaming.client import AgentUnreachable, Client, RemoteError, StreamEvent, StreamLost
from a2a_streaming.customer_service import cards, wording
from a2a_streaming.customer_service.claude import RunLedger
from a2a_streaming.customer_service.detection import (
    HUMAN,
    SMALLTALK,
    Detector,
    Intent,
    Reading,
    Specialist,
)
from a2a_streaming.customer_service.relay import KEY, Delegation, Outcome, Place, relay, tell_part
from a2a_streaming.customer_service.specialists import Directory
from a2a_streaming.event import data_part
from a2a_streaming.task import Json
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_SURE = 0.5
"""Below this confidence the customer is asked what they mean."""
_CLARIFY = "clarify"
"""In the task's metadata: whether the customer was asked what they mean."""


class IntentAgent(Agent):
    """Routes customers' requests to specialists, over A2A.

    Args:
        specialists: The specialists' addresses.
        detector: Reads what a customer wants.
        patience: Seconds without progress after which a specialist's stream is given up.
    """

    card = cards.INTENT

    def __init__(
        self, specialists: Sequence[str], detector: Detector, *, patience: float = 30.0
    ) -> None:
        self._directory = Directory(specialists, patience=patience)
        self._detector = detector

    async def aclose(self) -> None:
        """Close the connections to the specialists."""
        await self._directory.aclose()

    async def run(self, run: Run) -> None:
        """Handle one message."""
        # As it was when the turn began, in every attempt at it.
        child = Delegation.from_json(await run.step("waiting", _waiting, run))
        if child is not None:
            await self._follow_up(run, child)
            return
        await run.working("Understanding your request")
        known = await self._directory.specialists()
        told = await run.step("intent", self._detect, run, known)
        await run.attach("intent", data_part(told), description="What I understood")
        intents = [Intent(i["intent"], i["confidence"], i["route"]) for i in told["intents"]]
        routes = list(dict.fromkeys(i.route for i in intents if i.route is not None))
        if routes:
            routes.sort(key=lambda route: route == HUMAN)  # a person ends the conversation with us
            await self._delegate(run, routes, _request(run))
        else:
            await self._answer(run, intents[0], known)

    async def cancel(self, run: Run) -> None:
        """Cancel the child task that works for a run that is over.

        Raises:
            AgentUnreachable: The specialist doesn't answer; to be tried again.
        """
        child = Delegation.from_json(run.metadata.get(KEY))
        if child is None or _origin(run, child) is None:
            return
        client = await self._directory.client(child.agent, await run.acting_token())
        if client is None:
            return
        try:
            await client.cancel(child.task)
        except RemoteError as error:  # it has ended, or never began
            _log.info("a child task wasn't canceled", child=child.task, reason=str(error))

    async def _detect(self, run: Run, known: list[Specialist]) -> Json:
        """Read the message; after a question of ours, together with what was asked before."""
        ledger = RunLedger(run)
        reading = await self._detector.detect(run.text, known, ledger=ledger)
        if not _routed(reading) and run.metadata.get(_CLARIFY):
            reading = await self._detector.detect(_whole_text(run), known, ledger=ledger)
        await ledger.close()
        told: Json = {
            "intents": [
                {**intent.to_json(), "route": intent.route if intent.confidence >= _SURE else None}
                for intent in reading.intents
            ],
            "detector": reading.detector,
        }
        return {**told, "reason": reading.reason} if reading.reason else told

    async def _answer(self, run: Run, intent: Intent, known: list[Specialist]) -> None:
        """Answer what no specialist is due for."""
        if intent.intent in SMALLTALK:
            await run.complete(wording.small_talk(intent.intent, known))
        elif not known:
            _log.error("no specialist can be reached", task=run.task_id)
            await run.fail(wording.NOBODY)
        elif intent.confidence < _SURE and not run.metadata.get(_CLARIFY):
            await run.input_required(
                wording.which(known),
                data_part({"question": "route", "choices": [s.name for s in known] + [HUMAN]}),
                metadata={_CLARIFY: True},
            )
        else:
            text = wording.out_of_scope(known)
            await run.complete(text if self._directory.complete else f"{text} {wording.PART}")

    async def _delegate(self, run: Run, routes: list[str], parts: list[Json]) -> None:
        """Have specialists see to the request, one after the other.

        Args:
            run: The customer's run.
            routes: The specialists' names, at least one.
            parts: The request (first dialect).
        """
        for number, agent in enumerate(routes):
            if agent == HUMAN:
                await run.complete(wording.PERSON)
                return
            rest = tuple(routes[number + 1 :])
            client = await self._directory.client(agent, await run.acting_token())
            if client is None:
                _log.error("a specialist is gone", agent=agent, task=run.task_id)
                await run.fail(wording.unreachable(agent))
                return
            child = Delegation(agent, child_id(run.task_id, run.message_id, agent), rest=rest)
            message = {"role": "user", "parts": parts}
            # Stored before it is sent: a second attempt sends the same, and joins the running child.
            sent = await run.step(f"delegate {agent}", _keep, message)
            place = Place.of(run, child.task)
            if place is None:
                await run.working(
                    f"Our {agent} specialist is on it",
                    metadata={"agent": agent, KEY: child.to_json()},
                    bookmark=Place().bookmark(child.task),
                )
            elif place.ended:
                continue
            if place is not None and place.position:
                events = client.resubscribe(child.task, place.position)
            else:
                events = client.send_subscribe(
                    child.task, sent, session_id=run.context_id, metadata={"parent": run.task_id}
                )
            if not await self._relay(run, child, events):
                return

    async def _follow_up(self, run: Run, child: Delegation) -> None:
        """Pass the customer's answer on to the child that waits for it."""
        client = await self._directory.client(child.agent, await run.acting_token())
        if client is None:
            _log.error("a specialist is gone", agent=child.agent, task=run.task_id)
            await run.fail(wording.unreachable(child.agent))
            return
        place = Place.of(run, child.task)
        over = place is not None and place.ended
        if (
            over or await self._relay(run, child, _follow_up_events(run, client, child))
        ) and child.rest:
            origin = _origin(run, child) or run.message
            await self._delegate(run, list(child.rest), _told(origin))

    async def _relay(
        self, run: Run, child: Delegation, events: AsyncGenerator[StreamEvent]
    ) -> bool:
        """Relay a child's turn; end ours as it ended, unless other specialists follow.

        Returns:
            Whether to go on with the next specialist.
        """
        try:
            outcome = await relay(run, child, events)
        except (RemoteError, AgentUnreachable, StreamLost) as error:
            _log.error(
                "a delegation failed", child=child.task, agent=child.agent, reason=str(error)
            )
            await run.fail(wording.unreachable(child.agent))
            return False
        return await self._conclude(run, child, outcome or Outcome("unknown"))

    async def _conclude(self, run: Run, child: Delegation, outcome: Outcome) -> bool:
        metadata: Json = {"agent": child.agent, KEY: child.to_json()}
        text, parts = outcome.text, outcome.parts
        match outcome.state:
            case "input-required":
                asks = Delegation(
                    child.agent, child.task, outcome.position, outcome.at, rest=child.rest
                )
                metadata[KEY] = asks.to_json()
                await run.input_required(text or wording.MORE, *parts, metadata=metadata)
            case "completed" if child.rest:
                if text or parts:
                    ended = Place(ended=True).bookmark(child.task)
                    await run.working(text, *parts, metadata=metadata, bookmark=ended)
                return True
            case "completed":
                await run.complete(text or wording.DONE, *parts)
            case "canceled":
                await run.fail(wording.stopped(child.agent))
            case _:
                _log.warning("a child task failed", child=child.task, state=outcome.state)
                await run.fail(text or wording.failed(child.agent))
        return False


async def _follow_up_events(
    run: Run, client: Client, child: Delegation
) -> AsyncGenerator[StreamEvent]:
    """Send the customer's answer to a child, unless an earlier attempt has, and yield what follows.

    An answer that is sent twice is two answers. So before it is sent, this attempt's mark is stored; who
    finds another's mark looks whether the child still waits.
    """
    mark = uuid.uuid4().hex
    again = await run.step("answer", _keep, mark) != mark
    place = Place.of(run, child.task)
    if place is not None and place.position:
        events = client.resubscribe(child.task, place.position)
    elif again and await _has_moved(client, child):
        events = client.resubscribe(child.task, child.after)
    else:
        message = {"role": "user", "parts": _told(run.message)}
        events = client.send_subscribe(child.task, message, after=child.after)
    async with aclosing(events):
        async for event in events:
            yield event


async def _has_moved(client: Client, child: Delegation) -> bool:
    """Say whether a child no longer waits at the question that it asked."""
    status = (await client.get(child.task))["status"]
    return (status["state"], status.get("timestamp", "")) != ("input-required", child.asked)


def child_id(task_id: str, message_id: str, agent: str) -> str:
    """Return the id of the child task that a specialist gets for a message: always the same.

    Args:
        task_id: The customer's task.
        message_id: The message.
        agent: The specialist.
    """
    key = f"{task_id}:{message_id}:delegate {agent}"
    return f"c-{hashlib.blake2b(key.encode(), digest_size=16).hexdigest()}"


async def _keep(value: Any) -> Any:
    return value


async def _waiting(run: Run) -> Json | None:
    """Return the delegation that waits for the customer's answer; None if none does."""
    child = Delegation.from_json(run.metadata.get(KEY))
    if child is None or not child.after or _origin(run, child) is None:
        return None
    return child.to_json()


def _origin(run: Run, child: Delegation) -> Json | None:
    """Return the customer's message for which a child was made; None if it is no child of this task.

    The task's metadata may come from a client, so its word alone isn't taken for a child's id.
    """
    for message in [*_said_before(run), run.message]:
        if child_id(run.task_id, message["messageId"], child.agent) == child.task:
            return message
    return None


def _said_before(run: Run) -> list[Json]:
    """Return the customer's messages before this one."""
    return [
        message
        for message in run.task.get("history", ())
        if message["role"] == "ROLE_USER" and message["messageId"] != run.message_id
    ]


def _told(message: Json) -> list[Json]:
    return [tell_part(part) for part in message["parts"]]


def _request(run: Run) -> list[Json]:
    """Return the request (first dialect); after a question of ours, with what was asked before."""
    before = _said_before(run) if run.metadata.get(_CLARIFY) else []
    return [part for message in [*before, run.message] for part in _told(message)]


def _whole_text(run: Run) -> str:
    parts = [part for message in _said_before(run) for part in message["parts"]]
    return "\n".join([*(part["text"] for part in parts if "text" in part), run.text])


def _routed(reading: Reading) -> bool:
    return any(i.route is not None and i.confidence >= _SURE for i in reading.intents)
