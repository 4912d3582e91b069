"""What of users and limits can be set: LINESIDE_HUB_IDENTITY__OIDC__… and its like"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from hub.identity.caller import Role


class Membership(BaseModel):
    """What a group of the identity provider stands for here."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    tenant: str = Field(title="Tenant whose rows its members see")
    role: Role = Field(title="What they may do")


class OidcSettings(BaseModel):
    """The identity provider whose users may sign in."""

    model_config = ConfigDict(extra="forbid")

    issuer: str = Field(
        pattern=r"^https?://\S+$", title="Issuer; its discovery document is below it"
    )
    client_id: str = Field(min_length=1, title="Our client at the provider; tokens must name it")
    client_secret: SecretStr | None = Field(
        default=None, title="Its secret; none for a public client (PKCE is used in any case)"
    )
    client_secret_file: Path | None = Field(default=None, title="File whose first line it is")
    groups_claim: str = Field(default="groups", title="Claim that lists a user's groups")
    members: dict[str, Membership] = Field(
        default={}, title="Groups that have a meaning here; a user in none of them is refused"
    )
    public_url: str | None = Field(
        default=None,
        pattern=r"^https?://\S+[^/]$",
        title="Where browsers reach this hub",
    )

    @model_validator(mode="after")
    def _encrypted(self) -> OidcSettings:
        local = ("http://127.0.0.1", "http://localhost", "http://[::1]")
        if self.issuer.startswith("http:") and not self.issuer.startswith(local):
            raise ValueError(f"an issuer off this machine must be https, not {self.issuer!r}")
        return self

    def secret(self) -> str | None:
        """The client's secret, read now. Raises `OSError`."""
        if self.client_secret_file is not None:
            return (self.client_secret_file.read_text().splitlines() or [""])[0].strip()
        return self.client_secret.get_secret_value() if self.client_secret else None


class RateSettings(BaseModel):
    """How much one caller may ask for."""

    model_config = ConfigDict(extra="forbid")

    requests_per_second: int = Field(
        default=200, ge=1, title="Of one key or user, on average of 10 s"
    )
    refusals_per_minute: int = Field(
        default=30, ge=1, title="Wrong keys or tokens from one address before it has to wait"
    )
    query_s: float = Field(default=15.0, gt=0, title="Longest that one query of a tenant may take")
    reading_seconds_per_minute: float = Field(
        default=60.0,
        gt=0,
        title="Time that all questions of a tenant for samples may take together",
    )
    exports_at_a_time: int = Field(default=2, ge=1, title="Exports of one tenant that may run")
    export_s: float = Field(default=600.0, gt=0, title="Longest that one export may take")


class IdentitySettings(BaseModel):
    """Who may ask, beside the holder of the hub's own token, and how much."""

    model_config = ConfigDict(extra="forbid")

    oidc: OidcSettings | None = None
    rate: RateSettings = RateSettings()
