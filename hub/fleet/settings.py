"""What of the hub's certificate authority can be set: LINESIDE_HUB_CA__…"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator


@dataclass(frozen=True, slots=True)
class Signing:
    """What is needed to sign gateways."""

    cert_file: Path
    key_file: Path
    days: float
    """How long a gateway's certificate is good."""


class AuthoritySettings(BaseModel):
    """Without files: the hub's own, below its `data_dir`, made by `lineside-hub ca init`."""

    model_config = ConfigDict(extra="forbid")

    cert_file: Path | None = Field(
        default=None,
        title="Certificate of an authority of yours to sign gateways (PEM), those above it after",
    )
    key_file: Path | None = Field(default=None, title="Its key (PEM), for the hub's user alone")
    external_file: Path | None = Field(
        default=None,
        title="Certificates of another authority whose gateways the broker lets in too (PEM): "
        "the one that signs them first, those above it after, to the root",
    )
    external_crl_file: Path | None = Field(
        default=None, title="What that authority has revoked (PEM)"
    )
    gateway_days: float = Field(
        default=90, gt=0, le=825, title="How long a gateway's certificate is good"
    )

    @model_validator(mode="after")
    def _both_or_none(self) -> AuthoritySettings:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        if self.external_file is None and self.external_crl_file is not None:
            raise ValueError("external_crl_file is wanted with external_file only")
        return self

    def signing(self, data_dir: Path) -> Signing:
        """With the hub's own files where none are given."""
        if self.cert_file is not None and self.key_file is not None:
            return Signing(self.cert_file, self.key_file, self.gateway_days)
        folder = data_dir / "ca"
        return Signing(folder / "ca.crt", folder / "ca.key", self.gateway_days)
