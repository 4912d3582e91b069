"""Sparkplug B 3.0: payloads, topics, and the rules of a session, as logic without I/O."""

from protocols.sparkplug.codec import Metric, decode, decode_samples, encode, encode_samples
from protocols.sparkplug.datatypes import DataType
from protocols.sparkplug.samples import GOOD, NO_ALIAS, NO_TIME, Samples, ValueField
from protocols.sparkplug.values import (
    DEFAULT_LIMITS,
    DataSet,
    Limits,
    MetaData,
    Parameter,
    Payload,
    PayloadError,
    Property,
    PropertySet,
    Template,
)

__all__ = [
    "DEFAULT_LIMITS",
    "GOOD",
    "NO_ALIAS",
    "NO_TIME",
    "DataSet",
    "DataType",
    "Limits",
    "MetaData",
    "Metric",
    "Parameter",
    "Payload",
    "PayloadError",
    "Property",
    "PropertySet",
    "Samples",
    "Template",
    "ValueField",
    "decode",
    "decode_samples",
    "encode",
    "encode_samples",
]
