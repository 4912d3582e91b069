"""Modbus: addresses, types in any order of words and bytes, maps of registers as CSV."""

from protocols.modbus.address import Address, AddressError, parse

__all__ = ["Address", "AddressError", "parse"]
