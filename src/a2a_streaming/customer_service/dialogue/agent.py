"""What specialists have in common: from a message to the flow that sees to it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar

from a2a_streaming import Agent, Run
from a2a_streaming.customer_service import company
from a2a_streaming.customer_service.claude import Claude, RunLedger
from a2a_streaming.customer_service.claude.assistant import Assistant
from a2a_streaming.customer_service.claude.reading import Lookup, Menu, Request, Wanted
from a2a_streaming.customer_service.dialogue.beyond import BEYOND
from a2a_streaming.customer_service.dialogue.choosing import choose
from a2a_streaming.customer_service.dialogue.earlier import ABOUT, Earlier, read_earlier
from a2a_streaming.customer_service.dialogue.flow import Flow, Slots
from a2a_streaming.customer_service.dialogue.talk import KEY, Talk
from a2a_streaming.customer_service.dialogue.wish import (
    AMONG,
    CONFIRM,
    Choice,
    Pending,
    Reader,
    Wish,
)
from a2a_streaming.customer_service.records import Customer, Records
from a2a_streaming.customer_service.replies import never_mind, yes_or_no
from a2a_streaming.task import Json

Known = TypeVar("Known")

TOPIC = "topic"
"""The slot of what the customer wants at all."""
_PERSON = Choice("human", "a person who helps me")
"""The last of the answers to that question."""
_NO_IDEA = (
    "I'm not sure what you'd like me to do, or it is nothing that I can do here. "
    "Is it one of these?"
)
_OURS = frozenset({"agreed", AMONG})
"""Slots that are none of Claude's business: what a customer was quoted, and what an offline reader left open."""
_BRIEF = 20
"""Lines about what a customer has that Claude is told at once."""
_FEW_WORDS = 4
_CARRIED = ABOUT
"""What is kept when a customer turns to something else: "it" is the same thing."""


