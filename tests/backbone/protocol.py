"""One task in a real Redis, and what must hold of it after every call of a script.

`Story` carries calls out one by one, compares what stands in Redis before and after with what the
protocol promises (DESIGN: runs outlive processes), and can lose the last calls, as a failover does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import orjson
from hypothesis import event as count
from hypothesis import note

from a2a_streaming.backbone.connection import Store
from a2a_streaming.backbone.durability import Durability
from a2a_streaming.backbone.history import History
from a2a_streaming.backbone.inbox import Inbox, Offer
from a2a_streaming.backbone.interventions import Escalation, Interventions
from a2a_streaming.backbone.keys import Keys
from a2a_streaming.backbone.log import Appended, Batch, Grant, Log, NoLease, Renewal
from a2a_streaming.backbone.snapshots import Snapshots
from a2a_streaming.settings import Settings
from a2a_streaming.task import Json, apply, state_of
from backbone.protocol_jobs import Acknowledged, Call, Job

KEYS = 5
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Seen:
    """What stands in Redis of a task."""

    meta: dict[str, str]
    log: list[tuple[str, bytes]]
    snapshot: bytes | None
    inbox: list[str]
    steps: dict[str, bytes]
    dumps: list[bytes | None] = field(compare=False)
    lifetimes: list[int] = field(compare=False)
    now: int = field(compare=False)

    @classmethod
    def of(cls, replies: list[Any]) -> Seen:
        """Read Redis' replies."""
        meta, log, snapshot, inbox, steps, (seconds, micros), *rest = replies
        pairs = [part.decode() for part in meta]
        return cls(
            meta=dict(zip(pairs[::2], pairs[1::2], strict=True)),
            log=[(position.decode(), data) for position, (_, data) in log],
            snapshot=snapshot,
            inbox=[entry.partition(b"\n")[0].decode() for entry in inbox],
            steps={f.decode(): r for f, r in zip(steps[::2], steps[1::2], strict=True)},
            dumps=rest[:KEYS],
            lifetimes=rest[KEYS:],
            now=int(seconds) * 1000 + int(micros) // 1000,
        )

    @property
    def terminal(self) -> bool:
        return "terminal" in self.meta

    @property
    def escalated(self) -> bool:
        """Whether the task is to be escalated, and not to be canceled."""
        return "escalate" in self.meta and "cancel" not in self.meta

    def without_time(self) -> Seen:
        """Return what doesn't depend on the clock."""
        meta = {field: value for field, value in self.meta.items() if field != "lease_end"}
        return replace(self, meta=meta)

    def busy(self, holder: str) -> bool:
        """Whether somebody else's lease is live."""
        if self.meta.get("holder", holder) == holder:
            return False
        return 0 < int(self.meta["lease_end"]) - self.now <= int(self.meta["lease_length"])

    def may_write(self, grant: Grant) -> bool:
        """Whether a writer has the right to write: it holds the lease, or Redis lost nothing but its own calls."""
        if not self.meta or self.terminal:
            return False
        epoch, last = int(self.meta["epoch"]), self.log[-1][0]
        if last != str(grant.base) and not last.startswith(f"{grant.epoch}-"):
            return False
        holds = epoch == grant.epoch and self.meta.get("holder") == grant.holder
        return holds or epoch == grant.previous_epoch


@dataclass(frozen=True)
class Told:
    """What Redis was told and hasn't lost: it goes with what stands there."""

    accepted: tuple[tuple[str, str], ...] = ()
    """Messages in order, each with its content."""
    waiting: tuple[str, ...] = ()
    steps: tuple[tuple[str, bytes], ...] = ()
    epoch: int = 0
    canceled: bool = False

    def offered(self, offer: Offer, seen: Seen, limit: int) -> tuple[str, Told]:
        """Return what is to become of a message."""
        message_id, content = offer.message["messageId"], offer.fingerprint
        known = dict(self.accepted)
        if not known and not offer.may_create:
            return "UNKNOWN", self
        if message_id in known:
            return ("JOINED" if known[message_id] == content else "CONFLICT"), self
        if known and offer.by_content and self.accepted[0][1] == content:
            return "JOINED", self
        if seen.terminal:
            return "TERMINAL", self
        if len(self.waiting) >= limit:
            return "FULL", self
        more = replace(
            self,
            accepted=(*self.accepted, (message_id, content)),
            waiting=(*self.waiting, message_id),
        )
        return ("ACCEPTED" if known else "CREATED"), more


