"""How much a set-up can carry: what things cost, what a workload needs, and a simulation that checks it."""
