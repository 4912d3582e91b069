"""A trial survives whatever ends the agent, and never takes from people what they have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.proposals.files import ProposalFiles, given_up, look_at_start


@pytest.fixture
def files(tmp_path: Path) -> ProposalFiles:
    config = tmp_path / "edge.yaml"
    config.write_text("old")
    config.chmod(0o640)
    found = ProposalFiles(config, tmp_path)
    found.candidate.write_text("new")
    return found


def test_an_agent_that_keeps_ending_gets_its_old_configuration(files: ProposalFiles) -> None:
    files.begin(3)
    for _ in range(3):
        look_at_start(files.config)
        assert files.config.read_text() == "new"
    look_at_start(files.config)
    assert files.config.read_text() == "old"
    assert files.config.stat().st_mode & 0o777 == 0o640
    trial = files.trial()
    assert trial is not None
    assert given_up(trial)
    files.roll_back(trial)
    assert files.trial() is None
    look_at_start(files.config)
    assert files.config.read_text() == "old"


def test_what_somebody_has_edited_meanwhile_stays(files: ProposalFiles) -> None:
    trial = files.begin(3)
    files.config.write_text("edited")
    files.roll_back(trial)
    assert files.config.read_text() == "edited"


def test_the_hub_is_told_once(files: ProposalFiles) -> None:
    assert files.notes().last == 0
    files.note(4, "refused", "x" * 10_000)
    notes = files.notes()
    assert (notes.last, notes.told) == (4, False)
    files.told(notes)
    assert (files.notes().last, files.notes().told) == (4, True)
    files.notes_file.write_text('{"decided": 7}')
    assert files.notes().last == 0
