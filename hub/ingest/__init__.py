"""Ingest: telemetry from the broker into the database, each record once."""

from hub.ingest.service import Ingest
from hub.ingest.settings import IngestSettings

__all__ = ["Ingest", "IngestSettings"]
