"""What is wrong with what was told. No I/O: stories in, faults out; None where nothing is wrong.

A *story* is all that one stream has told, in order. The *reference* is the story of the stream that began the
task: whoever joins later is told a task as it stands somewhere in the reference, and then all that follows there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from a2a_reliability.events import TERMINAL, Event, Snapshot, StatusTold, described
from a2a_reliability.fold import fold, states, ticks

Story = Sequence[Event]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something that is wrong.

    Args:
        kind: gap, double, order, foreign, stale, start, end, late or lost.
        words: What is wrong, in a sentence.
        evidence: What was told, and what should have been, in a few lines.
    """

    kind: str
    words: str
    evidence: tuple[str, ...] = ()


def begins(told: Story) -> Fault | None:
    """Judge what a stream is made of: the task, then updates of it and nothing else (sections 3.1.2, 3.1.6)."""
    if not told:
        return Fault("start", "the stream told nothing")
    first = told[0]
    if not isinstance(first, Snapshot):
        return Fault("start", "the first event isn't the task", (described(first),))
    strangers = [one for one in told if getattr(one, "task_id", "") != first.task_id]
    if strangers:
        seen = tuple(described(one) for one in strangers[:3])
        return Fault("foreign", "events of another task are told", seen)
    if whole := [n for n, one in enumerate(told) if n and isinstance(one, Snapshot)]:
        return Fault(
            "start", f"event {whole[0] + 1} is a whole task again", (described(told[whole[0]]),)
        )
    return None


def ends(told: Story, *, closed: bool) -> Fault | None:
    """Judge a stream's end: one terminal state, nothing after it, then it closes (section 3.1.2)."""
    ended = [n for n, one in enumerate(told) if _terminal(one)]
    if not ended:
        return Fault("end", "the stream told no terminal state", _last(told))
    if len(told) > ended[0] + 1:
        return Fault("end", "something is told after the terminal state", _last(told))
    if not closed:
        return Fault("end", "the stream stays open after the terminal state", _last(told))
    return None


def counts(told: Story, number: int) -> Fault | None:
    """Judge the ticks that a whole stream told: each once, in order (section 3.5.2)."""
    nothing = Snapshot("", "")
    seen = [n for one in told for n in ticks(fold(nothing, one))]
    return _numbered(seen, number)


def ticked(task: Snapshot, number: int) -> Fault | None:
    """Judge the ticks in a task that has ended."""
    return _numbered(ticks(task), number)


def _numbered(seen: list[int], number: int) -> Fault | None:
    wanted = list(range(1, number + 1))
    if seen == wanted:
        return None
    evidence = (f"ticks: {seen}",)
    if missing := sorted(set(wanted) - set(seen)):
        return Fault("gap", f"ticks {missing} are missing", evidence)
    if doubled := [n for n, times in Counter(seen).items() if times > 1]:
        return Fault("double", f"ticks {doubled} are there more than once", evidence)
    return Fault("order", "the ticks are out of order", evidence)


def comes_to(told: Story, task: Snapshot) -> Fault | None:
    """Judge whether what a stream told comes to the task that the server has (sections 3.1.3, 4.2)."""
    known = states(told)
    if not known:
        return begins(told)
    return None if known[-1] == task else _unequal(known[-1], task)


def amounts_to(known: Snapshot, told: Story, task: Snapshot) -> Fault | None:
    """Judge whether what somebody knew, and was told then, comes to the task that the server has."""
    for event in told:
        known = fold(known, event)
    return None if known == task else _unequal(known, task)


def is_current(reference: Story, task: Snapshot, seen: int) -> Fault | None:
    """Judge a task that the server told while it ran: it stands somewhere in the reference, and isn't old.

    Args:
        reference: The whole story.
        task: What was told.
        seen: How many of the reference's events had arrived before the server was asked.
    """
    places = _places(reference, task)
    if not places:
        known = states(reference)
        best = max(known, key=lambda one: _alike(one, task), default=None)
        nearest = (f"nearest: {described(best)}",) if best is not None else ()
        words = "the task isn't as it ever stood in the stream"
        return Fault("foreign", words, (f"told: {described(task)}", *nearest))
    if places[-1] < seen:
        late = f"told after {seen} events, it stands where {places[-1]} had been told"
        return Fault("stale", f"the task is old: {late}", (described(task),))
    return None


