"""The hub's HTTP API and its live events."""
