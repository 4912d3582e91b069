"""Asks the simulated PLCs of this machine, which may be busy."""

from __future__ import annotations

from asyncua.client.client import Client


def patient_client(url: str) -> Client:
    """A client for which a server may stand still: by itself one hangs up after a second."""
    return Client(url, timeout=60, watchdog_intervall=60)
