from __future__ import annotations

from tests.hub.calls.conftest import supply

__all__ = ["supply"]
