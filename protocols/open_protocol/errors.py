"""Errors of MID 0004, in words that say what to do."""

from __future__ import annotations

ALREADY = frozenset({6, 9, 11, 13, 18, 33, 71})
"""The subscription is there: of VIN, results, alarms, programme, job, several spindles, any."""
NOT_FOUND = 15
REVISIONS = frozenset({74, 76, 97})
"""It has not this revision."""

_WORDS = {
    1: "the data are not valid",
    2: "there is no such programme",
    3: "the programme cannot be set",
    6: "VIN is subscribed already",
    8: "its settings do not let Open Protocol give the VIN",
    9: "results are subscribed already",
    10: "results are not subscribed",
    11: "alarms are subscribed already",
    13: "the programme is subscribed already",
    15: "it has no such tightening",
    16: "it is busy with too many clients",
    17: "there is no such job",
    18: "the job is subscribed already",
    20: "the job cannot be set",
    25: "its settings do not let Open Protocol programme it",
    27: "its tool cannot be reached",
    29: "there is no such tool",
    30: "it is not the master of several spindles",
    33: "results of several spindles are subscribed already",
    35: "another client is its master",
    42: "its settings do not let Open Protocol give the identifier",
    58: "there is no alarm",
    59: "its tool is in use",
    71: "it is subscribed already",
    73: "it cannot be subscribed",
    74: "it has not this revision",
    75: "it cannot be asked for",
    76: "it has not this revision",
    79: "the command failed",
    92: "its settings do not allow commands by Open Protocol",
    95: "it is in manual mode",
    96: "another client is connected: end that, or let the controller have more",
    97: "it has not this revision",
    98: "it had no answer from within itself in time",
    99: "it does not know this message: is its Open Protocol licensed for that?",
}


def in_words(code: int) -> str:
    """What an error says."""
    return f"{_WORDS.get(code, 'refused')} (error {code:02})"
