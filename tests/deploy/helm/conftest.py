"""The chart is rendered by Helm's own library, and its pods run beside a real Mosquitto; where one
of them is missing, what wants it is left out.

`tests/fixtures/helm.py` and `broker.py` say so at the head of the run, and fail if it was required.
"""

from __future__ import annotations

from deploy.local.broker import Mosquitto
from tests.fixtures.helm import HERE

collect_ignore = [] if HERE else ["test_chart.py", "test_pods.py"]
if Mosquitto.executable() is None:
    collect_ignore.append("test_pods.py")
