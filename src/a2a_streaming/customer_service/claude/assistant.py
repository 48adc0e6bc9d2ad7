"""What Claude does for a specialist in one turn, if there is a key: it reads, and it words. And who it was.

A specialist's flow asks its assistant, and goes on offline where that has nothing to say. What Claude read, and
how it worded the answer, are steps of the run: a second attempt neither asks nor pays again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from a2a_streaming import Run
from a2a_streaming.customer_service.claude.api import Claude
from a2a_streaming.customer_service.claude.budget import RunLedger
from a2a_streaming.customer_service.claude.faults import ClaudeFailed, Reason
from a2a_streaming.customer_service.claude.reading import Menu, Wanted, read_request
from a2a_streaming.customer_service.claude.wording import word_answer
from a2a_streaming.task import Json

_NOT_ASKED = "not asked"
"""Why it was offline, where there was nothing for Claude to do."""
_BEFORE = 4
"""How many of the customer's earlier messages the model is shown."""


class Assistant:
    """Claude's part in one turn of a specialist.

    Args:
        claude: Claude; None without a key.
        run: The turn.
        ledger: What its task has spent.
    """

    def __init__(self, claude: Claude | None, run: Run, ledger: RunLedger) -> None:
        self._claude = claude
        self._run = run
        self._ledger = ledger
        self._answered = False
        self._reason: str | None = None if claude is not None else Reason.NO_KEY.value

    @property
    def metadata(self) -> Json:
        """What the turn's last event says of it: who answered, why not Claude, and what the task has spent.

        `answeredBy` is `claude` if Claude was asked in this turn and answered each time.
        """
        if self._answered and self._reason is None:
            # The reason of an earlier turn would stay in the task's metadata.
            told: Json = {"answeredBy": "claude", "reason": ""}
        else:
            told = {"answeredBy": "offline", "reason": self._reason or _NOT_ASKED}
        return {**told, **self._ledger.metadata}

    async def read(self, menu: Menu, situation: Json) -> Wanted | None:
        """Read what the customer wants out of their message; None if that is to be done offline.

        Args:
            menu: What the specialist can be asked for.
            situation: What the model should know: the day, what the customer was asked, what is known already.
        """
        if self._claude is None or not self._run.text.strip():
            return None
        told = await self._run.step("understand", self._read, self._claude, menu, situation)
        return Wanted(told["wanted"], told["slots"]) if self._note(told) else None

    async def _read(self, claude: Claude, menu: Menu, situation: Json) -> Json:
        said = [*_said_before(self._run)[-_BEFORE:], self._run.text]
        try:
            wanted = await read_request(claude, self._ledger, menu, situation=situation, said=said)
        except ClaudeFailed as failed:
            return {"failed": failed.reason.value}
        return {"wanted": wanted.name, "slots": wanted.slots}

    async def word(self, text: str, shown: Sequence[str] = ()) -> str:
        """Return an answer in Claude's words, which were streamed; or as it is, if there are none.

        Only for what tells and asks: what a customer is to agree to, and what was done, is told as it is.

        Args:
            text: The answer in our own words.
            shown: What the customer sees beside it.
        """
        if self._claude is None or self._reason is not None:
            return text
        told = await self._run.step("word", self._word, self._claude, text, shown)
        return told["text"] if self._note(told) else text

    async def _word(self, claude: Claude, text: str, shown: Sequence[str]) -> Json:
        try:
            return {"text": await word_answer(claude, self._ledger, self._run, text, shown)}
        except ClaudeFailed as failed:
            return {"failed": failed.reason.value}

    def _note(self, told: Mapping[str, Any]) -> bool:
        """Note whether Claude answered, in this attempt or an earlier one."""
        if "failed" in told:
            self._reason = told["failed"]
            return False
        self._answered = True
        return True


def _said_before(run: Run) -> list[str]:
    """Return what the customer said in the task before this message."""
    return [
        text
        for message in run.task.get("history", ())
        if message["role"] == "ROLE_USER" and message["messageId"] != run.message_id
        if (text := "\n".join(part["text"] for part in message["parts"] if "text" in part))
    ]
