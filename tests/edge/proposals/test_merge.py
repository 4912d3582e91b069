"""What the hub may change of a gateway's configuration, and what only the file itself can."""

from __future__ import annotations

from typing import Any

import pytest

from edge.proposals.merge import merged, refusals
from edge.proposals.settings import ProposalSettings

PRESS = {
    "kind": "opcua",
    "device": "press",
    "endpoint": "opc.tcp://10.0.0.1:4840",
    "username": "reader",
    "password": "${PRESS_PASSWORD}",
    "tags": [{"name": "Force", "node": "ns=2;s=Force"}],
}
LOCAL: dict[str, Any] = {
    "version": 1,
    "gateway": {"group": "g", "node": "n"},
    "journal": {"quota_mb": 100, "keep_free_mb": 10},
    "sources": [PRESS],
}
TAGS = [{"name": "Stroke", "node": "ns=2;s=Stroke"}]


@pytest.mark.parametrize(
    ("sections", "why"),
    [
        ({"gateway": {"node": "other"}}, "gateway: this gateway does not let"),
        ({"hub": {"proposals": {"may_change": ["broker"]}}}, "hub: this gateway does not let"),
        ({"data_dir": "/tmp"}, "data_dir: this gateway does not let"),
        ({"broker": {"host": "evil.example"}}, "broker: this gateway does not let"),
        ({"jis": []}, "jis: this gateway does not let"),
        ({"addresses": {}}, "addresses: this gateway does not let"),
        (
            {"sources": [{"device": "press", "endpoint": "opc.tcp://evil.example:4840"}]},
            "sources[0].endpoint: of source press it is kept",
        ),
        (
            {"sources": [{"device": "press", "security": {"trust_any_server": True}}]},
            "sources[0].security: of source press it is kept",
        ),
        ({"sources": [{"device": "new", "kind": "opcua"}]}, "no source 'new' here"),
        (
            {"sources": [{"device": "press", "tags": [{"name": "${PATH}"}]}]},
            "sources[0].tags[0].name: values of this machine's environment",
        ),
        ({"journal": {"log_file": "/etc/passwd"}}, "journal.log_file: files of this machine"),
    ],
)
def test_what_is_security_relevant_is_refused(sections: dict[str, Any], why: str) -> None:
    found = refusals(ProposalSettings(), LOCAL, sections)
    assert any(why in each for each in found), found


def test_tags_and_timing_are_taken_and_the_rest_of_a_source_kept() -> None:
    local = {**LOCAL, "sources": [dict(PRESS)], "journal": dict(LOCAL["journal"])}
    sections = {
        "journal": {"quota_mb": 200},
        "sources": [{"device": "press", "publishing_ms": 50, "tags": TAGS}],
    }
    assert refusals(ProposalSettings(), local, sections) == []
    merged(local, sections)
    assert local["journal"] == {"quota_mb": 200, "keep_free_mb": 10}
    assert local["sources"] == [{**PRESS, "publishing_ms": 50, "tags": TAGS}]


def test_addresses_may_be_let_to_the_hub() -> None:
    settings = ProposalSettings(may_change=["sources", "addresses"])
    sections = {"sources": [{"device": "new", "kind": "s7", "host": "10.0.0.2"}]}
    assert refusals(settings, LOCAL, sections) == []
    assert refusals(settings, LOCAL, {"jis": []}) != []
