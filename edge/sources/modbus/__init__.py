"""Modbus over TCP or a serial line: one device, or the units behind one gateway or on one line.

Its settings alone are imported with the package: who reads a configuration needs no pymodbus.
"""

from edge.sources.modbus.config import ModbusSettings, ModbusTagSettings

__all__ = ["ModbusSettings", "ModbusTagSettings"]
