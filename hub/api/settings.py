"""What of `serve` and its HTTP API can be set."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from protocols.mqtt.broker import LOOPBACK


class PartName(StrEnum):
    """What a process may run."""

    API = "api"
    INGEST = "ingest"
    CALLS = "calls"
    WEBHOOKS = "webhooks"


class ApiSettings(BaseModel):
    """Where the API listens and who may ask. Without a token it serves its own machine only."""

    model_config = ConfigDict(extra="forbid")

    host: str = Field(default="127.0.0.1", title="Address to listen on")
    port: int = Field(default=8080, ge=0, le=65535, title="TCP port; 0 takes any that is free")
    token: SecretStr | None = Field(default=None, title="Bearer token; better kept in a file")
    token_file: Path | None = Field(default=None, title="File whose first line is the bearer token")
    cert_file: Path | None = Field(
        default=None, title="Certificate for TLS (PEM); none: plain, for a reverse proxy before it"
    )
    key_file: Path | None = Field(default=None, title="Key of that certificate (PEM)")
    tenant: str | None = Field(
        default=None, title="Tenant the token speaks for; none: the owner of the only plant"
    )
    search_cores: int | None = Field(
        default=None, ge=1, title="Cores that searches may take together; none: all there are"
    )

    @model_validator(mode="after")
    def _open_on_loopback_only(self) -> ApiSettings:
        if self.is_open and self.host not in LOOPBACK:
            raise ValueError(
                f"without a token the API listens on loopback only, not on {self.host!r}; "
                "set LINESIDE_HUB_API__TOKEN_FILE"
            )
        return self

    @model_validator(mode="after")
    def _certificate_with_key(self) -> ApiSettings:
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together")
        return self

    @property
    def is_open(self) -> bool:
        """Whether nobody is asked who they are: then it serves its own machine alone."""
        return self.token is None and self.token_file is None

    def secret(self) -> str | None:
        """The token, read now; None if none is asked for.

        Raises `OSError` if its file cannot be read, `ValueError` if it has under 16 characters.
        """
        if self.token_file is not None:
            token = (self.token_file.read_text().splitlines() or [""])[0].strip()
        elif self.token is not None:
            token = self.token.get_secret_value()
        else:
            return None
        if len(token) < 16:
            raise ValueError("the API token is shorter than 16 characters")
        return token
