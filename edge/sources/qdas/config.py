"""Settings of a folder with Q-DAS files."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from edge.sources.folder.settings import FolderSettings
from edge.sources.settings import TextEncoding

ValueField = Annotated[str, StringConstraints(pattern=r"^K[01X]\d{3}$")]


class QdasSettings(FolderSettings):
    """A folder with DFQ files, or DFD with DFX."""

    kind: Literal["qdas"] = Field(title="Kind of source")
    encoding: TextEncoding = Field(
        default="cp1252",
        title="Encoding of the files: cp1252, gbk, utf-8, …; a byte order mark counts more",
    )
    serial_fields: list[ValueField] = Field(
        default=["K0014"],
        min_length=1,
        max_length=10,
        title="K-fields the serial of a part is looked for in, in this order",
        description="Of the value (K0014 part ident, K0006 batch or ident, K0016 production "
        "number) or of the part (K1014).",
    )
