"""An instant as others say it, within what every database and calendar can hold.

PostgreSQL takes 0001-01-01T00:00+14:00, which is before the year 1, and Python cannot read it back.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import AwareDatetime, Field

Moment = Annotated[
    AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(2200, 1, 1, tzinfo=UTC))
]
