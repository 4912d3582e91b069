from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from hub.api.settings import ApiSettings
from hub.identity.settings import IdentitySettings, Membership, OidcSettings, RateSettings
from hub.store import Database
from tests.hub.api.conftest import TOKEN, serving
from tests.hub.calls.world import make_world
from tests.hub.identity.provider import CLIENT, Provider, provider


@pytest.fixture
def users() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture
def hub(database: Database, users: Provider) -> Iterator[httpx.Client]:
    """A hub of two car makers' worth of tenants, that knows an identity provider."""
    make_world(database)
    members = {
        "planners": Membership(tenant="carmaker", role="plant"),
        "checkers": Membership(tenant="carmaker", role="auditor"),
        "seats": Membership(tenant="seatworks", role="supplier"),
    }
    identity = IdentitySettings(
        oidc=OidcSettings(issuer=users.url, client_id=CLIENT, members=members),
        rate=RateSettings(requests_per_second=6, refusals_per_minute=8),
    )
    settings = ApiSettings(token=TOKEN)
    with (
        serving(database, settings, identity=identity) as url,
        httpx.Client(base_url=url, timeout=60) as client,
    ):
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
