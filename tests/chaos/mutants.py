"""Planted bugs: each must make the stream run fail, or the run proves nothing.

python -m chaos.mutants            # a table: which seed caught which bug
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

TESTS = Path(__file__).parent.parent
SOURCE = TESTS.parent / "src"
SEEDS = range(1, 13)
FAULTS = 40


@dataclass(frozen=True)
class Mutant:
    """A bug to plant.

    Args:
        name: What is wrong with it.
        file: Where it is planted, in the package.
        right: The text that stands there, once.
        wrong: What takes its place.
    """

    name: str
    file: str
    right: str
    wrong: str


MUTANTS = (
    Mutant(
        "tells each event twice",
        "reading.py",
        "            frames.append(self._frame(event, final=self._ended))\n",
        "            frames += 2 * [self._frame(event, final=self._ended)]\n",
    ),
    Mutant(
        "tells each event twice to those who are up to date",
        "reading.py",
        "            frames.append(self._frames.event(event, over))\n",
        "            frames += 2 * [self._frames.event(event, over)]\n",
    ),
    Mutant(
        "tells live events to those who aren't up to date",
        "session.py",
        "self._feed is None or self._begins_anew or not self.at_end",
        "self._feed is None or self._begins_anew",
    ),
    Mutant(
        "lets those who were told live events go on from before them",
        "reading.py",
        "        if position is not None:\n            self._session.position = position\n",
        "",
    ),
    Mutant(
        "takes whatever comes in live for the next event",
        "replay.py",
        "if event.previous == last and (last is None or last.precedes(event.position)):",
        "if event.position != last:",
    ),
    Mutant(
        "knows events by their offsets alone",
        "replay.py",
        "if 0 <= place < len(self._events) and self._events[place].position == position:",
        "if 0 <= place < len(self._events):",
    ),
    Mutant(
        "reads on after a position that the log no longer holds",
        "backbone/history.py",
        "            if not entries or Position.of_entry(entries[0][0]) != after:\n",
        "            if not entries:\n",
    ),
    Mutant(
        "takes an unknown position for the start",
        "session.py",
        "        except HistoryLost as error:\n            return await self._reset(error.reason)\n",
        "        except HistoryLost:\n            self.position = None\n            events = ()\n",
    ),
    Mutant(
        "tells a reset without moving on",
        "session.py",
        "        self.position = self._told = snapshot.position\n",
        "        self._told = snapshot.position\n",
    ),
    Mutant(
        "drops what a slow watcher hasn't read yet",
        "feed.py",
        "            if events is not None:\n                return events\n",
        "            if events is not None:\n                return events\n"
        "            if position is not None:\n"
        "                return self._tail.after(self._tail._start) or ()\n",
    ),
    Mutant(
        "doesn't begin anew when another log stands there",
        "feed.py",
        "                await self._read_tail()\n                return\n",
        "                return\n",
    ),
    Mutant(
        "names each event's predecessor as its position",
        "wire/legacy_frames.py",
        "return self._frame(kind, told, event.position)",
        "return self._frame(kind, told, event.previous or event.position)",
    ),
    Mutant(
        "begins each page one event too late",
        "backbone/history.py",
        "            entries = entries[1:]\n",
        "            entries = entries[2:]\n",
    ),
    Mutant(
        "never looks into the log, whatever it may have missed",
        "feed.py",
        "        self._stale = True\n        if self._healing is None",
        "        self._stale = True\n        if self._healing is not None",
    ),
    Mutant(
        "hands out an epoch twice after lost writes",
        "backbone/lua/lease.lua",
        "local epoch = string.format('%.0f', math.max(time[1] * 1000000 + time[2],\n"
        "                                             tonumber(known.epoch) + 1 + tonumber(ARGV[3])))",
        "local epoch = string.format('%.0f', tonumber(known.epoch) + 1)",
    ),
)


def caught(mutant: Mutant) -> tuple[int | None, str]:
    """Plant a bug, and run seeds until one fails.

    Returns:
        The seed that caught it, None if none did; and what the run said.
    """
    with tempfile.TemporaryDirectory(prefix="a2a-mutant-") as directory:
        source = Path(directory) / "src"
        shutil.copytree(SOURCE, source, ignore=shutil.ignore_patterns("__pycache__"))
        target = source / "a2a_streaming" / mutant.file
        text = target.read_text()
        if text.count(mutant.right) != 1:
            raise AssertionError(f"{mutant.name!r} has lost its place in {mutant.file}: renew it")
        target.write_text(text.replace(mutant.right, mutant.wrong))
        environment = {**os.environ, "PYTHONPATH": f"{source}{os.pathsep}{TESTS}"}
        said = ""
        for seed in SEEDS:
            options = ["--seed", str(seed), "--faults", str(FAULTS), "--minutes", "1"]
            try:
                ran = subprocess.run(
                    [sys.executable, "-m", "chaos.streams", *options],
                    cwd=TESTS,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=100,
                    check=False,
                )
            except subprocess.TimeoutExpired:
                return seed, "it hung"
            said = ran.stdout
            if ran.returncode != 0:
                return seed, said or ran.stderr
    return None, said


def main() -> int:
    """Print the table; exit with 1 if a bug went unnoticed."""
    missed = 0
    print(f"{'planted bug':58} caught by")
    for mutant in MUTANTS:
        seed, _ = caught(mutant)
        missed += seed is None
        print(f"{mutant.name:58} {'nobody' if seed is None else f'seed {seed}'}", flush=True)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
