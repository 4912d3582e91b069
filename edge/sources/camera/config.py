"""Settings of a camera: how it is reached, and of which events it takes pictures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator

from edge.sources.settings import BaseTag, DeviceName, Silence

_AROUND_FRAMES_KB = 2
"""What a clip has besides one frame, rounded up."""


def _address(text: str) -> str:
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError:  # whose text may have a part of a password
        raise ValueError("no address: host or port cannot be read") from None
    if parts.scheme in ("rtsp", "rtsps"):
        raise ValueError(
            "RTSP is not read; give the camera's address for pictures (JPEG) or for Motion JPEG, "
            "http://… or https://…, which most cameras have beside it"
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("write http://host/path or https://host/path")
    if parts.username is not None or parts.password is not None:
        raise ValueError("user and password do not stand in the address: see username")
    if not text.isascii() or any(c <= " " or c == "\x7f" for c in text):
        raise ValueError("an address has no blanks, control or other characters: write them as %20")
    return text


class CameraSettings(BaseModel):
    """One camera."""

    model_config = ConfigDict(extra="forbid")

    device: DeviceName = Field(title="Name of the camera, unique in this gateway")
    kind: Literal["camera"] = Field(title="Kind of source")
    url: Annotated[str, Field(max_length=500), AfterValidator(_address)] = Field(
        title="Address that gives a picture (JPEG), or for clips a stream (Motion JPEG)"
    )
    take: Literal["picture", "clip"] = Field(
        default="picture", title="What is taken of an event: picture or clip"
    )
    of: Annotated[list[DeviceName], Field(max_length=100)] = Field(
        default=[],
        title="Devices of this gateway whose results that are not in order are worth a picture",
    )
    lines: Annotated[list[Annotated[str, Field(max_length=129)]], Field(max_length=100)] = Field(
        default=[],
        title="Lines, as plant/line of an entry of jis: what their PLC finds not in order, and "
        "wrong parts found at the board, are worth a picture",
    )
    before_s: float = Field(
        default=5.0, ge=0, le=60, title="A clip begins so long before the event is known"
    )
    after_s: float = Field(default=3.0, ge=0, le=60, title="It ends so long after")
    max_fps: float = Field(
        default=5.0, gt=0, le=30, title="Frames of a stream kept a second; more are passed over"
    )
    max_frame_kb: int = Field(default=2048, ge=16, le=16_384, title="Largest picture or frame")
    max_clip_mb: int = Field(
        default=16,
        ge=1,
        le=30,
        title="Largest clip; of longer ones the end is missing. Each under way is held in memory",
    )
    late_s: float = Field(
        default=30.0,
        gt=0,
        le=86_400,
        title="Of what is older when it is known there is no picture, by the station's clock",
        description="Such as results that are fetched after an interruption.",
    )
    every_s: float = Field(
        default=10.0,
        ge=0.1,
        le=3600,
        title="How often a picture is fetched to see that the camera is there; it is not kept",
    )
    username: str | None = Field(default=None, max_length=200, title="User name at the camera")
    password: SecretStr | None = Field(default=None, title="Password; better kept in a file")
    password_file: Path | None = Field(default=None, title="File whose first line is the password")
    ca_file: Path | None = Field(
        default=None, title="CA certificate, or the camera's own (PEM); system trust if absent"
    )
    verify: bool = Field(
        default=True, title="Whether the camera must prove by its certificate who it is"
    )
    timeout_s: float = Field(
        default=5.0, gt=0, le=60, title="How long the camera may take to answer, in seconds"
    )
    silence_s: Silence = 60.0

    @model_validator(mode="after")
    def _seen_in_time(self) -> CameraSettings:
        if self.take == "picture" and self.every_s > self.silence_s / 3:
            raise ValueError("every_s is at most a third of silence_s")
        return self

    @model_validator(mode="after")
    def _a_clip_holds_a_frame(self) -> CameraSettings:
        most_kb = self.max_clip_mb * 1024 - _AROUND_FRAMES_KB
        if self.take == "clip" and self.max_frame_kb > most_kb:
            raise ValueError(
                f"no clip of max_clip_mb ({self.max_clip_mb}) holds a frame of max_frame_kb "
                f"({self.max_frame_kb}): lower max_frame_kb to {most_kb} or less, or raise "
                "max_clip_mb"
            )
        return self

    @model_validator(mode="after")
    def _secrets(self) -> CameraSettings:
        if self.password is not None and self.password_file is not None:
            raise ValueError("give password or password_file, not both")
        if self.username is None and (self.password or self.password_file):
            raise ValueError("a password needs a username")
        if self.username is not None and ":" in self.username:
            raise ValueError("HTTP knows no user name with a colon")
        return self

    @property
    def endpoint(self) -> str:
        """For people; what stands behind a question mark may be a secret."""
        return self.url.partition("?")[0]

    @property
    def tags(self) -> list[BaseTag]:
        """None: a camera says which pictures it took."""
        return []

    def secret(self) -> str:
        """The password, read now. Raises `OSError` if its file cannot be read."""
        if self.password_file is not None:
            return (self.password_file.read_text().splitlines() or [""])[0]
        return self.password.get_secret_value() if self.password is not None else ""
