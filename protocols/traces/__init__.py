"""The trace of a call: its steps, from the control point to the acknowledgement, and how they are
told to a collector of OpenTelemetry.

Trace and span ids follow from the call's key and the step, so nothing of them travels and no table
holds them: every process names the same ids by itself, after a restart too.
"""

from protocols.traces.settings import TraceSettings
from protocols.traces.steps import OUTCOMES, Place, Step, span_id, trace_id
from protocols.traces.tracer import UNTRACED, CallTracer, TraceFigures, why_untraced

__all__ = [
    "OUTCOMES",
    "UNTRACED",
    "CallTracer",
    "Place",
    "Step",
    "TraceFigures",
    "TraceSettings",
    "span_id",
    "trace_id",
    "why_untraced",
]