class SpecialistAgent(Agent, Generic[Known]):
    """A specialist: reads what a customer wants, and has one of its flows see to it.

    Args:
        records: The systems of record.
        flows: What it can do.
        reader: Reads customers' words, where Claude doesn't.
        claude: Reads customers' words, and words the answers; None to do both by rules.
    """

    looks: ClassVar[str]
    """What it says first: `Looking up your bookings`."""

    def __init__(
        self,
        records: Records,
        flows: Sequence[Flow[Known]],
        reader: Reader[Known],
        claude: Claude | None = None,
    ) -> None:
        self.records = records
        self.flows: Mapping[str, Flow[Known]] = {flow.name: flow for flow in flows}
        """What it can do, by name."""
        self.reader = reader
        """Reads customers' words, where Claude doesn't."""
        self.claude = claude
        """Reads them, and words the answers; None without a key."""

    @abstractmethod
    async def know(self, customer: Customer) -> Known:
        """Return what a customer has, which their words may speak of."""

    def lookups(self, customer: Customer, known: Known) -> Sequence[Lookup]:  # noqa: ARG002 - none
        """Return what Claude may look up before it says what a customer wants.

        Args:
            customer: The customer, as whom it looks.
            known: What they have.
        """
        return ()

    def brief(self, known: Known) -> Sequence[str]:  # noqa: ARG002 - nothing
        """Return what a customer has, in a line each, so that Claude needn't look it up.

        Args:
            known: What they have.
        """
        return ()

    def resolve(
        self,
        wish: Wish,
        text: str,  # noqa: ARG002 - no hints
        earlier: Sequence[Earlier],  # noqa: ARG002 - no hints
        known: Known,  # noqa: ARG002 - no hints
    ) -> Wish:
        """Return a wish with what the customer's other wishes in the same message make clear of it.

        Args:
            wish: What they want, as it was read.
            text: What they say.
            earlier: What came of the wishes before it, at least one.
            known: What they have: nothing else may be meant.
        """
        return wish

    async def run(self, run: Run) -> None:
        """Handle one message."""
        await run.working(self.looks, metadata={"step": "look_up"})
        customer = await self.records.customers.by_subject(run.owner)
        assistant = Assistant(self.claude, run, await RunLedger.open(run))
        if customer is None:
            await run.complete(
                f"I can't find an account that belongs to you. Please {company.CONTACT}.",
                metadata=assistant.metadata,
            )
            return
        known = await self.know(customer)
        wanted = await self._ask_claude(assistant, run, customer, known)
        # A step: what an earlier attempt did to the systems of record mustn't change how it is read.
        read = await run.step("read", self._read, run, known, wanted)
        talk = Talk(run, customer, read["flow"] or TOPIC, assistant)
        await self._go_on(talk, known, Wish(read["flow"], read["slots"]))

    async def _ask_claude(
        self, assistant: Assistant, run: Run, customer: Customer, known: Known
    ) -> Wanted | None:
        """Have Claude read a message; None where there is no need, no key or no answer."""
        pending = self._pending(run)
        if _is_plain(run, pending):
            return None
        requests = [Request(f.name, f"{f.label}.", f.slots) for f in self.flows.values()]
        menu = Menu(self.name, requests, self.lookups(customer, known))
        today = self.records.today()
        situation: Json = {
            "today": f"{today:%A}, {today.isoformat()}",
            "theirs": list(self.brief(known))[:_BRIEF],
        }
        if earlier := read_earlier(run.message):
            situation["earlier"] = [one.to_json() for one in earlier]
        if pending is not None:
            situation["asked"] = {
                "request": pending.flow,
                "slot": pending.asked,
                "known": {k: v for k, v in pending.slots.items() if k not in _OURS},
                "choices": {choice.value: choice.label for choice in pending.choices},
            }
        return await assistant.read(menu, situation)

    async def _read(self, run: Run, known: Known, wanted: Wanted | None) -> Json:
        """Read a message: a form by its fields, words by the reader."""
        pending = self._pending(run)
        form = run.data or {}
        topic = form.get(TOPIC)
        if isinstance(topic, str) and topic in (*self.flows, _PERSON.value):
            return Wish(topic, self._known_slots(topic, form)).to_json()
        wish = Wish(pending.flow if pending else "")
        chosen = choose(run.text, pending.choices) if pending and pending.asked == TOPIC else None
        if wanted is not None:
            wish = await self._narrowed(Wish(wanted.name, wanted.slots), run.text, pending, known)
        elif chosen is not None:
            wish = Wish(chosen)
        elif run.text.strip():
            wish = await self.reader.read(run.text, pending, known)
        if pending is None and (earlier := read_earlier(run.message)):
            wish = self.resolve(wish, run.text, earlier, known)
        if not wish.flow and pending is not None:
            wish = Wish(pending.flow, wish.slots)
        return Wish(wish.flow, self._known_slots(wish.flow, {**wish.slots, **form})).to_json()

    async def _narrowed(self, wish: Wish, text: str, pending: Pending | None, known: Known) -> Wish:
        """Return what Claude read, with what rules say of the things that it left open: the same is offered either way."""
        if pending is not None or any(key in wish.slots for key in ABOUT):
            return wish
        ruled = await self.reader.read(text, None, known)
        open_slots = [key for key in ABOUT if key in self._known_slots(wish.flow, ruled.slots)]
        if ruled.flow != wish.flow or not (open_slots or AMONG in ruled.slots):
            return wish
        among = ruled.slots.get(AMONG) or [ruled.slots[open_slots[0]]]
        return Wish(wish.flow, {**wish.slots, AMONG: among})

    def _known_slots(self, name: str, slots: Mapping[str, Any]) -> Json:
        flow = self.flows.get(name)
        return {key: slots[key] for key in (*flow.slots, AMONG) if key in slots} if flow else {}

    def _pending(self, run: Run) -> Pending | None:
        pending = Pending.from_json(run.metadata.get(KEY))
        return pending if pending is not None and pending.flow in (*self.flows, TOPIC) else None

    async def _go_on(self, talk: Talk, known: Known, wish: Wish) -> None:
        run = talk.run
        pending = self._pending(run)
        if pending is not None:
            talk.about = pending.slots
        if pending is not None and never_mind(run.text):
            await talk.leave()
            return
        if wish.flow == _PERSON.value:
            await talk.hand_over()
            return
        before: Mapping[str, Any] = {}
        same = pending is not None and pending.flow == wish.flow
        if pending is not None:
            before = pending.slots if same else _carried(pending.slots)
        news = any(before.get(key) != value for key, value in wish.slots.items())
        confirmed = False
        if pending is not None and same and not news:
            answer = _answer(run)
            if pending.asked == CONFIRM and answer is False:
                await talk.leave()
                return
            confirmed = pending.asked == CONFIRM and answer is True
        flow = self.flows.get(wish.flow)
        if flow is None:
            await self._ask_what(talk)
            return
        slots = Slots({**before, **wish.slots})
        if AMONG in before and AMONG not in wish.slots and news:
            del slots[AMONG]  # it has been answered
        talk.about = slots
        await flow.go_on(talk, known, slots, confirmed=confirmed)

    async def _ask_what(self, talk: Talk) -> None:
        can = [Choice(flow.name, flow.label) for flow in self.flows.values() if flow.name != BEYOND]
        await talk.ask(TOPIC, _NO_IDEA, {}, choices=[*can, _PERSON])


def _is_plain(run: Run, pending: Pending | None) -> bool:
    """Say whether a message is read as well without Claude: a form, or a few words that answer a question."""
    if TOPIC in (run.data or {}):
        return True
    if pending is None or len(run.text.split()) > _FEW_WORDS:
        return False
    if never_mind(run.text) or choose(run.text, pending.choices) is not None:
        return True
    return pending.asked == CONFIRM and yes_or_no(run.text) is not None


def _answer(run: Run) -> bool | None:
    """Read a yes or no, from the form or from the words; never by a reader."""
    told = (run.data or {}).get(CONFIRM)
    return told if isinstance(told, bool) else yes_or_no(run.text)


def _carried(slots: Mapping[str, Any]) -> dict[str, Any]:
    return {key: slots[key] for key in _CARRIED if key in slots}