class Story:
    """One task's story.

    Args:
        store: Redis.
        keys: Names of keys.
        settings: Lifetimes and limits.
        task_id: The task.
        clock_behind: Whether Redis' clock stands before the time at which the task was created.
    """

    def __init__(
        self, store: Store, keys: Keys, settings: Settings, task_id: str, *, clock_behind: bool
    ) -> None:
        self.task_id = task_id
        self.redis = (store, keys, settings)
        self._store, self._settings = store, settings
        self._keys = keys.task(task_id)[:KEYS]
        self._history, self._snapshots = History(store, keys), Snapshots(store, keys)
        self._interventions = Interventions(store, keys)
        self._inbox = Inbox(store, keys, settings, Durability(store, keys, settings))
        self._log = Log(store, keys, settings)
        self._clock_behind = clock_behind
        self._epochs: set[int] = set()
        self._folds: list[bytes] = []
        self._lost: set[str] = set()
        self.told = Told()
        self.seen: Seen
        self.versions: list[tuple[Seen, Told]] = []

    async def begin(self) -> None:
        """Look at the task for the first time."""
        self.seen = await self._look()
        assert not self.seen.meta
        self.versions = [(self.seen, self.told)]

    # What happens

    async def accept(self, *offers: Offer) -> None:
        """Have messages come in; several that are the same, at once."""
        before, told = self.seen, self.told
        answers = await asyncio.gather(*(self._inbox.accept(offer) for offer in offers))
        after = await self._look()
        expected: list[str] = []
        for offer in offers:
            code, told = told.offered(offer, before, self._settings.inbox_limit)
            expected.append(code)
        assert sorted(answer.code for answer in answers) == sorted(expected)
        if "CREATED" in expected:
            await self._created()
            after = await self._look()
            told = replace(told, epoch=int(after.meta["epoch"]))
        note(f"  {expected} ({len(after.log)}, {after.inbox})")
        for code in expected:
            count(f"accept: {code}")
        assert after == before or told != self.told
        self._goes_on(before, after, told)

    async def _created(self) -> None:
        if self._clock_behind:
            ahead = (self.seen.now + _HOUR_MS) * 1000
            await self._store.call("HSET", self._keys[0], "epoch", ahead)

    async def carry_out(self, call: Call) -> None:
        """Let Redis carry out a call of a script."""
        before = self.seen
        answer = await call.carry_out()
        after = await self._look()
        call.answer, call.carried_out = answer, True
        told = self.told
        match call.kind:
            case "lease":
                told = self._leased(call, answer, before, after)
            case "append":
                told = self._appended(call, answer, before, after)
            case "release":
                assert after.log == before.log
            case "steps":
                assert after == before
                prefix = (
                    f"{call.grant.entry.message_id} " if call.grant and call.grant.entry else ""
                )
                stored = {f: r for f, r in before.steps.items() if f.startswith(prefix)}
                assert {f"{prefix}{name}": result for name, result in answer.items()} == stored
        said = getattr(answer, "code", getattr(answer, "reason", type(answer).__name__))
        batch = f" #{call.batch.number} of {len(call.batch.events)}" if call.batch else ""
        note(f"  {call.job.holder}: {call.kind}{batch} → {said} ({len(after.log)}, {after.inbox})")
        count(f"{call.kind}: {said}")
        self._goes_on(before, after, told)

    async def renew(self, job: Job) -> Renewal:
        """Renew a process's lease."""
        assert job.grant is not None
        before = self.seen
        [answer] = await self._log.renew([job.grant])
        after = await self._look()
        holds = before.meta.get("holder") == job.holder
        holds = holds and before.meta.get("epoch") == str(job.grant.epoch)
        assert (answer is not Renewal.LOST) == holds
        assert holds or after == before
        if answer is not Renewal.LOST:
            assert (answer is Renewal.CANCEL) == ("cancel" in after.meta)
            assert (answer is Renewal.ESCALATE) == after.escalated
            left = int(after.meta["lease_end"]) - after.now
            assert 0 < left <= int(after.meta["lease_length"])
        self._goes_on(before, after, self.told)
        return answer

    async def revoke(self) -> None:
        """Take the lease away, whoever holds it."""
        before = self.seen
        outcome = await self._interventions.revoke(self.task_id, once="never")
        after = await self._look()
        note(f"  revoke → {outcome.code}")
        count(f"revoke: {outcome.code}")
        assert after.log == before.log
        if not before.meta:
            assert outcome.code == "GONE"
        elif before.terminal:
            assert outcome.code == "TERMINAL"
        elif not before.inbox and not {"cancel", "escalate"} & set(before.meta):
            assert outcome.code == "IDLE"
        else:
            assert outcome.code == ("REVOKED" if "holder" in before.meta else "WAITING")
            assert "holder" not in after.meta
        assert outcome.code in ("REVOKED", "WAITING") or after == before
        self._goes_on(before, after, self.told)

    async def escalate(self) -> None:
        """Ask whoever works on the task to hand it over."""
        before = self.seen
        outcome = await self._interventions.escalate(self.task_id, Escalation.new("ann", "why"))
        after = await self._look()
        note(f"  escalate → {outcome.code}")
        count(f"escalate: {outcome.code}")
        assert (outcome.code == "ASKED") == bool(before.meta and not before.terminal)
        assert outcome.code == "ASKED" or after == before
        assert outcome.busy == (outcome.code == "ASKED" and "holder" in before.meta)
        asked = before.meta.get("escalate", after.meta.get("escalate"))
        assert after.meta.get("escalate") == asked, "who asked first isn't heard"
        self._goes_on(before, after, self.told)

    async def lapse(self, *, clock_steps: bool) -> None:
        """Let the lease's time be over, or the clock step back far behind it."""
        end = self.seen.now + (3 * _HOUR_MS if clock_steps else -1)
        await self._store.call("HSET", self._keys[0], "lease_end", end)
        self.seen = await self._look()
        self.versions[-1] = (self.seen, self.told)

    async def lose(self, calls: int) -> None:
        """Lose the last calls that changed anything, as a failover to a replica without them.

        Args:
            calls: How many; the task itself is lost only where all are.
        """
        left = len(self.versions) - calls
        del self.versions[max(2, left) if calls < len(self.versions) + 9 else 1 :]
        seen, told = self.versions[-1]
        # Such a message may be answered twice: by a writer that repairs the log, and when it is sent again.
        self._lost |= {message_id for message_id, _ in self.told.accepted[len(told.accepted) :]}
        self.told = told
        commands: list[Any] = [["SCRIPT", "FLUSH"], ["DEL", *self._keys]]
        for key, dump, lifetime in zip(self._keys, seen.dumps, seen.lifetimes, strict=True):
            if dump is not None:
                commands.append(["RESTORE", key, lifetime, dump])
        await self._store.pipeline(commands)
        self.seen = await self._look()
        assert self.seen == seen
        del self._folds[len(seen.log) :]

    # What must hold of a call

    def _leased(self, call: Call, lease: Grant | NoLease, before: Seen, after: Seen) -> Told:
        told = replace(self.told, canceled=self.told.canceled or "cancel" in after.meta)
        assert after.log == before.log
        busy = before.busy(call.job.holder)
        if isinstance(lease, NoLease):
            match lease.reason:
                case "BUSY":
                    assert busy
                case "IDLE":
                    assert not before.inbox
                    assert not {"cancel", "escalate", "cleanup"} & set(before.meta)
                case "TERMINAL":
                    assert before.terminal
                    assert call.job.purpose == "cancel" or "cleanup" not in before.meta
                case reason:
                    assert reason == "GONE"
                    assert not before.meta
            if call.job.purpose == "cancel" and before.meta and not before.terminal:
                assert "cancel" in after.meta
            return told
        assert not busy, "a lease was granted while another was live"
        assert lease.epoch not in self._epochs, "an epoch was handed out twice"
        self._epochs.add(lease.epoch)
        assert lease.previous_epoch == self.told.epoch
        assert str(lease.base) == before.log[-1][0]
        assert (lease.entry.message_id if lease.entry else None) == next(iter(before.inbox), None)
        assert lease.task == orjson.loads(self._folds[-1])
        assert lease.canceled == ("cancel" in after.meta)
        assert lease.escalated == after.escalated
        assert not lease.damaged
        return replace(told, epoch=lease.epoch)

    def _appended(self, call: Call, answer: Appended, before: Seen, after: Seen) -> Told:
        grant, batch = call.grant, call.batch
        assert grant is not None
        assert batch is not None
        may_write = before.may_write(grant)
        told = self.told
        match answer.code:
            case "OK":
                assert may_write or after == before, "a writer wrote without the right to"
                if after != before:
                    told = self._wrote(grant, batch, before, after)
                    assert answer.canceled == ("cancel" in after.meta)
                    assert answer.escalated == after.escalated
                    following = answer.following.message_id if answer.following else None
                    assert following == (after.inbox[0] if batch.settles and after.inbox else None)
                written = events_of(grant, batch)
                assert (
                    not call.job_waits
                    or after.log[batch.offset : batch.offset + len(written)] == written
                )
                for earlier in call.job.acknowledged:
                    if earlier.number < batch.number:
                        assert {*earlier.events} <= {*after.log}, "acknowledged events are gone"
                        assert earlier.steps.items() <= after.steps.items()
                return told
            case "FENCED":
                assert not may_write, "the writer that holds the lease was refused"
            case "TERMINAL":
                assert before.terminal
            case "BEHIND":
                assert may_write
                assert answer.number < batch.number
            case "INBOX":
                assert may_write
                assert batch.state is not None
                assert batch.state.terminal
                assert [entry.message_id for entry in answer.waiting] == before.inbox
        assert after == before, f"{answer.code}, and yet something changed"
        return told

    def _wrote(self, grant: Grant, batch: Batch, before: Seen, after: Seen) -> Told:
        """Check what a call that was carried out for the first time has changed."""
        assert after.log[len(before.log) :] == events_of(grant, batch)
        terminal = batch.state is not None and batch.state.terminal
        waiting = self.told.waiting
        if terminal:
            waiting = ()
        elif waiting and waiting[0] == batch.settles:
            waiting = waiting[1:]
        flagged = "cancel" in before.meta or (before.escalated and not batch.escalated)
        gives_back = terminal or (batch.settles and not waiting and not flagged)
        if "escalate" in before.meta and "escalate" not in after.meta:
            assert terminal or batch.escalated, "an escalation was forgotten"
        assert after.meta.get("holder") == (None if gives_back else grant.holder)
        steps = {**dict(self.told.steps), **dict(batch.steps)}
        return replace(self.told, waiting=waiting, steps=tuple(steps.items()), epoch=grant.epoch)

    # What must hold always

    def _goes_on(self, before: Seen, after: Seen, told: Told) -> None:
        assert after.log[: len(before.log)] == before.log, "what stood in the log has changed"
        assert after.log == before.log or not before.terminal, "something follows on the end"
        for position, data in after.log[len(before.log) :]:
            assert len(self._folds) == 0 or position.startswith(f"{told.epoch}-")
            task: Json | None = orjson.loads(self._folds[-1]) if self._folds else None
            self._folds.append(orjson.dumps(apply(task, orjson.loads(data))))
        self.seen, self.told = after, told
        if after.without_time() == before.without_time():
            del self.versions[-1]
        self.versions.append((after, told))
        if "cancel" in before.meta and "cancel" not in after.meta:
            assert after.terminal, "a cancel was forgotten"
        if after.meta:
            self._check(after, told)

    def _check(self, seen: Seen, told: Told) -> None:
        meta, log = seen.meta, seen.log
        positions = [position for position, _ in log]
        assert [int(p.partition("-")[2]) for p in positions] == [*range(1, len(log) + 1)]
        assert meta["last"] == positions[-1]
        assert int(meta["epoch"]) == told.epoch
        task = orjson.loads(self._folds[-1])
        state = state_of(task)
        assert meta["state"] == state
        assert seen.terminal == state.terminal

        assert seen.snapshot is not None
        stored = orjson.loads(seen.snapshot)
        covered = positions.index(stored["position"])
        assert stored["task"] == orjson.loads(self._folds[covered])
        assert meta["snapshot"] == stored["position"]

        assert (tuple(seen.inbox), tuple(seen.steps.items())) == (told.waiting, told.steps)
        told_ids = [one["messageId"] for one in _messages(task)]
        assert len(told_ids) == len(set(told_ids)), "a message stands twice in the task"
        accepted = [message_id for message_id, _ in told.accepted]
        assert {*accepted} <= {*seen.inbox, *told_ids}, "an accepted message is lost"
        known = [message_id for message_id in accepted if message_id not in self._lost]
        begun = [message_id for message_id in told_ids if message_id in known]
        assert begun == known[: len(begun)], "messages stand in another order than they came in"
        answered = [message_id for message_id in _answers(task) if message_id not in self._lost]
        assert len(answered) == len(set(answered)), "a message was answered twice"
        answered = [message_id for message_id in answered if message_id in known]
        assert answered == known[: len(answered)], "messages were answered in another order"
        events = [data for _, data in log if not data.startswith(b'{"task"')]
        assert len(events) == len(set(events)), "an event stands twice in the log"
        self._check_lifetimes(seen)

    def _check_lifetimes(self, seen: Seen) -> None:
        settings = self._settings
        history, snapshot = settings.history_ttl, settings.snapshot_ttl
        each = [settings.open_ttl] * KEYS
        if seen.terminal:
            each = [max(history, snapshot), history, snapshot, settings.open_ttl, history]
        for dump, lifetime, ttl in zip(seen.dumps, seen.lifetimes, each, strict=True):
            assert dump is None or ttl * 900 < lifetime <= ttl * 1000, (seen.lifetimes, each)

    def check_fold(self, job: Job) -> None:
        """A writer with nothing under way folds what stands in the log, as far as it knows it."""
        if not job.at_rest or job.writer is None:
            return
        here = str(job.writer.position)
        for n, (position, _) in enumerate(self.seen.log):
            if position == here and not (job.main.done() and job.main.exception()):
                assert job.writer.task == orjson.loads(self._folds[n])

    async def check_readers(self) -> None:
        """Readers see what stands there."""
        if self.seen.meta:
            page = await self._history.page(self.task_id, None, count=10_000)
            assert [(str(event.position), event.data) for event in page] == self.seen.log
            snapshot = await self._snapshots.get(self.task_id)
            assert snapshot is not None
            assert snapshot.task == orjson.loads(self._folds[-1])

    def check_settled(self) -> None:
        """Nothing is left to do: every message was answered, or the task has ended."""
        seen = self.seen
        assert not seen.inbox
        assert not {"holder", "lease_end", "lease_length", "cleanup"} & set(seen.meta)
        if not seen.terminal and seen.meta:
            assert not self.told.canceled
            assert "escalate" not in seen.meta
            answered = _answers(orjson.loads(self._folds[-1]))
            assert {message_id for message_id, _ in self.told.accepted} <= {*answered}

    async def _look(self) -> Seen:
        meta, stream, snapshot, inbox, steps = self._keys
        replies = await self._store.pipeline(
            [
                ["HGETALL", meta],
                ["XRANGE", stream, "-", "+"],
                ["GET", snapshot],
                ["LRANGE", inbox, 0, -1],
                ["HGETALL", steps],
                ["TIME"],
                *(["DUMP", key] for key in self._keys),
                *(["PTTL", key] for key in self._keys),
            ]
        )
        return Seen.of(replies)


def events_of(grant: Grant, batch: Batch) -> list[tuple[str, bytes]]:
    """A call's events, as they are to stand in the log."""
    return [(f"{grant.epoch}-{batch.offset + n}", data) for n, data in enumerate(batch.events, 1)]


def acknowledged(call: Call) -> Acknowledged:
    """What a writer is told with a call's reply."""
    assert call.grant is not None
    assert call.batch is not None
    return Acknowledged(
        call.batch.number, events_of(call.grant, call.batch), dict(call.batch.steps)
    )


def _messages(task: Json) -> Iterator[Json]:
    yield from task.get("history", ())
    if "message" in task["status"]:
        yield task["status"]["message"]


def _answers(task: Json) -> list[str]:
    texts = (one["parts"][0]["text"] for one in _messages(task))
    return [text.removeprefix("answer to ") for text in texts if text.startswith("answer to ")]
