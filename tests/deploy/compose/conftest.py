"""The broker's access list is tried on a real Mosquitto; where there is none, it is left out.

`tests/fixtures/broker.py` says so at the head of the run, and fails if Mosquitto was required.
"""

from __future__ import annotations

from deploy.local.broker import Mosquitto

collect_ignore = [] if Mosquitto.executable() else ["test_access.py"]
