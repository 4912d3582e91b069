"""The chart is rendered by Helm's own library, which is not built for every machine."""

from __future__ import annotations

from importlib.util import find_spec

from tests.fixtures.required import refuse_absence

collect_ignore = []
if find_spec("helm_python") is None:
    refuse_absence("helm", "helm-python-sdk has wheels for x86_64 alone")
    collect_ignore.append("test_chart.py")


def pytest_report_header() -> str:
    return "helm: not here, its chart is left out" if collect_ignore else "helm: its own library"
