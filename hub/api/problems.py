"""Errors as RFC 9457 problem details (`application/problem+json`)."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from psycopg_pool import PoolTimeout
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from hub.orders.problems import MAX_SHOWN

logger = logging.getLogger(__name__)


class FieldProblem(BaseModel):
    """One thing wrong with a request."""

    where: str = Field(examples=["body.production_no"])
    what: str = Field(examples=["String should have at least 1 character"])


class ProblemDetails(BaseModel):
    """What went wrong, as RFC 9457 has it."""

    type: str = Field(default="about:blank", examples=["about:blank"])
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no order 0004711 in plant P1"])
    errors: list[FieldProblem] = Field(
        default=[], description="What each field lacks, if fields do"
    )


class Problem(Exception):  # noqa: N818 - the standard's own word
    """Raised where a request cannot be served; becomes the answer."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        headers: dict[str, str] | None = None,
        errors: list[FieldProblem] | None = None,
    ):
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers
        self.errors = errors


def described(*statuses: HTTPStatus) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these problems."""
    return {
        int(status): {
            "description": status.phrase,
            "content": {
                "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
            },
        }
        for status in statuses
    }


def install(app: FastAPI) -> None:
    """Make every error of `app` a problem."""

    @app.exception_handler(Problem)
    async def _problem(_request: Request, problem: Problem) -> JSONResponse:
        return answer(problem.status, problem.detail, problem.errors, problem.headers)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        headers = dict(error.headers) if error.headers else None
        detail = str(error.detail)
        if error.status_code == HTTPStatus.NOT_FOUND and detail == HTTPStatus.NOT_FOUND.phrase:
            detail = "there is no such path; /openapi.json describes all that there are"
        return answer(HTTPStatus(error.status_code), detail, headers=headers)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        errors = error.errors()
        fields = [
            FieldProblem(where=".".join(str(part) for part in e["loc"]), what=e["msg"])
            for e in errors[:MAX_SHOWN]
        ]
        detail = "; ".join(f"{field.where}: {field.what}" for field in fields)
        if len(errors) > MAX_SHOWN:
            detail += f"; and {len(errors) - MAX_SHOWN} more"
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, detail, fields)

    @app.exception_handler(psycopg.errors.QueryCanceled)
    async def _too_long(_request: Request, _error: Exception) -> JSONResponse:
        return answer(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the question takes longer than one tenant's may; ask for less at a time",
        )

    @app.exception_handler(psycopg.OperationalError)
    @app.exception_handler(PoolTimeout)
    async def _database_away(_request: Request, _error: Exception) -> JSONResponse:
        return answer(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "the database cannot be reached; ask again",
            headers={"Retry-After": "1"},
        )

    @app.exception_handler(psycopg.DataError)
    async def _data(_request: Request, error: psycopg.DataError) -> JSONResponse:
        # What the models let through and no table takes, such as a NUL character in a name.
        text = str(error).partition("\n")[0]
        return answer(HTTPStatus.UNPROCESSABLE_ENTITY, f"cannot be looked up: {text}")


class Unforeseen:
    """Makes a problem of what no handler knows, too, and logs it with its place.

    The server would answer such an exception as well, but then drop the connection, on which the
    client may just have sent its next request.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def noticed(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except Exception:
            if started:
                raise
            logger.exception("%s %s failed", scope["method"], scope["path"])
            await answer(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                "the hub failed at this; its log says where",
            )(scope, receive, send)


def answer(
    status: HTTPStatus,
    detail: str,
    errors: list[FieldProblem] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A problem as it is sent."""
    details = ProblemDetails(
        title=status.phrase, status=int(status), detail=detail, errors=errors or []
    )
    return JSONResponse(
        details.model_dump(exclude_defaults=True) | {"type": "about:blank"},
        status_code=int(status),
        headers=headers,
        media_type="application/problem+json",
    )
