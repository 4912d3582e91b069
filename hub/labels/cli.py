"""`lineside-hub labels rack`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from hub.calls.refused import RefusedError, UnknownError
from hub.labels.racks import rack_labels
from hub.store.cli import service_connection
from protocols.labels.zpl import DOTS_8, DOTS_12, rack_labels_zpl

labels = typer.Typer(help="Labels to print.", no_args_is_help=True)


class Dots(StrEnum):
    """Resolution of a printer, in dots per millimetre."""

    EIGHT = "8"
    TWELVE = "12"


def register(app: typer.Typer) -> None:
    """Add this part's commands."""
    app.add_typer(labels, name="labels")


@labels.command("rack")
def rack_label(
    line: Annotated[str, typer.Argument(help="The supplier's line.")],
    rack: Annotated[str, typer.Argument(help="The rack, such as SEAT1-00001.")],
    out: Annotated[Path, typer.Option(help="File to write: .pdf, or .zpl for a label printer.")],
    plant: Annotated[str, typer.Option(help="Plant the rack is for.")] = "P1",
    dots: Annotated[Dots, typer.Option(help="Of a .zpl: the printer's dots per mm.")] = Dots.EIGHT,
) -> None:
    """Draw the label of a rack: unloading point, slots with their parts, and its codes."""
    if out.suffix not in (".pdf", ".zpl"):
        typer.echo(f"{out}: name it .pdf or .zpl", err=True)
        raise typer.Exit(2)
    try:
        with service_connection() as connection:
            drawn = rack_labels(connection, plant, line, rack)
        if out.suffix == ".pdf":
            # Fonts and images take long to load, which no other command should wait for.
            from protocols.labels.pdf import rack_labels_pdf

            out.write_bytes(rack_labels_pdf(drawn))
        else:
            per_mm = DOTS_12 if dots is Dots.TWELVE else DOTS_8
            out.write_text(rack_labels_zpl(drawn, per_mm), encoding="ascii")
    except (UnknownError, RefusedError, OSError) as error:
        typer.echo(f"no label: {error}", err=True)
        raise typer.Exit(1) from None
    typer.echo(f"{out}: {len(drawn)} label{'s' if len(drawn) > 1 else ''}")
