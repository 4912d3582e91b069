"""A picture as an answer."""

from __future__ import annotations

from fastapi import Response

_HEADERS = {
    # Opened in a browser it may style itself, and neither load nor run anything.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "Cache-Control": "no-cache",
}


class Svg(Response):
    """An SVG document."""

    media_type = "image/svg+xml"


def svg(text: str) -> Svg:
    """This document as an answer."""
    return Svg(text, headers=_HEADERS)
