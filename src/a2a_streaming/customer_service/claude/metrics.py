"""What Prometheus is told of Claude: how often, how fast, at what price; never a word of what was said."""

from __future__ import annotations

from prometheus_client import Counter, Histogram

CALLS = Counter(
    "a2a_claude_calls",
    "Requests to Claude, tries together, by what for and how they ended: answered, or why not.",
    ["purpose", "outcome"],
)
TRIES = Counter("a2a_claude_tries", "Single tries at requests to Claude.", ["purpose"])
TOKENS = Counter(
    "a2a_claude_tokens",
    "Tokens, by kind: input, written (to the cache), cached (read from it), output.",
    ["kind"],
)
COST = Counter("a2a_claude_cost_usd", "US dollars, by the prices in the settings.")
FIRST = Histogram(
    "a2a_claude_first_seconds",
    "From a try to the first byte of its answer.",
    ["purpose"],
    buckets=(0.1, 0.25, 0.5, 1, 2, 4, 8, 16),
)
WHOLE = Histogram(
    "a2a_claude_seconds",
    "From a request to the end of its answer, tries together.",
    ["purpose"],
    buckets=(0.25, 0.5, 1, 2, 4, 8, 16, 32),
)
