"""A Modbus device over TCP or a serial line."""
