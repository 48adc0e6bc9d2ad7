"""The Intent Agent: finds out what a customer wants, and has specialists see to it.

message ──► waits a specialist for it? ──yes──► that child goes on
               │ no
               ▼
            detect ──► `intent` artifact ──► small talk, out of scope: answered here
                             │          └──► unsure: the customer is asked
                             ▼
            one errand for each specialist that is due ──► Delegator
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

from a2a_streaming import Agent, Run
from a2a_streaming.client import AgentUnreachable
from a2a_streaming.customer_service import cards, wording
from a2a_streaming.customer_service.claude import RunLedger
from a2a_streaming.customer_service.delegation import Delegator, Directory, Trouble
from a2a_streaming.customer_service.delegation.child import KEY, Delegation, Errand, said_before
from a2a_streaming.customer_service.detection import (
    HUMAN,
    SMALLTALK,
    Detector,
    Intent,
    OfflineDetector,
    Reading,
    Specialist,
)
from a2a_streaming.customer_service.handover.actions import Handover
from a2a_streaming.customer_service.handover.desk import Desk
from a2a_streaming.event import data_part, status_event
from a2a_streaming.task import INTERNAL, Json, State, state_of
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_SURE = 0.5
"""Below this confidence the customer is asked what they mean."""
_PLAIN = 0.7
"""From this confidence on, what sounds like a wish for a person in an answer to a specialist is one."""
_STOP_SECONDS = 10.0
"""How long a specialist may take to stop when a person takes over."""
_CLARIFY = "clarify"
"""In the task's metadata: whether the customer was asked what they mean."""


