"""Asking Claude: in time, within a budget, tried again where that helps; against a server of the Messages API."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
import redis.asyncio
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from a2a_streaming import Run
from a2a_streaming.customer_service.claude import (
    Budget,
    Claude,
    ClaudeFailed,
    Limits,
    Prompt,
    Reason,
    RunLedger,
    Spent,
    Tool,
    ToolUse,
    Usage,
)
from a2a_streaming.customer_service.claude.budget import Purse
from a2a_streaming.customer_service.claude.stream import AnswerReader
from a2a_streaming.redaction import Redactor
from a2a_streaming.settings import Settings
from a2a_streaming.task import State
from agents import after_a_crash, true
from customer_service.messages_api import (
    LIMITS,
    PRICES,
    Answer,
    Use,
    breaks,
    claude_at,
    cut,
    frame,
    frames,
    other,
    raw,
    refuses,
    says,
    silent,
)
from tasks import until

# The extra `claude`; loaded here, because loading it inside a running loop is what nobody should do.
pytest.importorskip("anthropic", reason="the extra `claude` isn't installed")

TOOL = Tool("tell", "Tells.", {"type": "object", "properties": {"x": {"type": "integer"}}})
PROMPT = Prompt("test", "Be short.", [{"role": "user", "content": "Hi"}], max_tokens=50)


async def reason_of(asked: Claude, purse: Purse | None = None, **options: Any) -> Reason:
    with pytest.raises(ClaudeFailed) as failed:
        await asked.ask(PROMPT, purse or Purse(), **options)
    return failed.value.reason


async def test_an_answer_is_told_as_it_comes_and_returned_whole() -> None:
    told: list[str] = []

    async def tell(piece: str) -> None:
        told.append(piece)

    async with claude_at(says("Hello, you!", Use("tell", {"x": 1}))) as (asked, server):
        prompt = Prompt("test", "Be short.", PROMPT.messages, tools=[TOOL], forced="tell")
        reply = await asked.ask(prompt, Purse(), tell=tell)
    assert told == ["Hell", "o, y", "ou!"]
    assert (reply.text, reply.uses) == ("Hello, you!", (ToolUse("toolu_1", "tell", {"x": 1}),))
    assert server.keys in (["sk-test"], ["Bearer sk-test"])
    [sent] = server.requests
    assert sent["stream"] is True
    # The part that stays the same is cached: the mark on the system covers the tools before it.
    assert sent["system"] == [
        {"type": "text", "text": "Be short.", "cache_control": {"type": "ephemeral"}}
    ]
    assert sent["tool_choice"]["name"] == "tell"
    assert sent["thinking"] == {"type": "disabled"}


async def test_what_the_policy_names_is_not_sent_whatever_message_it_stands_in() -> None:
    messages = [
        {"role": "user", "content": "I'm me@home.example, +44 20 7946 0123"},
        {"role": "user", "content": [{"type": "tool_result", "content": "you@home.example"}]},
    ]
    async with claude_at(says("Hello"), redactor=Redactor(["emails"])) as (asked, server):
        await asked.ask(Prompt("test", "Write to us@shop.example.", messages), Purse())
    [sent] = server.requests
    assert "home.example" not in json.dumps(sent["messages"])
    assert "I'm [email], +44 20 7946 0123" in json.dumps(sent["messages"])
    assert sent["system"][0]["text"] == "Write to us@shop.example."


@pytest.mark.parametrize(
    "first",
    [
        refuses(429, retry_after="0"),
        refuses(529),
        refuses(500),
        breaks("overloaded_error"),
        cut("Hello", after=1),
        cut("Hello", after=4),
        cut("Hello", after=4, broken=False),
        cut(Use("tell", {"x": 1}), after=4),
        raw(b"event: message_start\ndata: {\n\n"),
        says(Use("tell", '{"x": ')),
        other("<html>"),
        other("{", "application/json"),
    ],
    ids=[
        "429", "529", "500", "an error in the stream", "cut at once", "cut in a text", "ended too soon",
        "cut in a tool's input", "half an event", "half a tool's input", "html", "half json",
    ],
)  # fmt: skip
async def test_what_may_pass_is_tried_again(first: Answer) -> None:
    async with claude_at(first, says("Hello")) as (asked, server):
        assert (await asked.ask(PROMPT, Purse())).text == "Hello"
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("answer", "reason", "tries"),
    [
        (refuses(429), Reason.RATE_LIMITED, 3),
        (refuses(429, retry_after="3600"), Reason.RATE_LIMITED, 1),
        (refuses(529), Reason.OVERLOADED, 3),
        (refuses(500), Reason.UNREACHABLE, 3),
        (refuses(503), Reason.UNREACHABLE, 3),
        (refuses(401), Reason.REFUSED, 1),
        (refuses(400), Reason.REFUSED, 1),
        (cut("Hello", after=4), Reason.CUT, 3),
        (other("<html>"), Reason.CUT, 3),
        (says("Hello", stop="refusal"), Reason.DECLINED, 1),
        (says("Hello", stop="max_tokens"), Reason.UNREADABLE, 3),
        (says(Use("tell", "[1]")), Reason.UNREADABLE, 3),
    ],
)
async def test_what_stays_is_told_by_its_reason(answer: Answer, reason: Reason, tries: int) -> None:
    async with claude_at(answer) as (asked, server):
        assert await reason_of(asked) is reason
    assert len(server.requests) == tries


async def test_nobody_there_is_unreachable() -> None:
    async with claude_at(says("Hello")) as (_, server):
        pass
    nowhere = Claude("k", "m", base_url=server.url, limits=LIMITS, budget=Budget(10**6, 10**6), prices=PRICES)  # fmt: skip
    assert await reason_of(nowhere) is Reason.UNREACHABLE
    await nowhere.aclose()


async def test_an_answer_that_broke_off_is_not_begun_anew_once_something_was_told() -> None:
    told: list[str] = []

    async def tell(piece: str) -> None:
        told.append(piece)

    async with claude_at(cut("Hello, you", after=4), says("Hello, you")) as (asked, server):
        assert await reason_of(asked, tell=tell) is Reason.CUT
    assert told == ["Hell"]
    assert len(server.requests) == 1


async def test_what_the_listener_raises_is_raised_and_ends_the_answer() -> None:
    async def tell(piece: str) -> None:
        raise LookupError(piece)

    async with claude_at(says("Hello")) as (asked, server):
        with pytest.raises(LookupError, match="He"):
            await asked.ask(PROMPT, Purse(), tell=tell)
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("first", "limits"),
    [
        ((), Limits(first=0.05, rest=0)),
        (frames("Hello")[:3], Limits(first=0.05, rest=0)),
        ((), Limits(whole=0.05, rest=0)),
        (frames("Hello")[:3], Limits(whole=0.2, rest=0)),
    ],
    ids=["no first byte", "silence in its midst", "no answer in all", "no end in all"],
)
async def test_a_server_that_falls_silent_is_not_waited_for(
    first: list[bytes], limits: Limits
) -> None:
    gate = asyncio.Event()
    async with claude_at(silent(gate, first), limits=limits) as (asked, server):
        assert await reason_of(asked) is Reason.SLOW
        gate.set()
    assert len(server.requests) <= 1  # it may be given up on its way


async def test_after_a_failure_that_everybody_meets_claude_is_left_alone_for_a_while() -> None:
    resting = Limits(backoff=0.001, retries=0, rest=60)
    async with claude_at(refuses(529), says("Hello"), limits=resting) as (asked, server):
        assert await reason_of(asked) is Reason.OVERLOADED
        assert await reason_of(asked) is Reason.OVERLOADED
    assert len(server.requests) == 1
    async with claude_at(refuses(401), says("Hello"), limits=resting) as (asked, server):
        assert await reason_of(asked) is Reason.REFUSED
        assert (await asked.ask(PROMPT, Purse())).text == "Hello"


async def test_what_the_api_counts_is_spent_by_the_prices() -> None:
    usage = {
        "input_tokens": 10,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "output_tokens": 7,
    }
    purse = Purse()
    async with claude_at(says("Hello", usage=usage)) as (asked, _):
        await asked.ask(PROMPT, purse)
        reply = await asked.ask(PROMPT, purse)
    assert reply.usage == Usage(10, 100, 1000, 7)
    assert purse.spent == Spent(2 * 1117, 2 * (10 + 125 + 100 + 35))


async def test_every_try_is_counted_as_far_as_it_came() -> None:
    purse = Purse()
    script = (refuses(529), cut("x" * 30, after=5), says("Hello"))
    async with claude_at(*script) as (asked, _):
        await asked.ask(PROMPT, purse)
    assert purse.spent.tokens == 0 + (100 + 20 // 3) + (100 + 20)


async def test_a_try_that_never_told_its_price_keeps_what_was_reserved() -> None:
    gate, purse = asyncio.Event(), Purse()
    async with claude_at(silent(gate), limits=Limits(first=0.05, rest=0)) as (asked, _):
        await reason_of(asked, purse)
        gate.set()
    assert purse.spent.tokens > PROMPT.max_tokens


@pytest.mark.parametrize(
    "budget", [Budget(300, 10**9), Budget(10**9, 650)], ids=["tokens", "money"]
)
async def test_a_task_that_has_spent_its_budget_is_not_asked_for(budget: Budget) -> None:
    purse = Purse()
    async with claude_at(says("Hello"), budget=budget) as (asked, server):
        for _ in range(2):
            await asked.ask(PROMPT, purse)
        before = purse.spent
        assert await reason_of(asked, purse) is Reason.BUDGET
    assert budget.allows(before)
    assert purse.spent == before
    assert len(server.requests) == 2


async def test_what_a_task_has_spent_outlives_the_process_and_the_turn(
    settings: Settings, raw: redis.asyncio.Redis
) -> None:
    """One call that a process dies in counts in full, those before and after it as they were."""
    settings = settings.model_copy(update={"lease_seconds": 60.0})  # nothing lapses by itself
    gate, seen = asyncio.Event(), list[Spent]()
    script = (says("Hello"), silent(gate), says("Hello"))
    async with claude_at(*script) as (asked, server):

        async def asks(run: Run) -> None:
            ledger = await RunLedger.open(run)
            seen.append(ledger.spent)
            if run.text == "again":
                await run.complete()
                return
            if run.attempt == 1:
                await asked.ask(PROMPT, ledger)
                dying = asyncio.create_task(asked.ask(PROMPT, ledger))
                await until(lambda: true(len(server.requests) == 2))
                await run.working("ready")
                await dying
            await asked.ask(PROMPT, ledger)
            await run.input_required("More?", metadata=ledger.metadata)

        async with after_a_crash(settings, raw, asks) as desk:
            await desk.until(State.INPUT_REQUIRED)
            gate.set()
            await desk.send("again")
            task = await desk.until(State.COMPLETED)
    first, second, third = seen
    assert first == Spent()
    assert second.tokens > 120 + PROMPT.max_tokens
    assert third == second + Spent(120, 200) == Spent.from_json(task["metadata"]["claude"])


async def test_calls_are_measured_without_a_word_of_what_was_said() -> None:
    def count(outcome: str) -> float:
        labels = {"purpose": "test", "outcome": outcome}
        return REGISTRY.get_sample_value("a2a_claude_calls_total", labels) or 0.0

    before = count("answered"), count("refused")
    async with claude_at(says("Hello"), refuses(401)) as (asked, _):
        await asked.ask(PROMPT, Purse())
        await reason_of(asked)
    assert (count("answered"), count("refused")) == (before[0] + 1, before[1] + 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "index", "delta", "message", "usage", "text", "content_block"]),
            inner | st.sampled_from(["message_start", "content_block_start", "content_block_delta", "message_delta", "text_delta", "text", "tool_use"]),
            max_size=5,
        )
    ),
    max_leaves=12,
)  # fmt: skip


@given(st.lists(JSON, max_size=5))
def test_events_of_any_form_are_read_or_refused(events: list[Any]) -> None:
    reader = AnswerReader()
    try:
        for event in events:
            assert isinstance(reader.read(event), str)
        reader.reply()
    except ClaudeFailed:
        return


@given(st.text(max_size=40), st.integers(1, 7))
def test_an_answer_is_the_same_however_it_is_cut_into_pieces(text: str, pieces: int) -> None:
    reader = AnswerReader()
    told = ""
    for sent in frames(text, Use("tell", {"said": text}), pieces=pieces):
        told += reader.read(json.loads(sent.split(b"data: ", 1)[1].split(b"\n")[0]))
    assert told == reader.reply().text == text
    assert reader.reply().uses[0].input == {"said": text}


@given(st.integers() | st.floats() | st.none() | st.text() | st.dictionaries(st.sampled_from(["tokens", "microUsd"]), st.integers() | st.floats() | st.text()))  # fmt: skip
def test_a_ledger_that_a_client_wrote_never_gives_anything(value: Any) -> None:
    spent = Spent.from_json(value)
    assert spent.tokens >= 0
    assert spent.micros >= 0


@given(st.builds(Spent, st.integers(0, 10**9), st.integers(0, 10**9)))
def test_a_ledger_comes_back_as_it_was(spent: Spent) -> None:
    assert Spent.from_json(spent.to_json()) == spent


def test_an_unknown_event_is_passed_over() -> None:
    reader = AnswerReader()
    assert reader.read({"type": "news"}) == ""
    assert frame("ping").startswith(b"event: ping")
