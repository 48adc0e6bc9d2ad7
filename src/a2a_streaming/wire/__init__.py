"""Dialects of A2A: what clients send and what they are sent."""
