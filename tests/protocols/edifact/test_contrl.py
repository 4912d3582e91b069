"""CONTRL: the answer says which messages are taken, and why not."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from protocols.edifact.contrl import acknowledge
from protocols.edifact.interchange import read_interchange, write_interchange
from protocols.edifact.messages import read_content
from protocols.edifact.problems import EdifactError, Problem
from protocols.edifact.profile import EdiProfile
from tests.protocols.edifact.samples import changed, golden


def test_one_taken_and_one_refused() -> None:
    good = read_interchange(golden("deljit"))
    bad = read_interchange(
        changed("deljit", "LOC+11+TOR 7'\nLOC+159", "LOC+" + "1" * 4 + "+TOR 7'LOC+159")
    )
    both = replace(good, messages=(good.messages[0], replace(bad.messages[0], reference="2")))
    both = read_interchange(write_interchange(both))
    problems: list[Problem] = []
    for message in both.messages:
        try:
            read_content(message, EdiProfile())
        except EdifactError as error:
            problems.extend(error.problems)
    answer = acknowledge(both, problems, "12", datetime(2026, 11, 28, 14, 6))
    assert write_interchange(answer).decode("ascii").split("'")[1:-1] == [
        "UNB+UNOC:3+SUPPLIER7:OD+PLANT01:OD+261128:1406+12",
        "UNH+1+CONTRL:D:3:UN",
        "UCI+4711+PLANT01:OD+SUPPLIER7:OD+7",
        "UCM+1+DELJIT:D:97A:UN+7",
        "UCM+2+DELJIT:D:97A:UN+4",
        "UCS+10",
        "UCD+39+1:1",
        "UNT+7+1",
        "UNZ+1+12",
    ]
