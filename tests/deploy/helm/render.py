"""What Helm makes of the chart: reads values as a list from stdin, says a `Rendered` of each.

Helm's own library (Go, in `helm-python-sdk`) runs in a process of its own: it brings threads and
signal handlers along, which the tests of others should not have.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, TypedDict

CHART = Path(__file__).parents[3] / "deploy" / "helm"
RELEASE, NAMESPACE = "lineside", "plant"


class Rendered(TypedDict):
    """Of one set of values: what `helm lint --strict` complains of, and files by template."""

    complaints: list[str]
    files: dict[str, str]


def rendered(chart: Path, values: list[dict[str, Any]]) -> list[Rendered]:
    """The chart by each of `values`. Where Helm refuses them there are no files."""
    done = subprocess.run(
        [sys.executable, "-m", __name__, chart],
        cwd=CHART.parents[1],
        input=json.dumps(values),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[Rendered] = json.loads(done.stdout)
    return found


def _render(chart: Path, values: dict[str, Any]) -> Rendered:
    from helm_python.chart import Chart, lint
    from helm_python.errors import HelmError

    report = lint(chart, values, strict=True, namespace=NAMESPACE)
    complaints = [
        f"{said['path']}: {said['error']}"
        for said in report["messages"]
        if said["error"] != "icon is recommended"
    ]
    try:
        with Chart.load(chart) as loaded:
            loaded.validate_schema(values)
            files = loaded.render(values, name=RELEASE, namespace=NAMESPACE)
    except HelmError as error:
        return {"complaints": [*complaints, str(error)], "files": {}}
    return {"complaints": complaints, "files": files}


if __name__ == "__main__":
    json.dump([_render(Path(sys.argv[1]), each) for each in json.load(sys.stdin)], sys.stdout)
