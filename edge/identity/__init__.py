"""Who this gateway is to the hub and its broker: its certificate, got by a token and renewed.

`files.py` and `keeper.py` are the agent's; making keys and requests (`obtain.py`) is for a command,
or for a process of its own (`__main__.py`).
"""
