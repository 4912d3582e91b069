"""Spans of calls by OpenTelemetry's SDK, told to a collector over OTLP/HTTP.

Whoever works on a call never waits for the collector: a span goes into a bounded queue, which a
thread of its own empties. What finds the queue full, or cannot be sent, is dropped and counted; the
log hears once that it is so, and once that it is over.

The one place below `protocols` that opens a connection: hub and gateway tell their halves of a
trace by the same rules, and meet nowhere else.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from protocols.jis.messages import CallKey
from protocols.traces.settings import TraceSettings
from protocols.traces.steps import Place, Step, span_id, trace_id

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

    from protocols.traces.pipeline import Pipeline

logger = logging.getLogger(__name__)

Told = str | int | bool
"""What an attribute may be."""
LINGER_S = 1.0
"""How long a span may wait for others to be sent with it."""
BATCH = 256
CLOSE_S = 2.0
"""How long an end waits for what is still to be sent."""


@dataclass(slots=True)
class TraceFigures:
    """Of spans. Written by whoever traces and by the sending thread, under the queue's lock."""

    sent: int = 0
    """Taken by the collector."""
    dropped: int = 0
    """The queue was full, or the collector did not take them."""


class CallTracer:
    """Tells of the steps of calls while it is `on`, from any thread."""

    def __init__(self, service: str, instance: str | None = None) -> None:
        """It is off. `service` and `instance` name the process; by default by machine and pid."""
        self._service = service
        self._instance = instance or f"{socket.gethostname()}-{os.getpid()}"
        self._pipeline: Pipeline | None = None
        self.figures = TraceFigures()

    @property
    def on(self) -> bool:
        """Whether to take the times of steps at all."""
        return self._pipeline is not None

    def now(self) -> int:
        """When a step begins, ns of Unix time; 0 while this is off."""
        return time.time_ns() if self.on else 0

    def use(self, settings: TraceSettings) -> None:
        """Go over to these settings. Where the libraries are missing it says so and stays off."""
        self.close()
        if settings.endpoint is None:
            return
        try:
            from protocols.traces.pipeline import Pipeline

            queue = SpanQueue(settings.queue, self.figures)
            self._pipeline = Pipeline(settings, self._resource(), queue)
        except ImportError as missing:
            logger.error(
                "nothing is traced: %s is not installed; install lineside with the extra trace",
                missing.name,
            )
        except Exception:  # such as an environment variable of OpenTelemetry's that makes no sense
            logger.exception("nothing is traced: the library does not begin")

    def close(self) -> None:
        """Be off, and send what waits, for `CLOSE_S` at most."""
        pipeline, self._pipeline = self._pipeline, None
        if pipeline is not None:
            pipeline.close()

    def step(
        self,
        step: Step,
        key: CallKey,
        began_ns: int,
        *,
        place: Place | None = None,
        first: bool = False,
        failed: bool = False,
        more: dict[str, Told] | None = None,
    ) -> None:
        """A step that `began_ns` says the beginning of, by `now`, is done now.

        `place`: of the record that it was done for, or that its parent was. `first`: nothing came
        before it. `more`: further attributes; never anything secret.
        """
        pipeline = self._pipeline
        if pipeline is None or not began_ns:
            return
        parent = None if first else step.parent
        try:
            pipeline.tell(
                step,
                trace_id(key),
                span_id(step, key, place),
                None if parent is None else span_id(parent, key, place),
                (began_ns, max(began_ns, time.time_ns())),
                _attributes(key, place) | (more or {}),
                failed=failed,
            )
        except Exception:  # a fault of a library's must not be one of the call lane's
            logger.exception("traces: a span cannot be made; nothing is traced from here on")
            self._pipeline = None
            pipeline.end()

    def _resource(self) -> dict[str, str]:
        return {
            "service.name": self._service,
            "service.version": version("lineside"),
            "service.instance.id": self._instance,
        }


UNTRACED = CallTracer("untraced")
"""Never on: for whoever is not told what to trace with."""


def _attributes(key: CallKey, place: Place | None) -> dict[str, Told]:
    told: dict[str, Told] = {
        "lineside.call.key": str(key),
        "lineside.plant": key.plant,
        "lineside.line": key.line,
        "lineside.production_no": key.production_no,
        "lineside.part_group": key.part_group,
    }
    if place is not None:
        told |= {"lineside.stream.epoch": place.epoch, "lineside.stream.offset": place.offset}
    return told


def why_untraced(settings: TraceSettings, within_s: float = 3.0) -> str | None:
    """Why spans would not be taken now: no library, no collector, or not the right one; None if
    they would. Raises `ValueError` without an endpoint."""
    try:
        from protocols.traces.pipeline import why_refused
    except ImportError as missing:
        return f"{missing.name} is not installed; install lineside with the extra trace"
    return why_refused(settings, within_s)


class SpanQueue:
    """Spans on their way to the sending thread. Full, it lets the oldest go."""

    def __init__(self, size: int, figures: TraceFigures) -> None:
        self.figures = figures
        self._size = size
        self._waiting: deque[ReadableSpan] = deque()
        self._changed = threading.Condition()
        self._closing = False

    def put(self, span: ReadableSpan) -> None:
        """Never waits for more than another thread's few lines."""
        with self._changed:
            if len(self._waiting) >= self._size:
                self._waiting.popleft()
                self.figures.dropped += 1
            self._waiting.append(span)
            if len(self._waiting) in (1, BATCH):
                self._changed.notify()

    def take(self) -> list[ReadableSpan]:
        """The next batch, when there is one; empty: it is the end, and nothing is left."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            self._changed.wait_for(
                lambda: len(self._waiting) >= BATCH or self._closing, timeout=LINGER_S
            )
            return [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]

    def sent(self, count: int) -> None:
        with self._changed:
            self.figures.sent += count

    def lost(self, count: int) -> None:
        with self._changed:
            self.figures.dropped += count

    def close(self) -> None:
        """What waits is still taken."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
