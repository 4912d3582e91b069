"""Who certifies this gateway, if it is not the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

_EXAMPLE = "write https://ca.example.org"


def _bare_address(url: str) -> str:
    """Refuse an address that has more than host and port, or is not https."""
    if "@" in url:
        raise ValueError(f"user and password do not belong into an address: {_EXAMPLE}")
    place = urlsplit(url)
    _ = place.port  # raises `ValueError`, which says why
    if place.scheme != "https" or not place.hostname:
        raise ValueError(f"{url!r} is no address of an EST server: {_EXAMPLE}")
    if place.path not in ("", "/") or place.query or place.fragment:
        raise ValueError(
            f"host and port alone are wanted: {_EXAMPLE}; /.well-known/est is added, and what "
            "stands behind that is the `label`"
        )
    return url.rstrip("/")


class EstSettings(BaseModel):
    """A certificate authority that is asked by EST (RFC 7030)."""

    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, AfterValidator(_bare_address)] = Field(
        title="Address of the authority's EST server: https://ca.example.org"
    )
    label: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{1,64}$")] | None = Field(
        default=None, title="Label of the authority at that server, if it has several"
    )
    ca_file: Path = Field(
        title="Whom to trust (PEM): the root of the server's certificate, and that of those it "
        "gives, if that is another"
    )


class IdentitySettings(BaseModel):
    """Who certifies this gateway: the hub, by a token, unless another is named."""

    model_config = ConfigDict(extra="forbid")

    est: EstSettings | None = Field(
        default=None,
        title="An authority that is asked by EST (RFC 7030); the hub is, if this is absent",
        description="Got by `enrol`; the hub's operator must know it (hub/fleet).",
    )
