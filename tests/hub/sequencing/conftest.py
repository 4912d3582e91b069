"""Fixture `kernels`: a test that asks for it runs on the compiled kernels and on their twin."""

from __future__ import annotations

from types import ModuleType

import pytest

from hub.sequencing import _kernels_py

VARIANTS: dict[str, ModuleType] = {"pure": _kernels_py}
try:
    from hub.sequencing import _kernels
except ImportError:
    pass
else:
    VARIANTS["compiled"] = _kernels


@pytest.fixture(params=list(VARIANTS))
def kernels(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The kernels in use during the test."""
    chosen = VARIANTS[request.param]
    for user in ("adherence", "calendar", "call_plan", "explode", "scoring"):
        monkeypatch.setattr(f"hub.sequencing.{user}.kernels", chosen)
    return chosen
