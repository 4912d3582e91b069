"""The folder of a gateway's key."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.identity.files import Enrolment, IdentityFiles


def test_a_link_in_its_place_gives_nothing_away(tmp_path: Path) -> None:
    """Root enrols for the service's user, who may have laid it there."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    before = elsewhere.stat()
    (tmp_path / "identity").symlink_to(elsewhere)
    with pytest.raises(OSError, match="identity"):
        IdentityFiles.of(tmp_path).make_folder()
    after = elsewhere.stat()
    assert (after.st_mode, after.st_uid) == (before.st_mode, before.st_uid)


def test_the_power_goes_while_one_that_waited_gives_way_to_one_enrolled_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = IdentityFiles.of(tmp_path)
    files.make_folder()
    now = datetime.now(UTC)
    waits = Enrolment("https://hub.example.org", "g", "n", now + timedelta(days=9), now)
    anew = Enrolment(None, "g", "n", now + timedelta(days=5), now)
    files.stage("next", waits)
    unlink = Path.unlink

    def last(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if path in (files.next_about, files.next_proof):
            raise KeyboardInterrupt

    monkeypatch.setattr(Path, "unlink", last)
    with pytest.raises(KeyboardInterrupt):
        files.keep("proof", anew)
    monkeypatch.undo()
    files.settle()
    assert (files.proof.read_text(), files.enrolment()) == ("proof", anew)
