"""Devices that are read by address in an interval: what S7 and Modbus have in common.

A kind says how it connects (`Device.connect`), and what a link gives when it reads blocks
(`link.py`). The rest is here: which values are read together (`plan.py`), when (`groups.py`), what
becomes of them (`intake.py`), what cannot be read and since when (`outages.py`), sessions
(`source.py`).
"""
