"""Settings of the supplier board."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from edge.http import is_loopback

SHORTEST_PIN = 6


class BoardSettings(BaseModel):
    """Where the board of the lines is served, over plain HTTP, and who may press its buttons."""

    model_config = ConfigDict(extra="forbid")

    port: int = Field(
        default=9485,
        ge=0,
        le=65535,
        title="TCP port of the board; 0 for none",
        description="Served where a line is called just in sequence (jis), or a station is entered "
        "by hand (kind manual).",
    )
    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        title="Address to listen on",
        description="Only this machine reaches 127.0.0.1. Any other address needs a pin.",
    )
    pin: SecretStr | None = Field(
        default=None,
        title="PIN that people give, with their name, before they press a button",
        description=(
            "Whoever reaches the address can read the board; its PIN and all else travel in plain "
            "text, so keep it within the line's own network. Without one a name is enough."
        ),
    )

    @model_validator(mode="after")
    def _open_on_purpose(self) -> BoardSettings:
        if self.pin is not None and len(self.pin.get_secret_value()) < SHORTEST_PIN:
            raise ValueError(f"the pin has fewer than {SHORTEST_PIN} characters")
        if self.port and self.pin is None and not is_loopback(self.host):
            raise ValueError(
                f"{self.host!r} can be reached by other machines, and without a pin anybody there "
                "could press the board's buttons; set a pin, or host: 127.0.0.1"
            )
        return self