def follows(reference: Story, story: Story, *, whole: bool = True) -> Fault | None:
    """Judge what a stream that joined was told: all that follows on its first event, once and in order.

    Args:
        reference: The whole story.
        story: What the stream told; a task first, or (as 0.3 allows) not.
        whole: Whether it was read to the end; else it was cut somewhere.
    """
    if not story:
        return Fault("gap", "the stream told nothing") if whole else None
    first = story[0]
    if isinstance(first, Snapshot):
        places, rest = _places(reference, first), story[1:]
        if not places:
            return is_current(reference, first, 0)
    else:
        places, rest = list(range(len(reference))), story
    faults = [continues(reference[place:], rest, whole=whole, known=reference) for place in places]
    if None in faults:
        return None
    # A task may stand at several places; the last one that told the most alike says best what is wrong.
    return min((one for one in faults if one), key=lambda one: _GRAVITY.index(one.kind))


def continues(wanted: Story, told: Story, *, whole: bool = True, known: Story = ()) -> Fault | None:
    """Judge whether a stream told exactly these events; if it was cut, a beginning of them.

    Args:
        wanted: What it was to tell.
        told: What it told.
        whole: Whether it was read to the end.
        known: Events that had been told before; to tell one of them is to tell it again.
    """
    expected = list(wanted) if whole else list(wanted[: len(told)])
    if list(told) == expected:
        return None
    place = next(
        (n for n, (one, other) in enumerate(zip(told, expected, strict=False)) if one != other),
        min(len(told), len(expected)),
    )
    evidence = (
        f"from event {place + 1} on, told: {_listed(told[place:])}",
        f"expected: {_listed(expected[place:])}",
    )
    surplus = _lacks(wanted, told)
    missing = _lacks(told, wanted if whole else wanted[: len(told) - len(surplus)])
    strangers = [one for one in surplus if one not in [*known, *wanted]]
    if strangers:
        return Fault("foreign", f"{len(strangers)} events that nobody else was told", evidence)
    if missing:
        again = f", and told again: {len(surplus)}" if surplus else ""
        return Fault("gap", f"events missing: {len(missing)}{again}", evidence)
    if surplus:
        return Fault("double", f"events told again: {len(surplus)}", evidence)
    return Fault("order", "the same events come in another order", evidence)


_GRAVITY = ("order", "double", "gap", "foreign")


def _places(reference: Story, task: Snapshot) -> list[int]:
    """After how many events the reference stood as this task."""
    return [n + 1 for n, one in enumerate(states(reference)) if one == task]


def _lacks(told: Story, wanted: Story) -> list[Event]:
    """What is wanted and not told, counting each as often as it comes."""
    left = list(told)
    lacking: list[Event] = []
    for event in wanted:
        if event in left:
            left.remove(event)
        else:
            lacking.append(event)
    return lacking


def _alike(one: Snapshot, other: Snapshot) -> tuple[int, bool]:
    known, told = ticks(one), ticks(other)
    return -len(set(known) ^ set(told)), one.state == other.state


def _terminal(event: Event) -> bool:
    return isinstance(event, Snapshot | StatusTold) and event.state in TERMINAL


def _unequal(known: Snapshot, task: Snapshot) -> Fault:
    evidence = (f"the stream comes to: {described(known)}", f"the server has: {described(task)}")
    if known.state != task.state:
        words = f"the stream leaves it {known.state}, the server says {task.state}"
        return Fault("end", words, evidence)
    here, there = ticks(known), ticks(task)
    if set(here) < set(there):
        return Fault("gap", "the server has content that the stream didn't tell", evidence)
    if set(there) < set(here):
        return Fault("lost", "the stream told content that the server doesn't have", evidence)
    return Fault("foreign", "the stream's content isn't the server's", evidence)


def _listed(told: Story) -> str:
    shown = [described(one) for one in told[:4]]
    return ", ".join([*shown, *(["…"] if len(told) > len(shown) else [])]) or "nothing"


def _last(told: Story) -> tuple[str, ...]:
    return tuple(described(one) for one in told[-3:])
