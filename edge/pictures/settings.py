"""What of the pictures can be set; the cameras are sources."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class PictureSettings(BaseModel):
    """The pictures that this gateway keeps, of all its cameras."""

    model_config = ConfigDict(extra="forbid")

    quota_mb: int = Field(
        default=1024,
        ge=64,
        le=1_048_576,
        title="Largest size of all pictures; the oldest go for newer ones",
    )
    keep_free_mb: int = Field(
        default=1024,
        ge=0,
        le=1_048_576,
        title="Free disk that pictures leave to the rest, more than the journal leaves",
    )
