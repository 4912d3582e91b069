"""Settings that every watched folder has."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from edge.sources.results import CodeForms
from edge.sources.settings import BaseTag, DeviceName, Silence, TimeZone


class FolderSettings(BaseModel):
    """A folder that a station or a measuring room puts files into."""

    model_config = ConfigDict(extra="forbid")

    device: DeviceName = Field(title="Name of the device, unique in this gateway")
    watch_dir: Path = Field(
        title="The folder, on this PC or on a mounted share; folders in it are not looked into"
    )
    archive_dir: Path | None = Field(
        default=None,
        title="Where files go that were taken, in a folder for each day; archive in the folder if "
        "not given",
    )
    rejected_dir: Path | None = Field(
        default=None,
        title="Where files go that cannot be used, with the reason beside them; rejected in the "
        "folder if not given",
    )
    retain_days: int = Field(
        default=90, ge=0, le=36_500, title="How long the archive is kept, in days; 0: for good"
    )
    scan_s: float = Field(
        default=2.0, ge=0.05, le=60, title="How often the folder is looked at, in seconds"
    )
    settle_s: float = Field(
        default=3.0,
        ge=0,
        le=3600,
        title="How long a file must not have changed before it is taken, in seconds",
        description="More than the longest pause of what writes it.",
    )
    max_file_mb: int = Field(default=4, ge=1, le=64, title="Largest file that is read, in MiB")
    timeout_s: float = Field(
        default=20.0, gt=0, le=600, title="How long the folder may take to answer, in seconds"
    )
    silence_s: Silence = 300.0
    time_zone: TimeZone = Field(
        default="UTC", title="Time zone of the times in the files, such as Europe/Berlin"
    )
    serial: CodeForms = Field(
        default=[],
        title="Forms of the codes of parts, one for each customer; without any, a code is a serial",
    )

    @property
    def endpoint(self) -> str:
        """For people."""
        return str(self.watch_dir)

    @property
    def archive(self) -> Path:
        """Where files go that were taken."""
        return self.archive_dir or self.watch_dir / "archive"

    @property
    def rejected(self) -> Path:
        """Where files go that cannot be used."""
        return self.rejected_dir or self.watch_dir / "rejected"

    @property
    def tags(self) -> list[BaseTag]:
        """None: files say results."""
        return []
