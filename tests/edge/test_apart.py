"""Work in a process of its own."""

from __future__ import annotations

import asyncio
import socket

import pytest

from deploy.local.ports import free_port
from edge.apart import ask_apart, run_apart


def test_gives_what_the_module_prints() -> None:
    assert asyncio.run(run_apart("calendar", "1815", "12")).split()[:2] == [b"December", b"1815"]


def test_a_question_without_an_answer_ends_and_its_process_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.apart._LONGEST_ASK_S", 1.0)
    port = free_port()
    with pytest.raises(TimeoutError, match="no answer within 1 s"):
        asyncio.run(ask_apart("http.server", "--bind", "127.0.0.1", str(port)))
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), 5)
