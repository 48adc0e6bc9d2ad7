"""What is done to a server: each module one part of it. `SCENARIOS` has them in their order."""

from a2a_reliability.findings import Scenario
from a2a_reliability.scenarios import crashing, crowds, ending, joining, reconnecting, story

SCENARIOS: tuple[Scenario, ...] = (
    *story.SCENARIOS,
    *joining.SCENARIOS,
    *reconnecting.SCENARIOS,
    *ending.SCENARIOS,
    *crowds.SCENARIOS,
    *crashing.SCENARIOS,
)
