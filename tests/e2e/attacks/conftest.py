"""The site that is attacked: a real hub, a real broker with TLS, gateways that have enrolled."""

from __future__ import annotations

from tests.hub.conftest import configured
from tests.hub.fleet.conftest import authority, command, signing, site, token, whole_site

__all__ = [
    "authority",
    "command",
    "configured",
    "signing",
    "site",
    "token",
    "whole_site",
]
