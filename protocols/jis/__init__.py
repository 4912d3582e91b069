"""Contracts of the two just-in-sequence streams: what is said, how, and on which topic."""