class IntentAgent(Agent):
    """Routes customers' requests to specialists, over A2A.

    Args:
        specialists: The specialists' addresses.
        detector: Reads what a customer wants.
        address: This agent's own address, which specialists are told so that they can watch the customer's
            task; empty if they aren't to.
        limit: Seconds that specialists may work in a turn before it counts as too slow.
        patience: Seconds without progress after which a specialist's stream is given up.
        desk: Hands tasks over to people; None where there are none: then customers are told whom to write to.
    """

    card = cards.INTENT

    def __init__(
        self,
        specialists: Sequence[str],
        detector: Detector,
        *,
        address: str = "",
        limit: float = 240.0,
        patience: float = 30.0,
        desk: Desk | None = None,
    ) -> None:
        self._directory = Directory(specialists, patience=patience)
        self._delegator = Delegator(self._directory, address=address, limit=limit)
        self._detector = detector
        self._listener = OfflineDetector()
        self._desk = desk

    async def specialists(self) -> list[Specialist]:
        """Return the specialists that can be reached."""
        return await self._directory.specialists()

    async def aclose(self) -> None:
        """Close the connections to the specialists."""
        await self._directory.aclose()

    async def run(self, run: Run) -> None:
        """Handle one message."""
        if run.human is not None and self._desk is not None:
            await self._serve_person(run, self._desk)
            return
        # As it was when the turn began, in every attempt at it.
        begun = await run.step("begun", self._begun, run)
        handover = Handover.read(begun["handover"] or {})
        child = Delegation.from_json(begun["child"])
        if handover is not None and self._desk is not None:
            await self._desk.keep(run, handover)
        elif child is not None and not begun["wants person"]:
            await self._settle(run, await self._delegator.follow_up(run, child))
        else:
            await self._route(run)

    async def _route(self, run: Run) -> None:
        """Read what the customer wants, and have it done."""
        await run.working("Understanding your request")
        known = await self._directory.specialists()
        told = await run.step("intent", self._detect, run, known)
        spent: Json = told.pop("spent")
        await run.attach(
            "intent", data_part(told), description="What I understood", metadata=_read_by(told)
        )
        intents = [Intent(**intent) for intent in told["intents"]]
        errands = _errands(intents)
        if errands:
            trouble = await self._delegator.carry_out(run, errands, _request(run), noted=spent)
            await self._settle(run, trouble, spent)
        else:
            await self._answer(run, intents[0], known, spent)

    async def _serve_person(self, run: Run, desk: Desk) -> None:
        """Tell the customer what a person has done; what waits for an answer is over if they end the task."""
        left = await desk.act(run)
        if left is not None:
            await self._reroute(run, left.to, *desk.rerouted(left))
        elif state_of(run.task).terminal:
            await self._delegator.cancel(run)

    async def _reroute(self, run: Run, agent: str, text: str, metadata: Json) -> None:
        """Have the specialist that a person has chosen see to the customer's last request."""
        if run.bookmark("reroute") is None:
            try:
                await self._delegator.cancel(run)  # what waits for an answer gets none any more
            except AgentUnreachable as error:
                _log.warning("a child isn't canceled", task=run.stored_id, reason=str(error))
            await run.working(text, metadata=metadata, bookmark=("reroute", agent))
        errands = [Errand(agent)]
        await self._settle(run, await self._delegator.carry_out(run, errands, _last_request(run)))

    @property
    def escalates(self) -> bool:
        """Whether there are people to hand tasks over to."""
        return self._desk is not None

    async def escalate(self, run: Run, reason: str) -> None:
        """Hand the customer's task over to a person, unless one has it; a specialist that works for it is stopped.

        Raises:
            UnsupportedOperation: There are no people here.
        """
        if self._desk is None:
            await super().escalate(run, reason)
        elif await self._desk.open(run) is not None:
            await run.end(status_event(run.task_id, run.context_id, State.INPUT_REQUIRED))
        else:
            stopped = await self._stop_child(run)
            metadata: Json = {KEY: None} if stopped else {}
            taken = await self._desk.taken(run)
            if taken is not None:
                await run.input_required(wording.TAKEN, metadata=metadata | taken.metadata())
                return
            await self._desk.hand_over(run, "escalated", "", detail=reason, metadata=metadata)

    async def _stop_child(self, run: Run) -> bool:
        """Cancel the child that works for a run; say whether nothing is left of it."""
        try:
            async with asyncio.timeout(_STOP_SECONDS):
                await self._delegator.cancel(run)
        except (AgentUnreachable, TimeoutError) as error:
            _log.warning("a child goes on beside a person", task=run.stored_id, reason=str(error))
            return False
        return True

    async def cancel(self, run: Run) -> None:
        """Cancel the child that works for a run that is over, and take it out of the people's queue.

        Raises:
            AgentUnreachable: The specialist doesn't answer; to be tried again.
        """
        if self._desk is not None:
            await self._desk.withdraw(run)
        await self._delegator.cancel(run)

    async def _begun(self, run: Run) -> Json:
        """Return how the task stands before the turn: with a person, or with a specialist who waits."""
        handover = await self._desk.open(run) if self._desk is not None else None
        child = await self._delegator.waiting(run) if handover is None else None
        # A specialist would take it for an answer. Read offline: it is asked of every answer.
        wants = child is not None and await self._wants_person(run.text)
        return {"handover": handover, "child": child, "wants person": wants}

    async def _wants_person(self, text: str) -> bool:
        [intent, *_] = (await self._listener.detect(text, ())).intents
        return intent.route == HUMAN and intent.confidence >= _PLAIN

    async def _detect(self, run: Run, known: list[Specialist]) -> Json:
        """Read the message; after a question of ours, together with what was asked before."""
        ledger = await RunLedger.open(run)
        reading = await self._detector.detect(run.text, known, ledger=ledger)
        if not _routed(reading) and run.metadata.get(_CLARIFY):
            reading = await self._detector.detect(_whole_text(run), known, ledger=ledger)
        told: Json = {
            "spent": ledger.metadata,
            "intents": [
                {**intent.to_json(), "route": intent.route if intent.confidence >= _SURE else None}
                for intent in reading.intents
            ],
            "detector": reading.detector,
            "alternatives": [intent.to_json() for intent in reading.alternatives],
        }
        return {**told, "reason": reading.reason} if reading.reason else told

    async def _answer(self, run: Run, intent: Intent, known: list[Specialist], noted: Json) -> None:
        """Answer what no specialist is due for; the task's metadata keep what is noted."""
        if intent.intent in SMALLTALK:
            await run.complete(wording.small_talk(intent.intent, known), metadata=noted)
        elif not known:
            _log.error("no specialist can be reached", task=run.stored_id)
            await self._settle(run, Trouble("failed", wording.NOBODY), noted)
        elif intent.confidence >= _SURE:
            text = wording.out_of_scope(known)
            text = text if self._directory.complete else f"{text} {wording.PART}"
            await run.complete(text, metadata=noted)
        elif run.metadata.get(_CLARIFY):
            await self._settle(run, Trouble("unsure", wording.STILL_UNSURE), noted)
        else:
            await run.input_required(
                wording.which(known),
                data_part({"question": "route", "choices": [s.name for s in known] + [HUMAN]}),
                metadata={**noted, _CLARIFY: True},
            )

    async def _settle(self, run: Run, trouble: Trouble | None, noted: Json | None = None) -> None:
        """End the turn if specialists couldn't: a person takes over or, where there is none, is named."""
        if trouble is None:
            return
        metadata: Json = {**(noted or {}), **trouble.answered}
        if self._desk is not None:
            detail = f"{trouble.agent}: {trouble.text}" if trouble.agent else ""
            await self._desk.hand_over(
                run,
                trouble.reason,
                trouble.text,
                detail=detail,
                ticket=trouble.ticket,
                metadata=metadata,
            )
        elif trouble.reason in ("failed", "overdue"):
            await run.fail(f"{trouble.text} {wording.TRY_AGAIN}", metadata=metadata)
        else:
            text = f"{trouble.text} {wording.PERSON}".strip()
            await run.complete(text, metadata=metadata)


