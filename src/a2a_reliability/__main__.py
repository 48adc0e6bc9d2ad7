"""`python -m a2a_reliability`."""

from a2a_reliability.cli import main

main()
