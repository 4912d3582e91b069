"""Both codecs, so that one suite holds for both."""

from __future__ import annotations

import pytest

from tests.protocols.sparkplug.codecs import COMPILED, PLAIN, Codec


@pytest.fixture(params=[COMPILED, PLAIN], ids=lambda codec: codec.name, scope="session")
def codec(request: pytest.FixtureRequest) -> Codec:
    """One of the two codecs."""
    assert isinstance(request.param, Codec)
    return request.param
