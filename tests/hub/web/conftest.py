"""The page is tried on the same plant and over the same server as the API."""

from tests.hub.api.conftest import url, world

__all__ = ["url", "world"]
