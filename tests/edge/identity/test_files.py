"""The folder of a gateway's key."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.identity.files import IdentityFiles


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
