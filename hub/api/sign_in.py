"""Signing in to the screens with the identity provider: a code for a cookie."""

from __future__ import annotations

import hmac
from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Cookie, Query, Request
from fastapi.responses import RedirectResponse

from hub.api.context import Context, Shared
from hub.api.problems import Problem
from hub.identity.oidc import Oidc, ProviderAwayError, SignInError
from hub.identity.sessions import COOKIE, SESSION_S, SIGN_IN_COOKIE, SIGN_IN_S

router = APIRouter(prefix="/sign-in", include_in_schema=False)

_CALLBACK = "/sign-in/back"


@router.get("")
def sign_in(
    request: Request, shared: Shared, to: Annotated[str, Query(max_length=500)] = "/"
) -> RedirectResponse:
    """Send the browser to the provider; afterwards it comes to `to`, a path of ours."""
    oidc = _provider(shared)
    try:
        begun = oidc.begin(_base(request, oidc) + _CALLBACK)
    except ProviderAwayError as away:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(away)) from None
    answer = RedirectResponse(begun.url, HTTPStatus.SEE_OTHER)
    said = {"s": begun.state, "n": begun.nonce, "v": begun.verifier, "to": _path(to)}
    _keep(request, answer, SIGN_IN_COOKIE, shared.sessions.sign(said, SIGN_IN_S), SIGN_IN_S)
    return answer


@router.get("/back")
def back(
    request: Request,
    shared: Shared,
    state: Annotated[str, Query(max_length=500)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
    begun: Annotated[str, Cookie(alias=SIGN_IN_COOKIE)] = "",
) -> RedirectResponse:
    """Where the provider sends the browser back to, with a code or a refusal."""
    oidc = _provider(shared)
    said = shared.sessions.read(begun)
    if said is None or not hmac.compare_digest(str(said.get("s")), state):
        raise Problem(HTTPStatus.BAD_REQUEST, "this answers no sign-in of this browser; try again")
    if error or not code:
        raise Problem(HTTPStatus.UNAUTHORIZED, f"the provider refused: {error or 'no code'}")
    try:
        caller = oidc.finish(code, _base(request, oidc) + _CALLBACK, said["v"], said["n"])
    except SignInError as refused:
        raise Problem(HTTPStatus.UNAUTHORIZED, str(refused)) from None
    except ProviderAwayError as away:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(away)) from None
    answer = RedirectResponse(_path(str(said["to"])), HTTPStatus.SEE_OTHER)
    _keep(request, answer, COOKIE, shared.sessions.issue(caller), SESSION_S)
    answer.delete_cookie(SIGN_IN_COOKIE)
    return answer


@router.post("/out")
def sign_out() -> RedirectResponse:
    """Forget the browser."""
    answer = RedirectResponse("/", HTTPStatus.SEE_OTHER)
    answer.delete_cookie(COOKIE)
    return answer


def _provider(shared: Context) -> Oidc:
    if shared.oidc is None:
        raise Problem(
            HTTPStatus.NOT_FOUND,
            "this hub knows no identity provider: set LINESIDE_HUB_IDENTITY__OIDC__ISSUER",
        )
    return shared.oidc


def _base(request: Request, oidc: Oidc) -> str:
    return oidc.settings.public_url or f"{request.url.scheme}://{request.url.netloc}"


def _path(to: str) -> str:
    """A path of ours; whatever could lead elsewhere leads home."""
    return to if to.startswith("/") and to[1:2] not in ("/", "\\") else "/"


def _keep(request: Request, answer: RedirectResponse, name: str, value: str, for_s: int) -> None:
    secure = request.url.scheme == "https" or request.url.hostname not in ("127.0.0.1", "localhost")
    answer.set_cookie(name, value, max_age=for_s, httponly=True, secure=secure, samesite="lax")
