"""Answers the hub when it asks for a picture: part after part of it, beside the records."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import ValidationError

from edge.pictures import PictureStore
from protocols.inspection.fetching import BYTES, PART, Part, Wanted, parse_wanted
from protocols.refusal import first_problem

logger = logging.getLogger(__name__)

_WAITING = 16
"""Pictures asked for and not yet sent; the hub asks again for what is forgotten."""
_PART = 65_536
_BESIDE = 2048
"""Bytes of a message beside the part."""
_GONE = "the gateway does not have it any more"


@dataclass(slots=True)
class PictureAnswers:
    """What the hub has asked for."""

    store: PictureStore
    largest_message: int
    """Bytes that the broker takes."""
    _wanted: dict[str, Wanted] = field(default_factory=dict)

    def hear(self, text: str) -> None:
        """The hub asks; a picture that it asks for anew it wants from there."""
        try:
            wanted = parse_wanted(text)
        except ValueError as error:
            why = first_problem(error, "text") if isinstance(error, ValidationError) else error
            logger.warning("the hub asks for a picture in a way that is not known: %s", why)
            return
        if wanted.key not in self._wanted and len(self._wanted) >= _WAITING:
            return
        self._wanted[wanted.key] = wanted

    def take(self) -> Mapping[str, str | bytes] | None:
        """The next message's metrics; None if nothing more is asked for."""
        key = next(iter(self._wanted), None)
        if key is None:
            return None
        wanted = self._wanted.pop(key)
        noted = self.store.find(key)
        data = b""
        if noted is not None:
            most = max(1024, min(_PART, self.largest_message - _BESIDE))
            try:
                data = self.store.read(noted, wanted.at, min(most, wanted.to - wanted.at))
            except OSError as error:
                logger.error("picture %s cannot be read: %s", noted.file, error.strerror)
        if not data:
            return {PART: Part(key=key, at=wanted.at, gone=_GONE).model_dump_json(), BYTES: b""}
        if wanted.at + len(data) < wanted.to:
            self._wanted[key] = wanted.model_copy(update={"at": wanted.at + len(data)})
        return {PART: Part(key=key, at=wanted.at).model_dump_json(), BYTES: data}
