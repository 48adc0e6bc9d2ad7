"""The demo company: who customers deal with, and how they reach a person there. All made up."""

from __future__ import annotations

NAME = "Meridian Travel"
EMAIL = "support@meridian.example"
PHONE = "+44 20 7946 0123"  # of the range that is kept for fiction
HOURS = "every day from 8:00 to 20:00"

CONTACT = f"write to {EMAIL} or call {PHONE}, {HOURS}"
"""How to reach a person, to be put into a sentence."""
