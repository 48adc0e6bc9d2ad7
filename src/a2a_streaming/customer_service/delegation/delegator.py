"""Carries out errands: one specialist after the other, each told what came of those before.

An attempt that follows on a dead one finds the message that was sent (a step) and how far its story was
relayed (a bookmark), and goes on there: the child isn't begun twice, and nothing is told twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from a2a.utils.errors import A2AError

from a2a_streaming import Run, tracing
from a2a_streaming.client import AgentUnreachable, RemoteError, StreamLost
from a2a_streaming.customer_service import wording
from a2a_streaming.customer_service.delegation.child import (
    KEY,
    MOST_ERRANDS,
    Delegation,
    Errand,
    Outcome,
    Place,
    message_id,
    origin,
)
from a2a_streaming.customer_service.delegation.client import SpecialistClient
from a2a_streaming.customer_service.delegation.directory import Directory
from a2a_streaming.customer_service.delegation.events import ChildEvent
from a2a_streaming.customer_service.delegation.message import (
    answer_message,
    request_message,
    trace_headers,
)
from a2a_streaming.customer_service.delegation.relay import Relay
from a2a_streaming.customer_service.delegation.trouble import Trouble
from a2a_streaming.customer_service.delegation.twins import find_twin, holds_message
from a2a_streaming.customer_service.detection import HUMAN
from a2a_streaming.task import Json, State
from a2a_streaming.telemetry import get_logger

_log = get_logger(__name__)

_ENDED = -32004
"""JSON-RPC's code of what a task that has ended doesn't do any more."""


class Delegator:
    """Has specialists see to a request.

    Args:
        directory: The specialists.
        address: The address under which the customer's tasks are found, for specialists that watch them;
            empty if they aren't to.
        limit: Seconds that specialists may work in a turn before it counts as too slow.
    """

    def __init__(self, directory: Directory, *, address: str = "", limit: float) -> None:
        self._directory = directory
        self._address = address
        self._limit = limit

    async def carry_out(
        self,
        run: Run,
        errands: Sequence[Errand],
        parts: list[Json],
        earlier: tuple[Json, ...] = (),
        *,
        until: float | None = None,
        noted: Json | None = None,
    ) -> Trouble | None:
        """Have errands seen to, one after the other; the turn ends as the last one does.

        Args:
            run: The customer's run.
            errands: The errands, at least one, each with another key; one for `human` ends our part.
            parts: The request, A2A parts.
            earlier: What errands before these came to.
            until: When it counts as too slow, by the loop's clock; None to begin to count.
            noted: What else the task's metadata are to keep of the turn.

        Returns:
            Why it couldn't be done; None if it could: then the turn has ended.
        """
        until = until or self._until()
        for number, errand in enumerate(errands):
            if errand.agent == HUMAN:
                return Trouble("requested", "")
            child = Delegation(
                errand,
                message_id(run.task_id, run.message_id, errand.key),
                rest=tuple(errands[number + 1 :]),
                earlier=earlier,
            )
            said = request_message(run, child, parts, self._address)
            told = await self._turn(run, child, said, until, noted or {})
            if not isinstance(told, dict):
                return told
            earlier = (*earlier, told)
        return None

    async def waiting(self, run: Run) -> Json | None:
        """Return the delegation whose specialist waits for the customer's answer; None if none does.

        The task's metadata may come from a client, so their word alone isn't taken for a child.

        Args:
            run: The customer's run.
        """
        child = Delegation.from_json(run.metadata.get(KEY))
        if child is None or not child.waits:
            return None
        if child.joined:
            client = await self._client(run, child.agent)
            try:
                known = client is not None and await client.get(child.task)
            except A2AError as error:
                _log.info("a child that was joined is gone", child=child.task, reason=str(error))
                return None
            if not known or known.context_id != run.context_id:
                return None
        elif origin(run, child) is None:
            return None
        return child.to_json()

    async def follow_up(self, run: Run, child: Delegation) -> Trouble | None:
        """Pass the customer's answer on to the specialist that waits for it; arguments as for `carry_out`."""
        said = answer_message(run, child, self._address)
        until = self._until()
        told = await self._turn(run, child, said, until, {})
        if not isinstance(told, dict) or not child.rest:
            return told if isinstance(told, Trouble) else None
        parts = (origin(run, child) or run.message)["parts"]
        return await self.carry_out(run, child.rest, parts, (*child.earlier, told), until=until)

    async def cancel(self, run: Run) -> None:
        """Cancel the child that works for a run that is over.

        Args:
            run: The customer's run.

        Raises:
            AgentUnreachable: The specialist doesn't answer; to be tried again.
        """
        child = Delegation.from_json(run.metadata.get(KEY))
        found = [child] if child is not None and not child.joined and origin(run, child) else []
        for known in await self._directory.specialists():
            for number in range(MOST_ERRANDS):
                errand = Errand(known.name, number=number)
                sent = message_id(run.task_id, run.message_id, errand.key)
                if run.has_done(f"delegate {errand.key}") and Place.of(run, sent) is None:
                    found.append(Delegation(errand, sent))  # nobody knows its id yet
        for one in found:
            if (client := await self._client(run, one.agent)) is None:
                continue
            try:
                task = one.task or await holds_message(client, run.context_id, one.message)
                if task:
                    await client.cancel(task)
            except (RemoteError, A2AError) as error:  # it has ended, or never began
                _log.info("a child wasn't canceled", child=one.message, reason=str(error))

    def _until(self) -> float:
        return asyncio.get_running_loop().time() + self._limit

    async def _turn(
        self, run: Run, child: Delegation, said: Json, until: float, noted: Json
    ) -> Json | Trouble | None:
        """Send a specialist a message, relay the turn that follows, and end ours as it ended.

        Returns:
            What came of it, if other errands follow; why it couldn't be done; None if our turn has ended.
        """
        sent = said["messageId"]
        place = Place.of(run, sent)
        if place is not None and place.outcome is not None:
            return place.outcome
        with tracing.span(f"delegate {child.agent}", "client", agent=child.agent) as span:
            told = await self._delegate(run, child, said, until, noted, place)
            if isinstance(told, Trouble) and told.reason in ("failed", "overdue"):
                span.fail(told.reason)
            return told

    async def _delegate(
        self,
        run: Run,
        child: Delegation,
        said: Json,
        until: float,
        noted: Json,
        place: Place | None,
    ) -> Json | Trouble | None:
        sent = said["messageId"]
        client = await self._client(run, child.agent)
        if client is None:
            _log.error("a specialist is gone", agent=child.agent, task=run.stored_id)
            return Trouble("failed", wording.unreachable(child.agent), child.agent)
        if not child.task and not run.opens_context:
            twin = await run.step(
                f"join {child.errand.key}", find_twin, client, run.context_id, child.errand, said
            )
            child = replace(child, task=twin or "", joined=bool(twin))
        trace = tracing.carrier()
        if trace:
            said = {**said, "metadata": {**said["metadata"], **trace}}
        # Stored before it is sent: a second attempt sends the same, and joins what it began.
        said = await run.step(f"delegate {child.errand.key}", _keep, said)
        client = replace(client, headers=trace or trace_headers(said))
        relay = Relay(run, child, sent, wording.begun(child.agent), place, noted)
        try:
            async with asyncio.timeout_at(until):
                outcome = await relay.until_over(await self._events(relay, client, said))
        except TimeoutError:
            _log.error("a specialist takes too long", child=relay.child.task, agent=child.agent)
            if not relay.child.joined:
                await _stop(client, relay.child.task)
            return Trouble("overdue", wording.slow(child.agent), child.agent)
        except (RemoteError, AgentUnreachable, StreamLost) as error:
            _log.error("a delegation failed", agent=child.agent, reason=str(error))
            return Trouble("failed", wording.unreachable(child.agent), child.agent)
        return await self._conclude(relay, outcome)

    async def _events(
        self, relay: Relay, client: SpecialistClient, said: Json
    ) -> AsyncGenerator[ChildEvent]:
        """Return the events to relay: of a message, of what an earlier attempt left, or of a twin."""
        child, place = relay.child, relay.place
        if place is not None:
            relay.child = child.with_task(place.task)
            return client.follow(None, place.task, place.position)
        if child.joined and "taskId" not in said:
            told = Place(child.task).bookmark(relay.message)
            await relay.run.working(
                wording.joined(child.agent), metadata=relay.metadata, bookmark=told
            )
            return client.follow(None, child.task)
        if "taskId" in said:
            return _answered(client, said, child)
        return client.follow(said)

    async def _conclude(self, relay: Relay, outcome: Outcome) -> Json | Trouble | None:
        run, child, text, parts = relay.run, relay.child, outcome.text, outcome.parts
        answered = relay.noted | outcome.answered
        match outcome.state:
            case State.INPUT_REQUIRED | State.AUTH_REQUIRED:
                metadata = {"agent": child.agent, KEY: child.asking(outcome).to_json()}
                metadata |= answered
                asks = outcome.state is State.INPUT_REQUIRED
                ask = run.input_required if asks else run.auth_required
                await ask(text or wording.MORE, *parts, metadata=metadata)
            case State.COMPLETED if child.rest:
                told = outcome.told(child.errand)
                if text or parts:
                    ended = Place(child.task, outcome.position, outcome.mark, told)
                    bookmark = ended.bookmark(relay.message)
                    metadata = relay.metadata | outcome.answered
                    await run.working(text, *parts, metadata=metadata, bookmark=bookmark)
                return told
            case State.COMPLETED if person := _wanted_person(child, outcome):
                reason, ticket = person.get("reason", "requested"), person.get("ticket", "")
                return Trouble(str(reason), text, child.agent, str(ticket), outcome.answered)
            case State.COMPLETED:
                await run.complete(text or wording.DONE, *parts, metadata=answered)
            case State.CANCELED:
                await run.fail(wording.stopped(child.agent))
            case state:
                _log.warning("a child failed", child=child.task, state=state.label)
                told = text or wording.failed(child.agent)
                return Trouble("failed", told, child.agent, answered=outcome.answered)
        return None

    async def _client(self, run: Run, agent: str) -> SpecialistClient | None:
        return await self._directory.client(agent, token=run.acting_token)


async def _answered(
    client: SpecialistClient, said: Json, child: Delegation
) -> AsyncGenerator[ChildEvent]:
    """Yield what follows on an answer; of a child that was told its answer elsewhere, how it ended."""
    try:
        async for event in client.follow(said, child.task, child.after):
            yield event
    except RemoteError as error:
        if error.code != _ENDED:
            raise
        async for event in client.follow(None, child.task):
            yield event


async def _stop(client: SpecialistClient, task: str) -> None:
    try:
        if task:
            await client.cancel(task)
    except (RemoteError, AgentUnreachable) as error:
        _log.warning("a child that takes too long goes on", child=task, reason=str(error))


def _wanted_person(child: Delegation, outcome: Outcome) -> Json:
    """Return what a specialist says of a person who must go on, when all errands are done; empty if none must."""
    earlier: list[Json] = [told["handover"] for told in child.earlier if told.get("handover")]
    return outcome.handover or (earlier[0] if earlier else {})


async def _keep(value: Any) -> Any:
    return value
