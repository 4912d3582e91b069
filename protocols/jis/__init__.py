"""Contracts of the two just-in-sequence streams: what is said, in which envelope, on which topic."""
