"""Planted bugs: each must make the fault run fail, or the run proves nothing.

python -m chaos.mutants            # a table: after how many faults each is caught, and by which invariant
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent.parent
SOURCE = TESTS.parent / "src"
FAULTS = 200
"""Within so many faults each must be caught."""
_ROUND = 25
_SECONDS = 900
"""After which a run has hung, which is noticed, too."""


@dataclass(frozen=True)
class Edit:
    """One place of a bug.

    Args:
        file: Where it is planted, in the package.
        right: The text that stands there, once.
        wrong: What takes its place.
    """

    file: str
    right: str
    wrong: str


@dataclass(frozen=True, init=False)
class Mutant:
    """A bug to plant.

    Args:
        name: What is wrong with it.
        edits: Where it is planted; several places where one defence stands behind the other.
        faults: The kinds of faults under which it must show; any if there are none.
    """

    name: str
    edits: tuple[Edit, ...]
    faults: tuple[str, ...]

    def __init__(self, name: str, *edits: Edit, faults: Sequence[str] = ()) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "edits", edits)
        object.__setattr__(self, "faults", (*faults,))


_CUTS = ("clients cut at a byte", "herd comes back", "client comes late", "clients stall")
_LINKS = ("link is cut", "CLIENT KILL pubsub", "half-open link", "clients cut at a byte")
_POSITIONS = ("client comes with a position",)
_FAILOVERS = ("failover, writers alive", "failover, writers gone")
_KILLS = ("SIGKILL to a worker",)

MUTANTS = (
    Mutant(
        "tells each event twice",
        Edit(
            "reading.py",
            ("            frames.append(self._frame(event, final=self._ended))\n"),
            ("            frames += 2 * [self._frame(event, final=self._ended)]\n"),
        ),
        faults=_CUTS,
    ),
    Mutant(
        "tells each event twice to those who are up to date",
        Edit(
            "reading.py",
            "            frames.append(self._frames.event(event, over))\n",
            ("            frames += 2 * [self._frames.event(event, over)]\n"),
        ),
        faults=_CUTS,
    ),
    Mutant(
        "tells live events to those who aren't up to date",
        Edit(
            "session.py",
            "self._feed is None or self._begins_anew or not self.at_end",
            "self._feed is None or self._begins_anew",
        ),
        faults=_CUTS,
    ),
    Mutant(
        "lets those who were told live events go on from before them",
        Edit(
            "reading.py",
            ("        if position is not None:\n            self._session.position = position\n"),
            "",
        ),
        faults=(*_CUTS, *_LINKS),
    ),
    Mutant(
        "takes whatever comes in live for the next event",
        Edit(
            "replay.py",
            "if event.previous == last and (last is None or last.precedes(event.position)):",
            "if event.position != last:",
        ),
        faults=(*_LINKS, *_FAILOVERS),
    ),
    Mutant(
        "knows events by their offsets alone",
        Edit(
            "replay.py",
            "if 0 <= place < len(self._events) and self._events[place].position == position:",
            "if 0 <= place < len(self._events):",
        ),
        faults=(*_FAILOVERS, *_POSITIONS),
    ),
    Mutant(
        "reads on after a position that the log no longer holds",
        Edit(
            "backbone/history.py",
            ("            if not entries or Position.of_entry(entries[0][0]) != after:\n"),
            "            if not entries:\n",
        ),
        faults=(*_FAILOVERS, *_POSITIONS),
    ),
    Mutant(
        "takes an unknown position for the start",
        Edit(
            "session.py",
            (
                "        except HistoryLost as error:\n"
                "            return await self._reset(error.reason)\n"
            ),
            (
                "        except HistoryLost:\n"
                "            self.position = None\n"
                "            events = ()\n"
            ),
        ),
        faults=(*_FAILOVERS, *_POSITIONS),
    ),
    Mutant(
        "tells a reset without moving on",
        Edit(
            "session.py",
            "        self.position = self._told = snapshot.position\n",
            "        self._told = snapshot.position\n",
        ),
        faults=(*_FAILOVERS, *_POSITIONS),
    ),
    Mutant(
        "drops what a slow watcher hasn't read yet",
        Edit(
            "feed.py",
            ("            if events is not None:\n                return events\n"),
            (
                "            if events is not None:\n"
                "                return events\n"
                "            if position is not None:\n"
                "                return self._tail.after(self._tail._start) or ()\n"
            ),
        ),
        faults=_CUTS,
    ),
    Mutant(
        "doesn't begin anew when another log stands there",
        Edit(
            "feed.py",
            ("                await self._read_tail()\n                return\n"),
            "                return\n",
        ),
        faults=(*_FAILOVERS, *_CUTS),
    ),
    Mutant(
        "names each event's predecessor as its position",
        Edit(
            "wire/legacy_frames.py",
            "return self._frame(kind, told, event.position)",
            "return self._frame(kind, told, event.previous or event.position)",
        ),
        faults=_CUTS,
    ),
    Mutant(
        "begins each page one event too late",
        Edit(
            "backbone/history.py",
            "            entries = entries[1:]\n",
            "            entries = entries[2:]\n",
        ),
        faults=_CUTS,
    ),
    Mutant(
        "never looks into the log, whatever it may have missed",
        Edit(
            "feed.py",
            "        self._stale = True\n        if self._healing is None",
            ("        self._stale = True\n        if self._healing is not None"),
        ),
        faults=_LINKS,
    ),
    Mutant(
        "hands out an epoch twice after lost writes",
        Edit(
            "backbone/lua/lease.lua",
            (
                "local epoch = string.format('%.0f', math.max(time[1] * 1000000 + time[2],\n"
                "                                             tonumber(known.epoch) + 1 + tonumber(ARGV[3])))"
            ),
            "local epoch = string.format('%.0f', tonumber(known.epoch) + 1)",
        ),
        faults=_FAILOVERS,
    ),
    Mutant(
        "lets runs write after their end",
        Edit(
            "run.py",
            "    def _check_open(self) -> None:\n        if self._ended:\n",
            ("    def _check_open(self) -> None:\n        if not self._writer:\n"),
        ),
        Edit("backbone/lua/append.lua", "if known[5] then return { 'TERMINAL' } end\n", ""),
        Edit(
            "task.py", "    if wanted not in TRANSITIONS[current]:\n", "    if not TRANSITIONS:\n"
        ),
        faults=("agent emits after its end",),
    ),
    Mutant(
        "lets anybody write who once had the lease",
        Edit(
            "backbone/lua/append.lua",
            "if not current then return { 'FENCED' } end\n",
            (
                "if not current then return { 'FENCED' } end\n"
                "epoch, holder, call = current, known[4] or '', tonumber(known[3] or '0')\n"
                "expected = tonumber(string.match(last, '%-(%d+)$'))\n"
            ),
        ),
        Edit(
            "backbone/lua/append.lua",
            ("if last ~= ARGV[3] and last_epoch ~= epoch then return { 'FENCED' } end\n"),
            "",
        ),
        faults=("SIGSTOP, SIGCONT",),
    ),
    Mutant(
        "forgets the work of the dead",
        Edit(
            "backbone/work.py",
            "            for _ in range(_LOOKS):",
            "            for _ in range(_LOOKS - _LOOKS):",
        ),
        Edit("backbone/sweep.py", "        return dict(found)\n", "        return {}\n"),
        faults=_KILLS,
    ),
    Mutant(
        "drops a follow-up",
        Edit(
            "backbone/lua/accept.lua",
            "redis.call('RPUSH', inbox, entry)\nredis.call('HSET', meta,",
            "redis.call('HSET', meta,",
        ),
        faults=_CUTS,
    ),
    Mutant(
        "shows everybody every task",
        Edit(
            "caller.py",
            "        return owner == self.owner or self.sees_all\n",
            "        return True\n",
        ),
        faults=("intruder",),
    ),
    Mutant(
        "does a step again under another key",
        Edit(
            "run.py",
            (
                "        return f\"{self._stored_id}:{self.message_id.replace(':', '%3A')}:{name}\"\n"
            ),
            ('        return f"{self._stored_id}:{self.message_id}:{name}:{self.attempt}"\n'),
        ),
        faults=_KILLS,
    ),
    Mutant(
        "lets sets of watchers live for ever",
        Edit(
            "backbone/subscriptions.py",
            ('            commands.append(["PEXPIRE", key, 2 * self._lifetime])\n'),
            "",
        ),
        faults=("SIGKILL to a front",),
    ),
    Mutant(
        "counts watchers whose process is dead",
        Edit(
            "backbone/subscriptions.py",
            "            lapse = now + self._lifetime\n",
            "            lapse = now + 1000 * self._lifetime\n",
        ),
        faults=("SIGKILL to a front",),
    ),
    Mutant(
        "posts an event under another id at each try",
        Edit(
            "push/telling.py",
            '{position}"\n        modern_wire',
            '{position}{time.time()}"\n        modern_wire',
        ),
        faults=("webhooks fail",),
    ),
    Mutant(
        "goes on when a webhook hasn't taken an event",
        Edit(
            "push/telling.py", "            if outcome.reason:\n", "            if outcome.gone:\n"
        ),
        faults=("webhooks fail",),
    ),
    Mutant(
        "puts a chunk in the place of those before",
        Edit(
            "task.py",
            '        artifact["parts"].extend(new.get("parts", ()))\n',
            '        artifact["parts"] = list(new.get("parts", ()))\n',
        ),
        faults=_CUTS,
    ),
)
"""All of them."""
NOTHING = Mutant("none: the code as it is")
"""In which nothing may be found."""


def caught(mutant: Mutant) -> tuple[int | None, str]:
    """Plant a bug, and run until something is found.

    Returns:
        After how many faults it was caught, None if it wasn't; and which invariants it broke, or what else it did.
    """
    with tempfile.TemporaryDirectory(prefix="a2a-mutant-") as directory:
        source = Path(directory) / "src"
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        for edit in mutant.edits:
            target = source / "a2a_streaming" / edit.file
            text = target.read_text()
            if text.count(edit.right) != 1:
                raise AssertionError(f"{mutant.name!r} has lost its place in {edit.file}: renew it")
            target.write_text(text.replace(edit.right, edit.wrong))
        report = Path(directory) / "report.json"
        options = ["--small", "--faults", str(FAULTS), "--round", str(_ROUND), "--minutes", "15"]
        options += [f"--only={kind}" for kind in mutant.faults]
        try:
            ran = subprocess.run(
                [sys.executable, "-m", "chaos", *options, f"--report={report}"],
                cwd=TESTS,
                env={**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{TESTS}"},
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return FAULTS, "it hung"
        if not report.exists():
            return 0, f"it broke off: {ran.stderr[-200:]}"
        told = json.loads(report.read_text())
        broken = sorted({one["invariant"] for one in told["violations"]})
        return told["faultsInAll"] if broken else None, ", ".join(broken)


def main() -> int:
    """Print the table; exit with 1 if a bug went unnoticed, or something was found without one. Arguments choose bugs by words of their names."""
    wrong = 0
    print("| planted bug | caught after | by |\n| --- | --- | --- |")
    for mutant in (NOTHING, *MUTANTS):
        if sys.argv[1:] and not any(words in mutant.name for words in sys.argv[1:]):
            continue
        after, how = caught(mutant)
        wrong += (after is None) != (mutant is NOTHING)
        when = "not at all" if after is None else f"{after} faults"
        print(f"| {mutant.name} | {when} | {how} |", flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
