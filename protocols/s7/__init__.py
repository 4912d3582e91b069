"""Siemens S7: addresses, types, requests in the size of a PDU, symbols of engineering exports."""

from protocols.s7.address import Address, AddressError, parse

__all__ = ["Address", "AddressError", "parse"]
