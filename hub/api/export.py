"""Samples and trends as files: CSV, Arrow streams, Parquet."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Generator
from datetime import timedelta
from http import HTTPStatus
from itertools import chain
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime
from starlette.types import Send

from hub.api.context import Context, Shared, Tenant
from hub.api.problems import Problem, described
from hub.api.telemetry import TagIds, completeness_of, known_tags, named, span
from hub.store.export import ExtraMissingError, Format, Selection, write

router = APIRouter(prefix="/v1", tags=["telemetry"])

SPAN = timedelta(days=1)
MEDIA: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
    "parquet": "application/vnd.apache.parquet",
}
_BINARY = {"schema": {"type": "string", "format": "binary"}}


class FileStream(StreamingResponse):
    """A file as it is made. One that takes too long, be it because nobody reads it, is broken off
    without its end, so that nobody takes it for whole."""

    def __init__(
        self, pieces: Generator[bytes, None, None], longest_s: float, **response: Any
    ) -> None:
        """Raises what making the first piece does."""
        first = next(pieces)
        super().__init__(chain([first], pieces), **response)
        self._pieces = pieces
        self._longest_s = longest_s

    async def stream_response(self, send: Send) -> None:
        """Raises `TimeoutError`, upon which the connection is closed."""
        try:
            async with asyncio.timeout(self._longest_s):
                await super().stream_response(send)
        finally:
            # The connection to the database goes back now, not when somebody collects garbage.
            await run_in_threadpool(self._pieces.close)


@router.get(
    "/export",
    summary="Samples or trends of tags as a file",
    response_class=StreamingResponse,
    responses=described(
        HTTPStatus.NOT_FOUND, HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.NOT_IMPLEMENTED
    )
    | {
        200: {
            "description": "Rows by tag, then by time. CSV with a line of names; Arrow and Parquet "
            "name the gaps in their metadata, `lineside.gaps`",
            "headers": {
                "Lineside-Complete": {
                    "description": "`true`: nothing is known to be missing or still under way",
                    "schema": {"type": "string", "enum": ["true", "false"]},
                }
            },
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/vnd.apache.arrow.stream": _BINARY,
                "application/vnd.apache.parquet": _BINARY,
            },
        }
    },
)
def export(
    tags: TagIds,
    tenant: Tenant,
    shared: Shared,
    from_time: Annotated[
        AwareDatetime | None, Query(alias="from", description="default: a day before `to`")
    ] = None,
    to_time: Annotated[AwareDatetime | None, Query(alias="to", description="default: now")] = None,
    form: Annotated[Literal["csv", "arrow", "parquet"], Query(alias="format")] = "csv",
    resolution: Annotated[
        Literal["raw", "minute", "hour", "day"],
        Query(description="samples, or what is aggregated of them, by the bucket's beginning"),
    ] = "raw",
) -> FileStream:
    """All rows in [from, to), streamed as they are read. A few may run at a time for each tenant;
    one that takes too long is broken off without its end."""
    start, to = span(from_time, to_time, SPAN)
    with shared.budget.spending(tenant), shared.reading(tenant) as connection:
        known_tags(connection, tags)
        devices = connection.execute(
            "SELECT min(id) FROM tag WHERE id = ANY (%s) GROUP BY device ORDER BY 1", (tags,)
        ).fetchall()
        known = [completeness_of(connection, tag, start, to) for (tag,) in devices]
    gaps = [gap.model_dump(mode="json") for one in known for gap in named(one)]
    about = {"lineside.gaps": json.dumps(gaps)}
    pieces = _pieces(shared, tenant, Selection(tags, start, to, resolution), form, about)
    try:
        return FileStream(
            pieces,
            shared.export_s,
            media_type=MEDIA[form],
            headers={
                "Lineside-Complete": "true" if all(one.complete for one in known) else "false",
                "Content-Disposition": f'attachment; filename="samples.{form}"',
            },
        )
    except ExtraMissingError as missing:
        raise Problem(HTTPStatus.NOT_IMPLEMENTED, str(missing)) from None


def _pieces(
    shared: Context, tenant: str, selection: Selection, form: Format, about: dict[str, str]
) -> Generator[bytes, None, None]:
    """The file, within the tenant's budget: what counts is the reading, not a slow reader."""
    with shared.budget.export(tenant), shared.exporting(tenant) as connection:
        asked = time.monotonic()
        for piece in write(connection, selection, form, about):
            shared.budget.charge(tenant, time.monotonic() - asked)
            yield piece
            asked = time.monotonic()
