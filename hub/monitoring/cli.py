"""`lineside-hub doctor`."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import psycopg
import typer
from pydantic import ValidationError

from hub.monitoring.doctor import examine
from hub.monitoring.findings import Finding, Verdict
from hub.settings import HubSettings
from hub.store.cli import misconfigured
from hub.store.connect import open_database
from hub.store.embedded import EmbeddedError

_COLOURS: dict[Verdict, str] = {
    "ok": typer.colors.GREEN,
    "warning": typer.colors.YELLOW,
    "failed": typer.colors.RED,
}


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.command("doctor")(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Findings as JSON, a line each.")] = False,
) -> None:
    """Try all that the hub needs, as the settings have it: database, brokers, rights, clock, disk.

    Changes nothing. Ends with 0 if all is well or only warned of, 1 if something failed, 2 if the
    settings themselves are wrong.
    """
    failed = False
    try:
        settings = HubSettings()
        with open_database(settings.database, settings.data_dir) as database:
            for finding in examine(settings, database):
                failed |= finding.verdict == "failed"
                _show(finding, as_json)
    except ValidationError as error:
        raise misconfigured(error) from None
    except (psycopg.OperationalError, EmbeddedError, OSError, ValueError) as error:
        failed = True
        _show(Finding("database", "failed", str(error).strip(), "see its log"), as_json)
    if failed:
        raise typer.Exit(1)


def _show(finding: Finding, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(asdict(finding), ensure_ascii=False))
        return
    verdict = typer.style(f"{finding.verdict:7}", fg=_COLOURS[finding.verdict])
    typer.echo(f"{verdict}  {finding.what}: {finding.text}")
    if finding.todo:
        typer.echo(f"         → {finding.todo}")
