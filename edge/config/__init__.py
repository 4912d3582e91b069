"""The gateway's configuration: the model, reading it from YAML, writing a commented sample."""

from edge.config.apart import Reading, load_apart
from edge.config.load import ConfigError, Problem, load
from edge.config.model import EdgeConfig, GatewaySettings, HubSettings, JisLine, fingerprint
from edge.config.sample import sample

__all__ = [
    "ConfigError",
    "EdgeConfig",
    "GatewaySettings",
    "HubSettings",
    "JisLine",
    "Problem",
    "Reading",
    "fingerprint",
    "load",
    "load_apart",
    "sample",
]
