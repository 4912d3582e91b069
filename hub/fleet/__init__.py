"""The fleet as the database knows it: gateways, how they are, and what is missing of their data."""

from hub.fleet.completeness import Completeness, MissingSpan, completeness
from hub.fleet.gateways import GatewayView, Traffic, gateway, gateways

__all__ = [
    "Completeness",
    "GatewayView",
    "MissingSpan",
    "Traffic",
    "completeness",
    "gateway",
    "gateways",
]
