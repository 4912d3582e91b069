"""Where traces go, of hub and gateway alike."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from protocols.mqtt.broker import LOOPBACK

PATH = "/v1/traces"
"""Below the base address, as OTLP/HTTP has it."""


class TraceSettings(BaseModel):
    """Without an endpoint nothing is traced, and no library of OpenTelemetry is loaded. Headers for
    a login and files of certificates are taken from the standard's own environment variables."""

    model_config = ConfigDict(extra="forbid")

    endpoint: str | None = Field(
        default=None,
        title="Base address of an OTLP/HTTP collector, such as http://127.0.0.1:4318; none: off",
        description="Needs the extra `trace`. A login's headers: OTEL_EXPORTER_OTLP_HEADERS.",
    )
    ratio: float = Field(
        default=1.0,
        ge=0,
        le=1,
        allow_inf_nan=False,
        title="Share of the calls that are traced; which ones follows from their keys",
    )
    queue: int = Field(
        default=2048,
        ge=16,
        le=100_000,
        title="Spans that wait for the collector at most; beyond that the oldest are dropped",
    )
    plain_beyond_loopback: bool = Field(
        default=False,
        title="Allow http:// to another machine, which sends production numbers in the clear",
    )

    @model_validator(mode="after")
    def _can_be_reached_safely(self) -> TraceSettings:
        if self.endpoint is None:
            return self
        where = urlsplit(self.endpoint)
        if where.scheme not in ("http", "https") or not where.hostname:
            raise ValueError("endpoint should be http://HOST:PORT or https://HOST:PORT")
        if where.username is not None or where.password is not None:
            raise ValueError(
                "endpoint holds no user or password; give OTEL_EXPORTER_OTLP_HEADERS instead"
            )
        if where.path.rstrip("/") or where.query or where.fragment:
            raise ValueError(f"endpoint is the base address alone: {PATH} is added to it")
        plain = where.scheme == "http" and where.hostname not in LOOPBACK
        if plain and not self.plain_beyond_loopback:
            raise ValueError(
                f"http:// is for this machine, not for {where.hostname!r}; use https://, or set "
                "plain_beyond_loopback: true if that network is trusted"
            )
        return self

    @property
    def url(self) -> str:
        """Where spans are sent. Raises `ValueError` without an endpoint."""
        if self.endpoint is None:
            raise ValueError("no endpoint")
        return self.endpoint.rstrip("/") + PATH
