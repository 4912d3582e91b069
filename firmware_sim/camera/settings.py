"""What can be chosen about a simulated camera."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class HttpCameraSettings(BaseModel):
    """A camera that shows its clock and a number that counts its frames."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = "127.0.0.1"
    port: int = Field(default=0, ge=0, le=65_535, description="0: a free one")
    fps: float = Field(default=10.0, gt=0, le=60, description="frames of its stream a second")
    width: int = Field(default=320, ge=64, le=4096)
    height: int = Field(default=240, ge=48, le=4096)
    log_in: Literal["none", "basic", "digest"] = Field(
        default="none", description="how a viewer proves to be `user` with `password`"
    )
    user: str = "viewer"
    password: str = "sim"  # noqa: S105  a simulation
    lengths: bool = Field(default=True, description="whether parts of the stream say their length")
