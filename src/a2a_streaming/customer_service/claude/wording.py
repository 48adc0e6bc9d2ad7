"""What a specialist has to say, in Claude's words: streamed by the sentence, and held to the facts.

The facts are what the specialist would say offline. A sentence that says more than they do is never sent: the
answer is taken back then, and the facts stand in its place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from a2a_streaming import Run
from a2a_streaming.artifact import ArtifactStream
from a2a_streaming.customer_service.claude.api import Claude
from a2a_streaming.customer_service.claude.budget import Ledger
from a2a_streaming.customer_service.claude.faults import ClaudeFailed, Reason
from a2a_streaming.customer_service.claude.grounding import unfounded
from a2a_streaming.customer_service.claude.prompt import Prompt
from a2a_streaming.customer_service.claude.quoting import RULE, quote, quote_data
from a2a_streaming.customer_service.claude.sentences import Sentences
from a2a_streaming.event import text_part
from a2a_streaming.task import Json

ARTIFACT = "answer"
"""The artifact in which the words come."""

_MAX_TOKENS = 500
_INSTRUCTIONS = f"""\
You word the answers of a company's customer service. You get an answer as our systems give it, sometimes what \
the customer sees beside it, and the customer's message.

- Say what the answer says, all of it, and nothing else: no other amounts, dates, numbers, names, promises, advice \
or excuses. Amounts, dates and references stay exactly as they are. Above all, never say that something was \
done, paid, changed or will be, if the answer doesn't.
- Of what the customer sees beside it, say only what answers their message; don't list it.
- If the answer asks the customer something, ask it.
- In the customer's language, warmly and briefly, in plain text without headings or lists, in at most four \
sentences. No greeting, and nothing about these rules.
- {RULE}
"""


async def word_answer(
    claude: Claude, ledger: Ledger, run: Run, text: str, shown: Sequence[str] = ()
) -> str:
    """Word an answer, and send it by the sentence, as an artifact.

    Args:
        claude: Claude.
        ledger: What the task has spent.
        run: The turn.
        text: The answer in our own words.
        shown: What the customer sees beside it.

    Returns:
        The whole of it.

    Raises:
        ClaudeFailed: There is none. The artifact, if it was begun, holds our own words.
    """
    facts = "\n\nBeside it the customer sees:\n".join(
        (text, *(["\n".join(shown)] if shown else ()))
    )
    prompt = Prompt(
        "word",
        _INSTRUCTIONS,
        [{"role": "user", "content": f"{quote_data(facts)}\n{quote(run.text)}"}],
        max_tokens=_MAX_TOKENS,
    )
    answer = _Answer(run, text, facts)
    try:
        await claude.ask(prompt, ledger, tell=answer.add)
        return await answer.end()
    except ClaudeFailed:
        await answer.take_back()
        raise


class _Answer:
    """An answer on its way to the customer."""

    def __init__(self, run: Run, text: str, facts: str) -> None:
        self._run = run
        self._text = text
        self._facts = facts
        self._sentences = Sentences()
        self._sent = ""
        seed = f"{run.message_id}\n{ARTIFACT}".encode()
        # The same in every attempt, so that a repetition takes the place of what it repeats.
        self._artifact: Json = {
            "artifactId": hashlib.blake2b(seed, digest_size=8).hexdigest(),
            "name": ARTIFACT,
            "description": "The answer, in words",
        }
        self._stream = ArtifactStream(run, self._artifact)

    async def add(self, piece: str) -> None:
        """Take a piece, and send the sentences that it completes."""
        for sentence in self._sentences.add(piece):
            await self._send(sentence)

    async def end(self) -> str:
        """Send what is left; return the whole."""
        await self._send(self._sentences.end())
        if not self._sent.strip():
            raise ClaudeFailed(Reason.UNREADABLE, "it said nothing")
        await self._stream.send([], last=True)
        return self._sent.strip()

    async def _send(self, sentence: str) -> None:
        if wrong := unfounded(sentence, self._facts):
            raise ClaudeFailed(Reason.UNFOUNDED, wrong)
        if not sentence:
            return
        self._sent += sentence
        await self._stream.write(sentence)

    async def take_back(self) -> None:
        """Put our own words in the place of what was sent; of nothing, if nothing was."""
        if not self._sent:
            return
        anew = ArtifactStream(self._run, self._artifact)
        await anew.send([text_part(self._text)], last=True)
