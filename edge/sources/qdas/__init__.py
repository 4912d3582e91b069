"""Q-DAS files (AQDEF) of a watched folder: DFQ, and DFD with its DFX."""

from edge.sources.qdas.config import QdasSettings

__all__ = ["QdasSettings"]
