"""Fault injection: real servers, a proxy that breaks links, a schedule drawn by a seed, and an oracle."""