def _errands(intents: Sequence[Intent]) -> list[Errand]:
    """Return what specialists are to see to, in the order in which the customer wants it.

    Each intent is an errand, with the words that ask for it. Where these aren't known, a specialist gets one
    errand for all that is wanted of it, and the whole message.
    """
    errands: list[Errand] = []
    for intent in intents:
        if intent.route is None:
            continue
        theirs = [one for one in errands if one.agent == intent.route]
        both = next((one for one in theirs if not (one.text and intent.text)), None)
        if both is not None:
            at = errands.index(both)
            errands[at] = replace(both, intents=(*both.intents, intent.intent), text="")
        else:
            errands.append(Errand(intent.route, (intent.intent,), intent.text, len(theirs)))
    if len(errands) == 1:
        return [replace(errands[0], text="")]
    return sorted(errands, key=lambda errand: errand.agent == HUMAN)  # a person ends our part


def _read_by(told: Json) -> Json:
    """Return who has read the message, and why not Claude, as specialists tell who has answered."""
    none = "" if told["detector"] == "claude" else "no key"
    return {"answeredBy": told["detector"], "reason": told.get("reason", none)}


def _request(run: Run) -> list[Json]:
    """Return the request, A2A parts; after a question of ours, with what was asked before."""
    before = said_before(run) if run.metadata.get(_CLARIFY) else []
    return [part for message in [*before, run.message] for part in message["parts"]]


def _last_request(run: Run) -> list[Json]:
    """Return what the customer has said last, A2A parts: not a person, nor what a person does."""
    for message in reversed(said_before(run)):
        if "human" not in message.get("metadata", {}).get(INTERNAL, {}):
            return message["parts"]
    return run.message["parts"]


def _whole_text(run: Run) -> str:
    parts = [part for message in said_before(run) for part in message["parts"]]
    return "\n".join([*(part["text"] for part in parts if "text" in part), run.text])


def _routed(reading: Reading) -> bool:
    return any(i.route is not None and i.confidence >= _SURE for i in reading.intents)
